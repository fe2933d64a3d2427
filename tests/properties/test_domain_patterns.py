"""A pattern finds the same accounts in memory and in SQL, and is refused only when no account can match it."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.address_pattern import AddressPattern, UnknownPattern
from domain.chart import CHART, UnknownAccount, account_kind

WORDS = ("wallet", "merchant", "psp", "available", "clearing", "in_transit", "alice", "a.b", "x-1", "rev", "fees")
NAMES = st.one_of(st.sampled_from(WORDS), st.text("ab_.-%\\", min_size=1, max_size=3).filter(lambda t: t.isascii()))
ADDRESSES = st.lists(NAMES, min_size=1, max_size=4).map(":".join)
PATTERNS = st.builds(
    lambda parts, rest: ":".join([*parts, *rest]),
    st.lists(st.one_of(NAMES, st.just("*")), max_size=4),
    st.sampled_from(([], ["**"])),
)


def _known(address: str) -> bool:
    try:
        account_kind(address)
    except UnknownAccount:
        return False
    return True


def _like(pattern: str) -> str:
    """What LIKE means, as a regular expression."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "".join(".*" if part == "%" else "." if part == "_" else re.escape(part[-1]) for part in parts)


@settings(max_examples=500, derandomize=True, deadline=None)
@given(PATTERNS, ADDRESSES)
def test_memory_and_sql_agree_and_like_never_loses_a_match(text: str, address: str) -> None:
    try:
        pattern = AddressPattern.parse(text)
    except UnknownPattern:
        return
    if not _known(address):
        return
    found = re.search(pattern.to_sql_regex(), address) is not None
    assert found == pattern.matches(address)
    liked = re.fullmatch(_like(pattern.to_sql_like()), address) is not None
    assert liked or not found
    assert not pattern.exact or liked == found


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.sampled_from(CHART), st.lists(st.sampled_from(WORDS), min_size=4, max_size=4), st.data())
def test_a_pattern_made_from_an_account_of_the_chart_is_never_refused(
    row: object, words: list[str], data: st.DataObject
) -> None:
    names: list[str] = []
    for index, segment in enumerate(row.pattern.split(":")):  # type: ignore[attr-defined]
        many = words[: data.draw(st.integers(1, 3))] if segment == "**" else [words[index]]
        names += many if segment in ("*", "**") else [segment]
    kept = data.draw(st.integers(0, len(names)))
    parts = [data.draw(st.sampled_from((name, "*"))) for name in names[:kept]] + (["**"] if kept < len(names) else [])
    assert AddressPattern.parse(":".join(parts)).matches(":".join(names))
