"""A live build that is not what the log folds to is found; what a build has parked or given up is no difference."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.postgres import PostgresRecorder
from projections.registry import views
from replay import builds, parked
from replay.checks import views as check
from replay.machine import ViewMachine
from tests.faults.running_copy import wait_until
from tests.replay.checks.history import ALICE, PAID, order_stream
from tests.replay.checks.verifying import findings_of, report_of, spoil

PARK = """
insert into views.parked (view, build, position, stream_id, topic, reason, discarded)
select 'payment_orders', 1, position, stream_id, topic, 'division by zero', %s from log.events
 where stream_id = %s and version >= %s
"""


AS = "create or replace view views.trial_balance as"
REST = "credit_minor, lines, position from views.trial_balance_v1"


@pytest.mark.parametrize(
    ("statement", "reference", "problem", "expected", "found"),
    [
        ("update views.balances_v1 set posted_minor = 0 where address = 'wallet:carol'",
         "balances", "view balances has another posted_minor in row", 50, 0),
        ("update views.trial_balance_v1 set debit_minor = debit_minor + 1 where address = 'bank:main:cash'",
         "trial_balance", "view trial_balance has another debit_minor", 11_000, 11_001),
        ("delete from views.wallet_days_v1 where debit_minor = 550",
         "wallet_days", "view wallet_days lacks a row", "a row", None),
        ("insert into views.due_v1 values (gen_random_uuid(), 'inquiry', '1', 1, now(), 1)",
         "due", "view due has a row", None, "a row"),
    ],
)  # fmt: skip
def test_a_row_that_is_not_what_the_log_folds_to_is_named(
    sound: str, statement: str, reference: str, problem: str, expected: Any, found: Any
) -> None:
    assert spoil(sound, statement) == 1
    report = findings_of(sound)
    assert list(report) == ["views"]
    (finding,) = report["views"]
    assert finding.problem.startswith(problem)
    assert (finding.reference, finding.expected, finding.found) == (reference, expected, found)


def test_every_view_is_compared(sound: str) -> None:
    for name in views():
        spoil(sound, f"delete from views.{name}_v1")
    assert {finding.reference for finding in findings_of(sound)["views"]} == set(views())


@pytest.mark.parametrize("discarded", [None, "will never fit"])
def test_events_that_a_build_passed_over_are_no_difference(sound: str, discarded: str | None) -> None:
    stream = order_stream(PAID)
    spoil(sound, PARK, discarded, stream, 1)
    assert [finding.reference for finding in findings_of(sound)["views"]] == ["payment_orders"]
    spoil(sound, "delete from views.payment_orders_v1 where stream_id = %s", stream)
    assert findings_of(sound) == {}


def test_parked_events_that_are_taken_after_all_make_the_view_whole(sound: str) -> None:
    stream = order_stream(PAID)
    spoil(sound, PARK, None, stream, 1)
    spoil(sound, "delete from views.payment_orders_v1 where stream_id = %s", stream)
    log = EventLog(PostgresRecorder(sound))
    with connect(sound) as connection:
        build = builds.find(connection, "payment_orders", "live")
        parked.retry(connection, build, stream, log.log_recorder, log.log_mapper.decode)
    log.close()
    assert findings_of(sound) == {}


def test_a_build_that_moves_on_while_it_is_verified_is_compared_where_it_stood(
    sound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of the live build are of another position then, so that only digests tell."""
    spoil(sound, "update views.balances_v1 set posted_minor = 0 where wallet_id = %s", ALICE)
    right = check.differing

    def moved(connection: Any, live: Any, folded: Any) -> Any:
        spoil(sound, "update views.builds set position = position + 1 where view = 'balances'")
        return right(connection, live, folded)

    monkeypatch.setattr(check, "differing", moved)
    (finding,) = findings_of(sound)["views"]
    assert finding.problem == "the live build of balances is not what the log folds to at its position"
    assert finding.expected != finding.found


def test_a_view_that_cannot_take_an_event_any_more_names_it(sound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_rows: Any, fact: Any) -> None:
        message = "division by zero"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(views()["trial_balance"], "fold", refuse)
    (finding,) = findings_of(sound)["views"]
    assert finding.problem.endswith("cannot take this event: division by zero")
    assert finding.position is not None


def test_a_build_whose_code_is_gone_is_told(sound: str) -> None:
    spoil(sound, "update views.builds set version = 99 where view = 'holds'")
    (finding,) = findings_of(sound)["views"]
    assert finding.problem == "the code that fills the live build of holds is gone"


def test_a_view_without_a_live_build_is_told(sound: str) -> None:
    """Nothing would keep it up, and its rows stay for readers."""
    spoil(sound, "delete from views.builds where view = 'holds'")
    (finding,) = findings_of(sound)["views"]
    assert finding.problem == "view holds has no live build: nothing keeps up what readers see of it"
    spoil(sound, "truncate views.builds")
    assert {finding.reference for finding in findings_of(sound)["views"]} == set(views()), "each shows rows of before"


def test_views_that_have_never_run_are_no_finding(spoilt: str) -> None:
    assert findings_of(spoilt, "views") == {}


def test_an_empty_view_without_a_live_build_is_told_once_the_others_are_under_way(sound: str) -> None:
    spoil(sound, "delete from views.builds where view = 'holds'")
    spoil(sound, "truncate views.holds_v1")
    assert findings_of(sound, "views") == {}, "the views have only just started"
    spoil(sound, "update views.builds set made_at = made_at - interval '2 minutes' where view = 'balances'")
    assert [finding.reference for finding in findings_of(sound, "views")["views"]] == ["holds"]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (f"{AS} select book, currency, address, account_kind, debit_minor + 1 as debit_minor, {REST}", "_minor + 1"),
        (f"{AS} select * from views.trial_balance_v1 where book = 1", "WHERE (book = 1)"),
        ("drop view views.trial_balance", None),
    ],
)  # fmt: skip
def test_a_view_that_shows_readers_something_else_is_told(sound: str, statement: str, found: str | None) -> None:
    """The build itself is right."""
    spoil(sound, statement)
    (finding,) = findings_of(sound)["views"]
    assert (finding.problem, finding.reference) == (
        "readers of view trial_balance see something else than its live build",
        "trial_balance",
    )
    assert str(finding.expected).endswith('"position" FROM trial_balance_v1;')
    assert (finding.found is None) if found is None else (found in str(finding.found))


def test_views_are_left_out_where_only_a_part_is_verified(sound: str) -> None:
    (skipped,) = [result for result in report_of(sound, "views", until=1).results if result.skipped]
    assert skipped.check == "views"


def test_the_batches_in_which_a_view_is_folded_make_no_difference(sound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "BATCH_EVENTS", 1)
    assert findings_of(sound, "views") == {}


def test_nothing_of_a_pass_is_left_behind(sound: str) -> None:
    """And the machine goes on as before."""
    findings_of(sound)
    left = "select count(*) from pg_class where relname like '%folded%'"
    with psycopg.connect(sound, autocommit=True) as connection:  # the server ends the session a moment after we do
        wait_until(lambda: connection.execute(left).fetchone() == (0,), "the tables of the pass are gone with it")
    log = EventLog(PostgresRecorder(sound))
    machine = ViewMachine(
        sound, log.log_recorder, log.log_recorder.horizon, log.log_mapper.decode, list(views().values())
    )
    machine.catch_up()
    machine.close()
    log.close()
    assert findings_of(sound) == {}
