"""A changed view in the sandbox: told in money, and without a trace in the log or in what readers see."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.mapper import stored_row
from projections.registry import views
from replay import builds
from replay.digest import digest
from replay.fill import EventRefused
from replay.what_if.reading import tell
from replay.what_if.sandbox import Pair, sandbox
from tests.replay.history import MERCHANT, History, catch_up
from tests.replay.what_if.asking import Asking, Writing, captures, digests, shown

TEMPORARY = """
select count(*) from pg_class where relpersistence = 't' and relkind = 'r' and relname like 'what_if%%'
"""
APPEND = """
select log.append('{1}', array[gen_random_uuid()], '{1}', '{demo.happened.v1}', array['{}'::bytea],
                  '{1}', '{1}', '{"{}"}')
"""
PATIENCE_S = 30.0


def test_a_changed_view_is_told_in_money_with_its_events(history: History, log: EventLog, ask: Asking) -> None:
    answer = ask("tests.replay.planted.right_fees")
    (found,) = answer.views
    shares = [share for event in captures(log) for share in event.shares]
    too_much = sum(-(-share.gross_minor // 10) - share.commission_minor for share in shares)
    assert too_much > 0
    assert (found.changed, found.added, found.removed) == (1, 0, 0)
    assert found.money == {"EUR": {"commission_minor": -too_much, "net_minor": too_much}}
    assert found.merchants == {MERCHANT: found.money}
    assert found.differences[0].cause_count == len(captures(log)) == answer.events
    assert f"now against tests.replay.planted.right_fees, both at position {answer.until}" in shown(answer)


def test_the_past_can_be_asked_about(history: History, log: EventLog, ask: Asking) -> None:
    middle = log.log_recorder.read(0, 300)[-1].position
    answer = ask("tests.replay.planted.right_fees", "earnings", middle)
    assert answer.until == middle
    assert answer.events == len(captures(log, middle)) < len(captures(log))


def test_every_view_of_ours_is_equal_to_itself_in_the_sandbox(
    history: History, ask: Asking, written: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replay.what_if.sandbox.SPILL_ROWS", 20)
    monkeypatch.setattr("replay.what_if.reading.PAGE_EVENTS", 50)
    answer = ask(written("all_views", "from projections.registry import views\nVIEWS = list(views().values())\n"))
    assert {found.view: found.total for found in answer.views} == dict.fromkeys(views(), 0)
    assert {found.view for found in answer.views if found.rows_first} >= {"balances", "payment_orders", "wallet_days"}


def test_what_the_sandbox_folds_is_what_the_machine_folded(history: History, log: EventLog, database_url: str) -> None:
    pairs = [Pair(view, view) for view in views().values()]
    with sandbox(database_url, pairs) as box:
        tell(log.log_recorder, log.log_mapper.decode, box.listeners, log.log_recorder.max_notification_id() or 0)
        box.settle()
        assert all(found.equal for found in box.compared(0, ("a", "b")))
        folded = {filling.build.view.name: digest(box.connection, filling.build) for filling, _ in box.pairs}
    assert folded == digests(database_url)


def test_what_the_live_build_has_parked_is_left_out_and_said(
    history: History, log: EventLog, database_url: str, ask: Asking, written: Writing
) -> None:
    bad = stored_row(UUID(int=7), 2, "payment-order.expired.v1", b'{"timestamp": "2026-01-01T00:00:00Z"}')
    log.log_recorder.insert_events([bad])
    catch_up(log, database_url)
    answer = ask(written("same_orders", "from projections.payment_orders import VIEW\n"))
    assert (answer.left_out, answer.views[0].equal) == ({"payment_orders": 1}, True)
    assert "payment_orders: 1 events are left out" in shown(answer)
    with connect(database_url) as connection:
        connection.execute("delete from views.parked")
    with pytest.raises(EventRefused, match=r"view payment_orders cannot take payment-order\.expired\.v1"):
        ask("same_orders")


def test_nothing_is_written_and_nothing_live_changes(
    history: History, log: EventLog, database_url: str, ask: Asking, written: Writing
) -> None:
    def standing() -> tuple[Any, ...]:
        with connect(database_url) as connection:
            tables = connection.execute("select relname from pg_class where relkind in ('r','v') order by 1").fetchall()
            return log.log_recorder.max_notification_id(), digests(database_url), builds.listed(connection), tables

    before = standing()
    everything = (
        'FEES = {"*": 1}\nfrom tests.replay.planted.right_fees import VIEW\n'
        "def posting_for(event, book):\n    return None\n"
    )
    answer = ask(written("everything", everything))
    assert answer.views[0].total
    assert answer.postings is not None
    assert answer.postings.changed
    assert standing() == before


def test_the_session_of_the_sandbox_can_write_to_nothing_else(history: History, database_url: str) -> None:
    with sandbox(database_url, []) as box:
        for forbidden in ("delete from views.balances_v1", "create table views.own (id int)", APPEND):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                box.connection.execute(forbidden)


BLOCKING = """
import os
from tests.replay.planted.right_fees import RightEarnings

class Blocking(RightEarnings):
    def fold(self, rows, fact):
        super().fold(rows, fact)
        os.write(1, b"folding")
        os.read(0, 1)

VIEW = Blocking()
"""
PROGRAM = """
import sys
import domain
from eventlog.application import EventLog
from eventlog.postgres import PostgresRecorder
from projections.registry import add_modules
from replay.what_if.answer import what_if
from replay.what_if.changes import changes_of
add_modules(["tests.replay.planted.wrong_fees"])
log = EventLog(PostgresRecorder(sys.argv[1]))
what_if(sys.argv[1], log.log_recorder, log.log_mapper.decode, changes_of("blocking"))
"""


def test_one_that_is_killed_leaves_nothing_behind(
    history: History, database_url: str, ask: Asking, written: Writing, tmp_path: Path
) -> None:
    written("blocking", BLOCKING)
    before = digests(database_url)
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(root), str(tmp_path)))}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(7) == b"folding"
        with psycopg.connect(database_url, autocommit=True) as owner:
            assert owner.execute(TEMPORARY).fetchone() == (2,)
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE_S)
            _until_none(owner)
    assert digests(database_url) == before
    with connect(database_url) as connection:
        assert {row["state"] for row in builds.listed(connection)} == {"live"}
    assert ask("tests.replay.planted.right_fees").views[0].total == 1


def _until_none(owner: psycopg.Connection[Any]) -> None:
    """The server needs a moment to see that the session's other end is gone; waits for its backend, not for a time."""
    owner.execute("set statement_timeout = '30s'")
    owner.execute(
        "do $$ begin while exists (select from pg_class where relpersistence = 't' and relname like 'what_if%') loop"
        " perform pg_sleep(0.01); end loop; end $$"
    )
    assert owner.execute(TEMPORARY).fetchone() == (0,)
