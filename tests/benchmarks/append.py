"""Appends: ours without the table lock against the library's stock recorder, and what group commit makes of them."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from eventlog.append import Command, append
from eventlog.connections import connect
from eventlog.postgres import PostgresRecorder
from tests.benchmarks.report import Row, drive

SECONDS = 4.0
STATE = b'{"timestamp":"2026-01-02T03:04:05Z","amount_minor":12345,"currency":"EUR","note":"' + b"x" * 120 + b'"}'


def run(database_url: str) -> list[Row]:
    """append.16w and append.1w: one event per commit; append.group.64: three events per command, shared commits."""
    rows = []
    for writers in (1, 16):
        stock, ours = _stock(database_url, writers), _ours(database_url, writers)
        rows.append(Row(f"append.{writers}w", ours, "appends/s", f"stock recorder {stock:,.0f}", ours / stock))
    recorder = PostgresRecorder(database_url)
    got = drive(64, SECONDS, lambda _: _insert(recorder))
    recorder.close()
    rows.append(Row("append.group.64c", got.per_second * 3, "events/s"))
    rows.append(Row("append.group.64c.p50", got.p50_ms, "ms"))
    rows.append(Row("append.group.64c.p99", got.p99_ms, "ms"))
    return rows


def _insert(recorder: PostgresRecorder) -> None:
    stream = uuid.uuid4()
    recorder.insert_events([StoredEvent(stream, n, "bench.done.v1", STATE) for n in (1, 2, 3)])


def _ours(database_url: str, writers: int) -> float:
    """Each writer commits on a connection of its own: the append scheme by itself, without group commit."""
    connections: list[psycopg.Connection[Any]] = [connect(database_url) for _ in range(writers)]

    def call(number: int) -> None:
        append(connections[number], [Command([StoredEvent(uuid.uuid4(), 1, "bench.done.v1", STATE)], 1)])

    try:
        return drive(writers, SECONDS, call).per_second
    finally:
        for connection in connections:
            connection.close()


def _stock(database_url: str, writers: int) -> float:
    """The library's recorder with its defaults (table lock), on a schema of its own in the same database."""
    parts = conninfo_to_dict(database_url)
    datastore = PostgresDatastore(
        dbname=str(parts["dbname"]),
        host=str(parts.get("host", "127.0.0.1")),
        port=str(parts.get("port", "5432")),
        user=str(parts.get("user", "postgres")),
        password=str(parts.get("password") or "unused"),
        pool_size=writers,
        max_overflow=4,
    )
    table = f"stock_{uuid.uuid4().hex[:8]}"
    recorder = PostgresApplicationRecorder(datastore, events_table_name=table)
    recorder.create_table()

    def call(_: int) -> None:
        recorder.insert_events([StoredEvent(uuid.uuid4(), 1, "bench.done.v1", STATE)])

    try:
        return drive(writers, SECONDS, call).per_second
    finally:
        datastore.close()
