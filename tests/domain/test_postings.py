"""Postings: movements and their reversals, holds from placing to the last commit, and notes."""

from __future__ import annotations

from typing import Any

import pytest

from domain import Line, Posting
from domain.ids import stream_id, wallet_stream_id
from domain.money import AmountNotPositive
from domain.posting import (
    AlreadyReverted,
    AmountOrLines,
    CommitExceedsHold,
    HoldExpiryInPast,
    HoldNotExpired,
    HoldNotPending,
    NotAHold,
    NothingToRevert,
    PartNotDivisible,
    PostingUnbalanced,
    ReversalExceedsPosting,
    commit_lines,
    remaining_after,
    reserved_minor,
    reversal_lines,
    reverted_after,
)
from tests.domain.builders import LATER, NOW, Step, a_hold, a_movement, a_refusal, two_lines
from tests.domain.specification import given, refused

BY = stream_id(1, "posting", "another")


def line(name: str, amount_minor: int, currency: str = "EUR") -> Line:
    """A line of somebody's wallet."""
    address = f"wallet:{name}"
    return Line(wallet_stream_id(1, address, currency), address, currency, amount_minor)


THREE = [line("alice", 500), line("bob", -300), line("carol", -200)]
EXCHANGE = [line("alice", 500), line("desk", -500), line("desk", 600, "USD"), line("alice", -600, "USD")]
SPLIT = [line("alice", 300), line("alice", 200), line("bob", -500)]


def reverted(amount_minor: int | None = None) -> Step:
    """A posting takes (a part of) this one back."""
    return lambda p: p.revert(by=BY, amount_minor=amount_minor, at=LATER)


def committed(amount_minor: int | None = None, lines: list[Line] | None = None, *, final: bool = True) -> Step:
    """A part of a hold is posted."""
    return lambda h: h.commit_hold(posting_id=BY, amount_minor=amount_minor, lines=lines, final=final, at=NOW)


def voided(hold: Any) -> object:
    """The rest is given back."""
    return hold.void_hold(at=NOW)


def expired(hold: Any) -> object:
    """The hold's time has come."""
    return hold.expire_hold(at=LATER)


def test_a_posting_that_does_not_balance_is_neither_recorded_nor_held() -> None:
    for lines in ([], two_lines()[:1]):
        refused(PostingUnbalanced, "lines", lambda lines=lines: a_movement(lines))  # type: ignore[misc]
        refused(PostingUnbalanced, "lines", lambda lines=lines: a_hold(lines))  # type: ignore[misc]


def test_movements_refusals_and_holds_of_one_reference_share_a_stream() -> None:
    recorded = a_movement(reference="ref-2", external_reference="r-7", reverts=BY)
    turned_down, held = a_refusal(), a_hold(reference="ref-2")
    assert recorded.id == turned_down.id == held.id
    assert [posting.refused for posting in (recorded, turned_down, held)] == [False, True, False]
    assert [posting.state for posting in (recorded, turned_down, held)] == ["recorded", "refused", "pending"]
    assert (recorded.external_reference, recorded.reverts) == ("r-7", BY)


# reversals


def test_a_reversal_turns_every_line_round() -> None:
    outcome = given(a_movement(THREE)).when(reverted())
    outcome.then((Posting.Reverted, {"by": BY, "lines": [line("alice", -500), line("bob", 300), line("carol", 200)]}))
    assert (outcome.aggregate.reverted, outcome.aggregate.left_to_revert) == ([500, -300, -200], [0, 0, 0])
    assert outcome.aggregate.reversals == [BY]


def test_a_posting_of_two_lines_is_reverted_in_parts_that_never_exceed_it() -> None:
    outcome = given(a_movement(), reverted(200)).when(reverted(300)).then((Posting.Reverted, {"lines": _turned(300)}))
    assert outcome.aggregate.left_to_revert == [0, 0]
    given(a_movement(), reverted(200)).when(reverted()).then((Posting.Reverted, {"lines": _turned(300)}))
    given(a_movement(), reverted(200)).when(reverted(301)).then_raises(ReversalExceedsPosting, "amount_minor")
    given(a_movement(), reverted(200), reverted(300)).when(reverted(1)).then_raises(AlreadyReverted)
    given(a_movement(), reverted()).when(reverted()).then_raises(AlreadyReverted)


