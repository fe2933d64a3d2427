"""What is asked of a long log costs what it cost on a short one: rows are looked up, whenever the plan was made."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
from eventsourcing.persistence import StoredEvent

from eventlog.append import Command, append
from eventlog.connections import connect
from eventlog.postgres import READ_UNTIL, STREAM_UP

EVENTS = 3_000
SCANNED = "select coalesce(sum(seq_tup_read), 0) from pg_stat_all_tables where relid = 'log.events'::regclass"


def _event() -> StoredEvent:
    return StoredEvent(uuid4(), 1, "test.done.v1", b"{}")


def _ask(connection: psycopg.Connection[Any]) -> None:
    """One of each statement that writers and followers send all day."""
    append(connection, [Command([_event()], 1)])
    connection.execute(READ_UNTIL, [0, 2**62, None, None, None, None, 10], prepare=True, binary=True).fetchall()
    connection.execute(STREAM_UP, [uuid4(), 0, 100, 100], prepare=True, binary=True).fetchall()


def test_statements_planned_on_an_empty_log_never_scan_a_long_one(database_url: str) -> None:
    with connect(database_url) as connection:
        for _ in range(10):  # more than the executions after which a plan is kept
            _ask(connection)
        append(connection, [Command([_event() for _ in range(EVENTS)], 1)])
        connection.execute("select pg_stat_force_next_flush()")
        before = connection.execute(SCANNED).fetchone()
        for _ in range(10):
            _ask(connection)
        connection.execute("select pg_stat_force_next_flush()")
        after = connection.execute(SCANNED).fetchone()
        assert before is not None
        assert after is not None
        assert after[0] - before[0] < EVENTS
