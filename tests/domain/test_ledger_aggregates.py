"""Claims, periods, monitors and adjustments: the small streams around the postings."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from domain import Adjustment, AdjustmentLine, Claim, Monitor, Period, WalletHead
from domain.adjustment import AdjustmentAlreadyDecided, ReasonMissing, SelfApproval
from domain.chart import UnknownAccount
from domain.ids import NotAUuid, stream_id
from domain.lines import PostingUnbalanced
from domain.money import AmountNotPositive, UnknownCurrency
from domain.monitor import MeasureUnknown, MonitorRemoved, measured, side_of
from domain.period import PeriodAlreadyClosed, PeriodNotOver, check_closable, closed_until
from tests.domain.builders import ADJUSTMENT, LATER, NOW, Step, a_hold, a_monitor, an_adjustment
from tests.domain.specification import given, refused

OCTOBER = date(2026, 10, 31)


def test_a_reference_has_one_stream_in_its_book_so_it_is_claimed_once() -> None:
    first = Claim.make(book=1, reference="r-1", posting_id=a_hold().id, at=NOW)
    again = Claim.make(book=1, reference="r-1", posting_id=stream_id(1, "posting", "other"), at=LATER)
    elsewhere = Claim.make(book=2, reference="r-1", posting_id=a_hold().id, at=NOW)
    assert first.id == again.id != elsewhere.id
    assert (first.reference, first.posting_id) == ("r-1", a_hold().id)


# periods


def closings(through: date = OCTOBER) -> Period:
    """A book closed through October."""
    return Period.close_first(book=1, through=through, at=NOW)


def closed(through: date) -> Step:
    """The books close through a later day."""
    return lambda p: p.close(through=through, at=NOW)


def test_books_close_through_later_and_later_days() -> None:
    outcome = given(closings()).when(closed(date(2026, 11, 1))).then((Period.Closed, {"through": date(2026, 11, 1)}))
    assert outcome.aggregate.version == 2
    assert outcome.aggregate.closed_until == datetime(2026, 11, 2, tzinfo=UTC)


def test_a_day_is_closed_once_and_never_an_earlier_one_after_it() -> None:
    given(closings()).when(closed(OCTOBER)).then_raises(PeriodAlreadyClosed, "through")
    given(closings()).when(closed(date(2026, 9, 30))).then_raises(PeriodAlreadyClosed, "through")


def test_a_day_is_closed_only_when_it_is_over_in_utc() -> None:
    given(closings()).when(closed(NOW.date())).then_raises(PeriodNotOver, "through")
    refused(PeriodNotOver, "through", lambda: closings(date(9999, 12, 31)))
    still_the_first = datetime(2026, 11, 2, 1, tzinfo=timezone(timedelta(hours=2)))
    refused(PeriodNotOver, "through", lambda: check_closable(date(2026, 11, 1), None, still_the_first))


def test_the_first_open_moment_is_midnight_after_the_last_closed_day() -> None:
    assert closed_until(date(2028, 2, 28)) == datetime(2028, 2, 29, tzinfo=UTC)


# monitors


@pytest.mark.parametrize(("balance", "side"), [(999, "below"), (1_000, "at_or_above"), (1_001, "at_or_above")])
def test_the_threshold_belongs_to_the_upper_side(balance: int, side: str) -> None:
    assert side_of(balance, 1_000) == side


def test_a_monitor_measures_the_natural_balance_what_is_held_and_what_is_left() -> None:
    head = WalletHead("liability", 0, posted=-700, held=200)
    assert [measured(head, measure) for measure in ("posted", "held", "available")] == [700, 200, 500]


def crossed(balance_minor: int) -> Step:
    """The wallet's number comes to this."""
    return lambda m: m.cross(balance_minor=balance_minor, wallet_version=7, at=NOW)


def removed(monitor: Monitor) -> None:
    """Nobody watches any more."""
    monitor.remove(at=LATER)