def _turned(amount_minor: int) -> list[Line]:
    return [line("alice", -amount_minor), line("bob", amount_minor)]


def test_a_part_is_a_positive_amount_of_two_lines_in_one_currency() -> None:
    given(a_movement()).when(reverted(0)).then_raises(AmountNotPositive, "amount_minor")
    given(a_movement(THREE)).when(reverted(1)).then_raises(PartNotDivisible, "amount_minor")
    given(a_movement(EXCHANGE)).when(reverted(1)).then_raises(PartNotDivisible, "amount_minor")
    given(a_movement(EXCHANGE)).when(reverted()).then(Posting.Reverted)


def test_what_moved_no_money_cannot_be_reverted() -> None:
    given(a_refusal()).when(reverted()).then_raises(NothingToRevert)
    given(a_hold()).when(reverted()).then_raises(NothingToRevert)
    given(a_hold(), committed()).when(reverted()).then_raises(NothingToRevert)
    refused(NothingToRevert, None, lambda: reversal_lines([], [], None))


def test_a_reversal_that_is_not_of_this_posting_is_not_counted_against_it() -> None:
    refused(ReversalExceedsPosting, "lines", lambda: reverted_after(two_lines(), [0, 0], [line("carol", -1)]))
    refused(ReversalExceedsPosting, "lines", lambda: reverted_after(two_lines(), [0, 0], [line("alice", 1)]))


# holds


@pytest.mark.parametrize(
    ("kind", "amount_minor", "reserved"),
    [("liability", 5, 5), ("liability", -5, 0), ("asset", 5, 0), ("asset", -5, 5), ("memo", -5, 5), ("income", 5, 5)],
)
def test_a_line_reserves_what_it_would_take_off_its_wallet(kind: str, amount_minor: int, reserved: int) -> None:
    assert reserved_minor(line("alice", amount_minor), kind) == reserved


def test_a_hold_is_not_placed_expired_already() -> None:
    refused(HoldExpiryInPast, "expires_at", lambda: a_hold(expires_at=NOW))
    assert a_hold(expires_at=None).expires_at is None


def test_a_commit_without_an_amount_posts_the_whole_hold() -> None:
    outcome = given(a_hold(THREE)).when(committed(final=False))
    outcome.then((Posting.HoldCommitted, {"posting_id": BY, "lines": THREE, "final": True}))
    assert (outcome.aggregate.state, outcome.aggregate.remaining) == ("committed", [0, 0, 0])


def test_a_hold_is_committed_in_parts_until_one_is_final() -> None:
    outcome = given(a_hold()).when(committed(200, final=False))
    outcome.then((Posting.HoldCommitted, {"lines": two_lines(200), "final": False}))
    assert (outcome.aggregate.state, outcome.aggregate.remaining) == ("partially_committed", [300, -300])
    outcome = given(a_hold(), committed(200, final=False)).when(committed(100))
    outcome.then((Posting.HoldCommitted, {"lines": two_lines(100), "final": True}))
    assert (outcome.aggregate.state, outcome.aggregate.remaining) == ("committed", [0, 0])
    assert outcome.aggregate.commits == [BY, BY]
    given(a_hold(), committed(100)).when(committed(1)).then_raises(HoldNotPending)


def test_no_commit_takes_more_than_remains() -> None:
    given(a_hold(), committed(200, final=False)).when(committed(301)).then_raises(CommitExceedsHold, "amount_minor")
    given(a_hold()).when(committed(-1)).then_raises(AmountNotPositive, "amount_minor")
    given(a_hold(THREE)).when(committed(1)).then_raises(PartNotDivisible, "amount_minor")


