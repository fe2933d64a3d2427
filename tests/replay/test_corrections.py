"""Corrections are drafted to the minor unit, once, for what a wrong build paid out and for nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.adjustment import AdjustmentLine
from eventlog.application import EventLog
from eventlog.connections import connect
from ledger.adjustments import Adjustments
from projections.registry import add_modules, versions, view
from replay import parked, swap
from replay.builds import NoSuchBuild, find
from replay.correction_sides import NotCorrectable
from replay.correction_sums import Moved
from replay.corrections import (
    Corrections,
    Earlier,
    Whose,
    by_merchant,
    draft_corrections,
    missing_lines,
)
from replay.rebuild import Wanted, rebuild
from tests.replay.history import MERCHANT, History, catch_up

NOW = datetime(2026, 6, 1, tzinfo=UTC)
AVAILABLE = f"merchant:{MERCHANT}:available"
Drafting = Callable[..., Corrections]


class Clock:
    """Stands still."""

    def now(self) -> datetime:
        return NOW


@pytest.fixture
def history(log: EventLog, database_url: str, planted: None) -> History:
    """The wrong view is live."""
    add_modules(["tests.replay.planted.wrong_fees"])
    made = History(log)
    made.open_wallets(3)
    made.write(120)
    catch_up(log, database_url)
    return made


@pytest.fixture
def mended(history: History, log: EventLog, database_url: str) -> History:
    """The right one stands beside it."""
    add_modules(["tests.replay.planted.right_fees"])
    rebuild(database_url, Wanted(view("earnings")))
    catch_up(log, database_url)
    return history


@pytest.fixture
def draft(log: EventLog, database_url: str) -> Drafting:
    def drafted(
        name: str = "earnings", book: int = 1, until: int | None = None, build: int | None = None
    ) -> Corrections:
        recorder: Any = log.log_recorder
        return draft_corrections(database_url, recorder, log.log_mapper.decode, view(name), book, until, build)

    return drafted


def too_much(log: EventLog) -> int:
    """What the wrong view kept of the sellers' money so far."""
    rows = log.log_recorder.read(0, 10**6, topics=["payment-order.captured.v1"])
    shares = [share for row in rows for share in log.log_mapper.decode(row).shares]
    return sum(-(-share.gross_minor // 10) - share.commission_minor for share in shares)


def lines(amount: int) -> tuple[AdjustmentLine, ...]:
    return AdjustmentLine(AVAILABLE, "EUR", -amount), AdjustmentLine("rev:fees", "EUR", amount)


def test_before_a_swap_the_difference_is_drafted_with_what_it_comes_from(
    mended: History, log: EventLog, draft: Drafting
) -> None:
    found = draft()
    captures = log.log_recorder.read(0, 10**6, topics=["payment-order.captured.v1"])
    assert (found.wrong, found.right, found.earlier) == (1, 2, ())
    (one,) = found.drafts
    assert one.whose == (1, MERCHANT, "EUR")
    assert one.lines == lines(too_much(log))
    assert one.reason == (
        f"build 1 (version 1) of view earnings was wrong about net_minor; difference to build 2 (version 2) at position"
        f" {found.position}, by events from position {captures[0].position} to {captures[-1].position}"
    )
    assert one.metadata == {
        "view": "earnings", "from_build": "1", "to_build": "2", "position": str(found.position),
        "merchant": MERCHANT, "currency": "EUR",
    }  # fmt: skip
    assert draft() == found
    assert draft(book=2).drafts == ()


def test_after_a_swap_only_what_was_paid_by_the_wrong_build_counts(
    mended: History, log: EventLog, database_url: str, draft: Drafting
) -> None:
    before = draft()
    swapped = swap.swap(database_url, "earnings")
    mended.write(60)
    catch_up(log, database_url)
    after = draft()
    assert (after.wrong, after.right, after.position) == (1, 2, swapped.position)
    assert after.drafts == before.drafts
    assert lines(too_much(log)) != before.drafts[0].lines
    earlier = log.log_recorder.read(0, 200)[-1].position
    (part,) = draft(until=earlier).drafts
    assert part.adjustment_id != before.drafts[0].adjustment_id
    assert 0 < part.lines[1].amount_minor < before.drafts[0].lines[1].amount_minor


def test_a_build_that_was_live_twice_is_corrected_for_what_it_showed_both_times_and_not_in_between(
    mended: History, log: EventLog, database_url: str, draft: Drafting
) -> None:
    swap.swap(database_url, "earnings")
    owed = too_much(log)
    mended.write(50)
    catch_up(log, database_url)
    swap.roll_back(database_url, "earnings")
    right_meanwhile = too_much(log) - owed
    mended.write(50)
    catch_up(log, database_url)
    swap.swap(database_url, "earnings")
    wanted = too_much(log) - right_meanwhile
    mended.write(20)
    catch_up(log, database_url)
    found = draft()
    assert [one.lines for one in found.drafts] == [lines(wanted)]
    assert right_meanwhile > 0
    assert " over what it was read for, positions 0 to " in found.drafts[0].reason


def test_of_two_builds_that_were_live_before_the_right_one_somebody_names_the_wrong_one(
    mended: History, log: EventLog, database_url: str, draft: Drafting
) -> None:
    """The second was as wrong as the first: readers of each are paid what it lacked while they saw it."""
    first = too_much(log)
    swap.drop(database_url, "earnings", 2)
    rebuild(database_url, Wanted(versions()["earnings", 1]))
    swap.swap(database_url, "earnings")
    mended.write(60)
    catch_up(log, database_url)
    second = too_much(log) - first
    rebuild(database_url, Wanted(view("earnings")))
    swap.swap(database_url, "earnings")
    with pytest.raises(NotCorrectable, match="builds 1 and 3 were live before build 4; name the one that was wrong"):
        draft()
    assert [one.lines for one in draft(build=1).drafts] == [lines(first)]
    assert [one.lines for one in draft(build=3).drafts] == [lines(second)]
    Adjustments(log, Clock()).propose(draft(build=1).drafts[0].proposal("cli:ana"))
    assert (draft(build=1).drafts, len(draft(build=3).drafts)) == ((), 1)
    swap.drop(database_url, "earnings", 1)
    assert [one.lines for one in draft().drafts] == [lines(second)]


def test_a_build_that_a_swap_passed_over_does_not_make_the_right_one_look_wrong(
    mended: History, log: EventLog, database_url: str, draft: Drafting
) -> None:
    """Rebuilt twice: the newest went live, the other is still a shadow and is as right as it."""
    missing = too_much(log)
    rebuild(database_url, Wanted(view("earnings")))
    catch_up(log, database_url)
    swap.swap(database_url, "earnings")
    found = draft()
    assert (found.wrong, found.right) == (1, 3)
    assert [one.lines for one in found.drafts] == [lines(missing)]


def test_what_was_proposed_is_not_drafted_again_and_what_came_since_is(
    mended: History, log: EventLog, database_url: str, draft: Drafting
) -> None:
    adjustments = Adjustments(log, Clock())
    (one,) = draft().drafts
    first = too_much(log)
    for _ in range(2):
        adjustments.propose(one.proposal("cli:ana"))
    assert draft().drafts == ()
    assert [(known.adjustment_id, known.state) for known in draft().earlier] == [(one.adjustment_id, "proposed")]
    mended.write(80)
    catch_up(log, database_url)
    (rest,) = draft().drafts
    assert rest.lines == lines(too_much(log) - first)
    assert rest.reason.endswith("; less what 1 earlier adjustments correct")
    adjustments.approve(1, one.adjustment_id, "cli:ben")
    adjustments.propose(rest.proposal("cli:ana"))
    assert {known.state for known in draft().earlier} == {"approved", "proposed"}
    adjustments.reject(1, rest.adjustment_id, "cli:ben", "look again")
    (again,) = draft().drafts
    assert again.lines == rest.lines
    assert again.adjustment_id != rest.adjustment_id
    assert len(log.log_recorder.read(0, 10, topics=["adjustment.proposed.v1"])) == 2


def test_another_right_build_does_not_correct_again_what_was_corrected(
    mended: History, log: EventLog, database_url: str, draft: Drafting
) -> None:
    Adjustments(log, Clock()).propose(draft().drafts[0].proposal("cli:ana"))
    rebuild(database_url, Wanted(view("earnings")))
    catch_up(log, database_url)
    found = draft()
    assert (found.right, found.drafts) == (3, ())


def test_what_cannot_be_corrected_is_refused_with_the_reason(
    mended: History, log: EventLog, database_url: str, draft: Drafting
) -> None:
    with pytest.raises(NotCorrectable, match="view balances does not say how to correct it: give its class"):
        draft("balances")
    swap.swap(database_url, "earnings")
    with connect(database_url) as connection:
        connection.execute("delete from views.exchanges")
    with pytest.raises(NotCorrectable, match=r"earnings build 1 was swapped out before .* give --until"):
        draft()
    swap.roll_back(database_url, "earnings")
    with pytest.raises(NotCorrectable, match="build 1 is live again after build 2, so nobody can tell"):
        draft()
    swap.drop(database_url, "earnings", 2)
    with pytest.raises(NoSuchBuild, match="has no kept build"):
        draft()


def test_a_build_that_set_events_aside_is_not_taken_for_the_right_one(
    mended: History, log: EventLog, database_url: str, draft: Drafting
) -> None:
    wanted = draft().drafts
    (row,) = log.log_recorder.read(0, 1, topics=["payment-order.captured.v1"])
    with connect(database_url) as connection:
        parked.park(connection, find(connection, "earnings", number=2), row, "test")
        with pytest.raises(NotCorrectable, match="earnings build 2 set 1 events aside that build 1 took"):
            draft()
        parked.park(connection, find(connection, "earnings", number=1), row, "test")
    assert draft().drafts == wanted
    (part,) = draft(until=log.log_recorder.max_notification_id()).drafts
    assert part.lines[1].amount_minor <= wanted[0].lines[1].amount_minor


def test_a_build_without_the_columns_and_an_account_outside_of_the_chart_are_refused(
    mended: History, draft: Drafting, monkeypatch: pytest.MonkeyPatch
) -> None:
    earnings = type(view("earnings"))
    monkeypatch.setattr(earnings, "corrections", {"tip_minor": ("rev:fees", "merchant:{waiter}:available")})
    with pytest.raises(NotCorrectable, match="earnings build 1 has no column tip_minor, waiter"):
        draft()
    monkeypatch.setattr(earnings, "corrections", {"net_minor": ("fees:of:ours", "merchant:{seller_id}:available")})
    with pytest.raises(NotCorrectable, match="'fees:of:ours' is not in the chart"):
        draft()


SELLERS = st.sampled_from(["00000000-0000-4000-8000-0000000000aa", "00000000-0000-4000-8000-0000000000bb"])
SUMS = st.lists(
    st.builds(
        lambda column, seller, currency, amount: Moved(column, 1, currency, amount, {"seller_id": seller}),
        st.sampled_from(["net_minor", "tip_minor"]), SELLERS, st.sampled_from(["EUR", "SEK"]),
        st.integers(-(10**12), 10**12),
    )
)  # fmt: skip
TEMPLATES = {
    "net_minor": ("rev:fees", "merchant:{seller_id}:available"),
    "tip_minor": ("rev:fx", "merchant:{seller_id}:available"),
}


@given(SUMS, st.lists(st.integers(-(10**9), 10**9), max_size=3))
def test_whatever_differs_drafts_balance_and_with_earlier_ones_come_to_the_difference(
    sums: list[Moved], before: list[int]
) -> None:
    wanted: dict[tuple[str, str], int] = defaultdict(int)
    for one in sums:
        wanted[one.columns["seller_id"], one.currency] += one.amount_minor
    for whose, amounts in by_merchant(sums, TEMPLATES).items():
        assert sum(amounts.values()) == 0
        receiver = f"merchant:{whose.merchant}:available"
        others = [_earlier(whose, receiver, amount) for amount in before]
        drafted = missing_lines(amounts, whose.currency, others)
        assert all(line.amount_minor for line in drafted)
        assert sum(line.amount_minor for line in drafted) == 0
        posted = [*drafted, *(line for one in others for line in one.lines)]
        owed = -sum(line.amount_minor for line in posted if line.address == receiver)
        assert owed == wanted[whose.merchant, whose.currency]


def _earlier(whose: Whose, receiver: str, amount: int) -> Earlier:
    both = (
        AdjustmentLine("rev:fees", whose.currency, amount),
        AdjustmentLine(receiver, whose.currency, -amount),
    )
    return Earlier("x", whose, "1", "approved", both)