def test_a_monitor_records_each_crossing_either_way_and_no_move_on_one_side() -> None:
    given(a_monitor()).when(crossed(999)).then((Monitor.Crossed, {"side": "below", "balance_minor": 999}))
    given(a_monitor(), crossed(999)).when(crossed(5)).then_nothing()
    outcome = given(a_monitor(), crossed(999)).when(crossed(1_000)).then((Monitor.Crossed, {"side": "at_or_above"}))
    assert outcome.aggregate.side == "at_or_above"


def test_a_removed_monitor_records_nothing_and_is_removed_once() -> None:
    given(a_monitor()).when(removed).then(Monitor.Removed)
    given(a_monitor(), removed).when(crossed(5)).then_nothing()
    given(a_monitor(), removed).when(removed).then_raises(MonitorRemoved)


def test_a_monitor_watches_one_of_three_numbers() -> None:
    refused(MeasureUnknown, "measure", lambda: a_monitor(measure="natural"))


# adjustments


def approved(by: str = "bob", effective_at: datetime | None = None) -> Step:
    """Somebody agrees."""
    return lambda a: a.approve(by=by, effective_at=effective_at, at=LATER)


def rejected(by: str = "bob", reason: str = "not ours") -> Step:
    """Somebody disagrees."""
    return lambda a: a.reject(by=by, reason=reason, at=LATER)


def test_an_approval_repeats_what_was_proposed_so_that_the_fact_says_everything() -> None:
    proposal = an_adjustment()
    outcome = given(proposal).when(approved())
    said = {"adjustment_id": ADJUSTMENT, "approved_by": "bob", "lines": proposal.lines, "reason": proposal.reason}
    outcome.then((Adjustment.Approved, said))
    assert (outcome.aggregate.state, outcome.aggregate.decided_by) == ("approved", "bob")


def test_an_adjustment_takes_effect_when_its_proposal_says_or_else_its_approval() -> None:
    earlier = NOW - timedelta(days=3)
    for effective_at, asked, taken in ((earlier, NOW, earlier), (None, earlier, earlier), (None, None, LATER)):
        given(an_adjustment(effective_at=effective_at)).when(approved(effective_at=asked)).then(
            (Adjustment.Approved, {"effective_at": taken})
        )


def test_nobody_approves_what_they_proposed_but_they_may_take_it_back() -> None:
    given(an_adjustment()).when(approved(by="ann")).then_raises(SelfApproval, "approved_by")
    given(an_adjustment()).when(rejected(by="ann")).then((Adjustment.Rejected, {"rejected_by": "ann"}))


def test_an_adjustment_is_decided_once() -> None:
    for decision in (approved(), rejected()):
        for another in (approved(by="cid"), approved(by="ann"), rejected()):
            given(an_adjustment(), decision).when(another).then_raises(AdjustmentAlreadyDecided)


@pytest.mark.parametrize(
    ("changes", "rule", "field"),
    [
        ({"adjustment_id": "1"}, NotAUuid, "adjustment_id"),
        ({"reason": "  "}, ReasonMissing, "reason"),
        ({"lines": []}, PostingUnbalanced, "lines"),
        ({"lines": [AdjustmentLine("exp:writeoff", "EUR", 5)]}, PostingUnbalanced, "lines"),
        ({"lines": [AdjustmentLine("cash", "EUR", 5)]}, UnknownAccount, "address"),
        ({"lines": [AdjustmentLine("exp:writeoff", "XXX", 5)]}, UnknownCurrency, "lines.0.currency"),
        ({"lines": [AdjustmentLine("exp:writeoff", "EUR", 0)]}, AmountNotPositive, "lines.0.amount_minor"),
    ],
)
def test_an_adjustment_that_breaks_a_rule_is_not_proposed(changes: dict[str, object], rule: type, field: str) -> None:
    refused(rule, field, lambda: an_adjustment(**changes))


def test_a_rejection_says_why() -> None:
    given(an_adjustment()).when(rejected(reason="")).then_raises(ReasonMissing, "reason")
