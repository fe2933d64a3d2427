"""Migrations: one at a time, safe to repeat, and never onto a log that followers could not read."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from psycopg.conninfo import make_conninfo

from daybook.migrate import LogAboveHorizon, check_horizon, migrate, pending
from eventlog.append import APPEND, Command, arguments
from eventlog.connections import connect


def test_a_migrated_database_has_nothing_left_to_apply(database_url: str) -> None:
    assert pending(database_url) == []
    assert migrate(database_url) == []


def test_processes_that_migrate_at_once_apply_each_migration_once(server_url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated_at_once TEMPLATE template0")
        try:
            url = make_conninfo(server_url, dbname="migrated_at_once")
            with ThreadPoolExecutor(4) as pool:
                applied = [name for names in pool.map(migrate, [url] * 4) for name in names]
            assert applied
            assert len(applied) == len(set(applied))
        finally:
            connection.execute("DROP DATABASE migrated_at_once WITH (FORCE)")


def test_a_lock_row_left_by_a_killed_migration_does_not_block_the_next_one(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)")
    assert migrate(database_url) == []


def test_a_log_that_reaches_above_the_horizon_is_refused(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        check_horizon(connection)
        # What a logical restore onto a young server leaves behind: positions made from far greater transaction ids.
        connection.execute(
            "INSERT INTO log.events (position, book, stream_id, version, topic, meta, state) "
            "VALUES (1::bigint << 55, 1, gen_random_uuid(), 1, 'book.opened.v1', '{}', '{}')"
        )
        with pytest.raises(LogAboveHorizon, match=r"log\.base\(\)"):
            check_horizon(connection)
    with pytest.raises(LogAboveHorizon):
        migrate(database_url)


def test_a_writer_under_way_does_not_make_the_log_look_damaged(database_url: str) -> None:
    with connect(database_url) as slow, connect(database_url) as quick, slow.transaction():
        slow.execute("select log.open()")
        event = StoredEvent(uuid.uuid4(), 1, "book.opened.v1", b"{}")
        quick.execute(APPEND, arguments([Command([event], 1)]), binary=True)
        held_back = quick.execute("select max(position) >= log.horizon() from log.events").fetchone()
        assert held_back == (True,)
        assert migrate(database_url) == []