def test_lines_of_a_commit_fit_what_remains_of_the_same_wallets_in_the_same_direction() -> None:
    some = [line("alice", 250), line("bob", -50), line("carol", -200)]
    outcome = given(a_hold(THREE)).when(committed(lines=some, final=False))
    outcome.then((Posting.HoldCommitted, {"lines": some, "final": False}))
    assert outcome.aggregate.remaining == [250, -250, 0]
    for wrong in (
        [line("alice", 301), line("bob", -301)],
        [line("alice", -100), line("bob", 100)],
        [line("alice", 100), line("dave", -100)],
        [line("alice", 100, "USD"), line("bob", -100, "USD")],
        [line("alice", 200), line("bob", -100), line("alice", 301), line("bob", -100), line("carol", -301)],
    ):
        given(a_hold(THREE)).when(committed(lines=wrong)).then_raises(CommitExceedsHold, "lines")


def test_lines_of_a_commit_balance_and_none_is_zero() -> None:
    given(a_hold(THREE)).when(committed(lines=[line("alice", 250), line("bob", -50)])).then_raises(PostingUnbalanced)
    given(a_hold(THREE)).when(committed(lines=[])).then_raises(PostingUnbalanced)
    given(a_hold(THREE)).when(committed(lines=[line("alice", 0)])).then_raises(AmountNotPositive)
    given(a_hold()).when(committed(5, lines=two_lines(5))).then_raises(AmountOrLines)


def test_lines_of_one_wallet_count_together_and_addresses_come_from_the_hold() -> None:
    asked = [Line(SPLIT[0].wallet_id, "", "EUR", 400), Line(SPLIT[2].wallet_id, "", "EUR", -400)]
    posted = commit_lines(SPLIT, [300, 200, -500], None, asked)
    assert posted == [line("alice", 400), line("bob", -400)]
    assert remaining_after(SPLIT, [300, 200, -500], posted) == [0, 100, -100]


def test_voiding_gives_the_rest_back_once() -> None:
    outcome = given(a_hold(), committed(200, final=False)).when(voided)
    outcome.then((Posting.HoldVoided, {"lines": two_lines(300)}))
    assert (outcome.aggregate.state, outcome.aggregate.remaining) == ("voided", [0, 0])
    for command in (voided, expired, committed()):
        given(a_hold(), voided).when(command).then_raises(HoldNotPending)


def test_a_hold_expires_at_its_moment_and_is_pending_until_then() -> None:
    outcome = given(a_hold()).when(expired).then((Posting.HoldExpired, {"lines": two_lines()}))
    assert (outcome.aggregate.state, outcome.aggregate.remaining) == ("expired", [0, 0])
    given(a_hold()).when(lambda h: h.expire_hold(at=NOW)).then_raises(HoldNotExpired)
    given(a_hold(expires_at=None)).when(expired).then_raises(HoldNotExpired)
    given(a_hold(), committed(1, final=False)).when(expired).then(Posting.HoldExpired)


def test_only_a_hold_is_committed_voided_or_expires() -> None:
    for posting in (a_movement, a_refusal):
        for command in (committed(), voided, expired):
            given(posting()).when(command).then_raises(NotAHold)
    refused(HoldNotPending, None, lambda: commit_lines(two_lines(), [0, 0], None, None))


# notes


def test_notes_change_and_what_they_were_when_is_remembered() -> None:
    def noted(**changes: str | None) -> Step:
        return lambda p: p.change_metadata(changes, at=LATER)

    outcome = given(a_movement()).when(noted(note=None, invoice="9"))
    outcome.then((Posting.MetadataChanged, {"changes": {"note": None, "invoice": "9"}}))
    assert outcome.aggregate.metadata == {"invoice": "9"}
    (entry,) = outcome.aggregate.metadata_history
    assert (entry.version, entry.changed_at) == (2, LATER)
    given(a_movement()).when(noted(note="rent", other=None)).then_nothing()
    given(a_hold(), voided).when(noted(note="gone")).then(Posting.MetadataChanged)
