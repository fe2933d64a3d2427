"""Address patterns: which accounts a caller means, here and in SQL."""

from __future__ import annotations

import re

import pytest

from domain import AddressPattern
from domain.address_pattern import UnknownPattern
from domain.chart import ADDRESS_LENGTH_MAX, CHART
from tests.domain.specification import refused


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("merchant:m-1:available", ["merchant:m-1:available"], ["merchant:m-2:available", "merchant:m-1:pending"]),
        ("merchant:*:available", ["merchant:m-1:available"], ["merchant:a:b:available", "merchant:available"]),
        ("merchant:{id}:available", ["merchant:m-1:available"], ["merchant:m-1:pending"]),
        ("wallet:**", ["wallet:alice", "wallet:alice:main"], ["wallet", "walleta:x"]),
        ("wallet:*:main", ["wallet:alice:main"], ["wallet:alice", "wallet:alice:main:old"]),
        ("*:*:clearing", ["psp:simulator:clearing"], ["psp:simulator:in_transit"]),
        ("wallet:a.b", ["wallet:a.b"], ["wallet:axb"]),
        ("**", ["wallet:alice", "rev:fees", "tax:vat"], []),
    ],
)
def test_a_pattern_means_the_same_accounts_here_and_in_sql(pattern: str, matching: list[str], other: list[str]) -> None:
    parsed = AddressPattern.parse(pattern)
    assert [address for address in matching + other if parsed.matches(address)] == matching
    assert [address for address in matching + other if re.search(parsed.to_sql_regex(), address)] == matching


@pytest.mark.parametrize("row", CHART, ids=lambda row: row.pattern)
def test_every_row_of_the_chart_is_a_pattern(row: object) -> None:
    pattern = row.pattern  # type: ignore[attr-defined]
    assert str(AddressPattern.parse(pattern)) == pattern


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "wallet:",
        "Wallet:*",
        "wallet:ali*",
        "wallet:**:main",
        "wallet:%",
        "wallet:a b",
        "wallet:{}",
        "wallet:a\n",
        "wallet:\uff11",
        "wallet:" + "a" * ADDRESS_LENGTH_MAX,
    ],
)
def test_text_that_is_no_pattern_is_refused_with_what_is_allowed(text: str) -> None:
    refused(UnknownPattern, "source", lambda: AddressPattern.parse(text, "source"))


@pytest.mark.parametrize(
    "text", ["cash", "cash:**", "wallet", "merchant:*", "merchant:*:owed", "rev:*:*", "psp:*:clearing:**", "*"]
)
def test_a_pattern_that_no_account_can_match_is_refused(text: str) -> None:
    refused(UnknownPattern, "address", lambda: AddressPattern.parse(text))


def test_only_a_pattern_without_wildcards_is_exact() -> None:
    assert AddressPattern.parse("rev:fees").exact
    assert not AddressPattern.parse("rev:*").exact
    assert not AddressPattern.parse("rev:**").exact


def test_like_takes_no_character_of_an_address_for_a_wildcard() -> None:
    assert AddressPattern.parse("psp:*:in_transit").to_sql_like() == r"psp:%:in\_transit"
    assert AddressPattern.parse("wallet:**").to_sql_like() == "wallet:%"
    assert AddressPattern.parse("exp:psp_cost").to_sql_like() == r"exp:psp\_cost"
