"""The ledger's views as pure folds: what a wallet's, posting's, hold's or monitor's events make of its row."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from domain.adjustment import Adjustment
from domain.monitor import Monitor
from domain.period import Period
from domain.posting import Posting
from projections.registry import view
from projections.view import Fact, Row, Rows
from projections.wallet_days import day_of
from tests.domain.builders import LATER, NOW, a_hold, a_monitor, a_movement, a_refusal, a_wallet, an_adjustment

COMMIT = uuid.UUID(int=77)


def folded(name: str, events: Sequence[Any]) -> list[Row]:
    """The rows that a view makes of these events, each folded into the rows of the ones before."""
    found, rows = view(name), Rows()
    for position, event in enumerate(events, 1):
        if type(event).TOPIC in found.topics:
            fact = Fact(position, 1, event.originator_id, event.originator_version, NOW, event)
            for key in found.keys(fact):
                rows.setdefault(key, None)
            found.fold(rows, fact)
    return [row for row in rows.values() if row is not None]


def test_a_wallets_row_follows_its_numbers_its_state_its_limit_and_its_notes() -> None:
    wallet = a_wallet(overdraft_limit_minor=None)
    wallet.post(posting_id=COMMIT, line=0, amount_minor=-900, effective_at=NOW, at=NOW)
    wallet.hold(posting_id=COMMIT, line=0, held_minor=250, at=NOW)
    wallet.freeze(reason="lost card", at=NOW)
    wallet.change_limit(10_000, at=NOW)
    wallet.change_metadata({"tier": "gold", "since": "2026"}, at=NOW)
    wallet.change_metadata({"tier": None}, at=NOW)
    events = wallet.collect_events()
    (row,) = folded("balances", events)
    assert (row["posted_minor"], row["held_minor"], row["frozen"], row["closed"]) == (-900, 250, True, False)
    assert (row["overdraft_limit_minor"], row["metadata"]) == (10_000, {"since": "2026"})
    assert (row["version"], row["position"]) == (wallet.version, len(events))


def test_a_closed_and_reopened_and_unfrozen_wallet_is_open() -> None:
    wallet = a_wallet()
    for step in (wallet.freeze, wallet.unfreeze, wallet.close):
        step(reason="asked", at=NOW)
    events = list(wallet.collect_events())
    assert [row["closed"] for row in folded("balances", events)] == [True]
    wallet.reopen(reason="asked", at=NOW)
    assert [(row["frozen"], row["closed"]) for row in folded("balances", [*events, *wallet.collect_events()])] == [
        (False, False)
    ]


def test_entries_tell_what_was_posted_and_what_was_held_at_each_position() -> None:
    wallet = a_wallet(overdraft_limit_minor=None)
    wallet.post(posting_id=COMMIT, line=0, amount_minor=-900, effective_at=NOW, at=NOW)
    wallet.hold(posting_id=COMMIT, line=0, held_minor=250, at=NOW)
    rows = folded("wallet_entries", wallet.collect_events())
    numbers = [(row["amount_minor"], row["held_minor"], row["posted_after"], row["held_after"]) for row in rows]
    assert numbers == [(-900, None, -900, 0), (0, 250, -900, 250)]
    assert [row["effective_at"] for row in rows] == [NOW, None]


def test_a_back_dated_entry_changes_its_own_day_whatever_offset_it_was_written_with() -> None:
    wallet = a_wallet(overdraft_limit_minor=None)
    midnight = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))  # still February in UTC
    for amount, moment in ((-900, NOW), (300, NOW), (-50, midnight)):
        wallet.post(posting_id=COMMIT, line=0, amount_minor=amount, effective_at=moment, at=NOW)
    rows = folded("wallet_days", wallet.collect_events())
    days = {row["day"]: (row["debit_minor"], row["credit_minor"], row["entries"]) for row in rows}
    assert days == {NOW.date(): (300, 900, 2), date(2026, 2, 28): (0, 50, 1)}
    assert day_of(datetime(2026, 1, 1, tzinfo=UTC)) == date(2026, 1, 1)


def test_a_posting_counts_what_was_taken_back_and_by_which_reversals() -> None:
    posting = a_movement(external_reference="rent-7")
    first, second = uuid.UUID(int=1), uuid.UUID(int=2)
    posting.revert(by=first, amount_minor=200, at=LATER)
    (partly,) = folded("postings", list(posting.pending_events))
    assert (partly["state"], partly["reverted"]) == ("partially_reverted", [200, -200])
    posting.change_metadata({"note": None, "invoice": "9"}, at=LATER)
    posting.revert(by=second, at=LATER)
    (row,) = folded("postings", posting.collect_events())
    assert (row["state"], row["amounts"], row["reverted"]) == ("reverted", [500, -500], [500, -500])
    assert (row["reversals"], row["metadata"]) == ([first, second], {"invoice": "9"})
    assert (row["external_reference"], row["position"]) == ("rent-7", 4)


def test_a_refusal_keeps_its_code_and_a_reversal_names_what_it_reverts() -> None:
    (refused,) = folded("postings", a_refusal().collect_events())
    assert (refused["state"], refused["refusal_code"], refused["effective_at"]) == (
        "refused",
        "insufficient_funds",
        None,
    )
    (reversal,) = folded("postings", a_movement(reference="back", reverts=COMMIT).collect_events())
    assert reversal["reverts"] == COMMIT


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (lambda hold: hold.commit_hold(posting_id=COMMIT, at=NOW), "committed"),
        (lambda hold: hold.void_hold(at=NOW), "voided"),
        (lambda hold: hold.expire_hold(at=LATER), "expired"),
    ],
)
def test_a_hold_is_open_with_a_timer_until_it_ends_and_nothing_remains_then(end: Any, state: str) -> None:
    hold: Posting = a_hold()
    hold.commit_hold(posting_id=COMMIT, amount_minor=300, final=False, at=NOW)
    events = list(hold.collect_events())
    (row,) = folded("holds", events)
    assert (row["state"], row["amounts"], row["remaining"]) == ("partially_committed", [500, -500], [200, -200])
    assert [(due["kind"], due["stream_id"], due["key"], due["due_at"]) for due in folded("due", events)] == [
        ("hold-expiry", hold.id, str(hold.id), LATER)
    ]
    end(hold)
    events += hold.collect_events()
    (row,) = folded("holds", events)
    assert (row["state"], row["remaining"], row["commits"][0]) == (state, [0, 0], COMMIT)
    assert [posting["state"] for posting in folded("postings", events)] == [state]
    assert folded("due", events) == []


def test_a_hold_without_an_end_has_no_timer() -> None:
    assert folded("due", a_hold(expires_at=None).collect_events()) == []


def test_a_monitor_remembers_its_last_side_and_counts_its_crossings() -> None:
    monitor: Monitor = a_monitor()
    monitor.cross(balance_minor=999, wallet_version=7, at=NOW)
    monitor.cross(balance_minor=1_000, wallet_version=8, at=NOW)
    monitor.remove(at=LATER)
    (row,) = folded("monitors", monitor.collect_events())
    assert (row["side"], row["balance_minor"], row["crossings"], row["removed"]) == ("at_or_above", 1_000, 2, True)


def test_an_adjustment_says_who_wanted_it_and_who_decided() -> None:
    approved: Adjustment = an_adjustment()
    approved.approve(by="bob", at=LATER)
    (row,) = folded("adjustments", approved.collect_events())
    assert (row["state"], row["proposed_by"], row["decided_by"], row["effective_at"]) == (
        "approved",
        "ann",
        "bob",
        LATER,
    )
    rejected: Adjustment = an_adjustment()
    rejected.reject(by="bob", reason="not ours", at=LATER)
    (row,) = folded("adjustments", rejected.collect_events())
    assert (row["state"], row["rejection_reason"]) == ("rejected", "not ours")


def test_every_closing_of_a_period_is_a_row() -> None:
    period = Period.close_first(book=1, through=date(2026, 9, 30), at=NOW)
    period.close(through=date(2026, 10, 31), at=NOW)
    rows = folded("periods", period.collect_events())
    assert [row["through"] for row in rows] == [date(2026, 9, 30), date(2026, 10, 31)]


@pytest.mark.parametrize("name", ["postings", "holds", "monitors", "adjustments"])
def test_what_has_no_beginning_is_refused_by_name(name: str) -> None:
    histories: dict[str, Any] = {"postings": a_hold(), "holds": a_hold(), "monitors": a_monitor()}
    aggregate = histories.get(name) or an_adjustment()
    if isinstance(aggregate, Posting):
        aggregate.void_hold(at=NOW)
    elif isinstance(aggregate, Monitor):
        aggregate.remove(at=NOW)
    else:
        aggregate.approve(by="bob", at=NOW)
    with pytest.raises(LookupError):
        folded(name, aggregate.collect_events()[1:])
