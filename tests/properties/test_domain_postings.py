"""Whatever is reverted, committed or given back in whatever order: nothing is taken twice, and everything balances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import Line, Posting, RuleViolation
from domain.ids import stream_id, wallet_stream_id
from domain.lines import check_balanced, reserved_minor
from tests.domain.builders import LATER, a_hold, a_movement

NAMES = ("alice", "bob", "carol", "dave")
AMOUNTS = st.integers(1, 50)
BY = stream_id(1, "posting", "another")


def _line(name: str, currency: str, amount_minor: int) -> Line:
    address = f"wallet:{name}"
    return Line(wallet_stream_id(1, address, currency), address, currency, amount_minor)


@st.composite
def balanced_lines(draw: st.DrawFn, names: Sequence[str] = NAMES) -> list[Line]:
    """Transfers between a few wallets, so that one wallet may well stand in several lines."""
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        currency, amount = draw(st.sampled_from(("EUR", "USD"))), draw(AMOUNTS)
        lines += [
            _line(draw(st.sampled_from(names)), currency, amount),
            _line(draw(st.sampled_from(names)), currency, -amount),
        ]
    return draw(st.permutations(lines))


def _sums(lines: Sequence[Line]) -> dict[tuple[Any, bool], int]:
    sums: dict[tuple[Any, bool], int] = defaultdict(int)
    for line in lines:
        sums[line.wallet_id, line.amount_minor > 0] += line.amount_minor
    return sums


def _within(part: int, whole: int) -> bool:
    return abs(part) <= abs(whole) and part * whole >= 0


@settings(max_examples=200, derandomize=True, deadline=None)
@given(balanced_lines(), st.lists(st.one_of(st.none(), AMOUNTS), max_size=6))
def test_reversals_take_back_what_was_moved_at_most_and_always_balance(
    lines: list[Line], parts: list[int | None]
) -> None:
    posting = a_movement(lines)
    back: list[Line] = []
    for part in parts:
        try:
            taken = posting.revert(by=BY, amount_minor=part, at=LATER)
        except RuleViolation:
            continue
        check_balanced(taken)
        back += taken
    assert all(_within(done, line.amount_minor) for done, line in zip(posting.reverted, lines, strict=True))
    turned = _sums([Line(line.wallet_id, "", "", -line.amount_minor) for line in back])
    assert all(_within(amount, _sums(lines)[key]) for key, amount in turned.items())
    if None in parts:
        assert not any(posting.left_to_revert)
        assert turned == _sums(lines)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    balanced_lines(),
    st.lists(st.tuples(st.one_of(st.none(), AMOUNTS, balanced_lines()), st.booleans()), max_size=6),
    st.booleans(),
)
def test_commits_post_what_was_reserved_at_most_and_what_remains_is_given_back(
    lines: list[Line], commits: list[tuple[Any, bool]], ends_void: bool
) -> None:
    hold = a_hold(lines)
    posted: list[Line] = []
    for wanted, final in commits:
        asked = {"lines": wanted} if isinstance(wanted, list) else {"amount_minor": wanted}
        before = list(hold.remaining)
        try:
            part = hold.commit_hold(posting_id=BY, final=final, at=LATER, **asked)
        except RuleViolation:
            assert hold.remaining == before
            continue
        check_balanced(part)
        posted += part
        assert all(_within(amount, line.amount_minor) for amount, line in zip(hold.remaining, lines, strict=True))
        assert (hold.state == "committed") == (not any(hold.remaining))
    assert all(_within(amount, _sums(lines)[key]) for key, amount in _sums(posted).items())
    if hold.state in ("pending", "partially_committed"):
        rest = hold.void_hold(at=LATER) if ends_void else hold.expire_hold(at=LATER)
        check_balanced(rest)
        assert _sums(posted + rest) == _sums(lines)
        assert hold.remaining == [0] * len(lines)
        for kind in ("asset", "liability"):
            reserved = [sum(reserved_minor(line, kind) for line in some) for some in (lines, posted, rest)]
            assert reserved[0] == reserved[1] + reserved[2]


@settings(max_examples=200, derandomize=True, deadline=None)
@given(balanced_lines(), st.data())
def test_any_balanced_part_of_a_hold_can_be_committed(lines: list[Line], data: st.DataObject) -> None:
    pairs = [(line, other) for line in lines for other in lines if line.amount_minor > 0 > other.amount_minor]
    matching = [(line, other) for line, other in pairs if line.currency == other.currency]
    debit, credit = data.draw(st.sampled_from(matching))
    amount = data.draw(st.integers(1, min(debit.amount_minor, -credit.amount_minor)))
    wanted = [
        Line(debit.wallet_id, debit.address, debit.currency, amount),
        Line(credit.wallet_id, credit.address, credit.currency, -amount),
    ]
    hold = a_hold(lines)
    assert hold.commit_hold(posting_id=BY, lines=wanted, final=False, at=LATER) == wanted
    event = hold.collect_events()[-1]
    assert isinstance(event, Posting.HoldCommitted)
    assert sum(map(abs, hold.remaining)) == sum(abs(line.amount_minor) for line in lines) - 2 * amount
