"""Facts of orders reach the books exactly once, whatever happens to the engine between reading and committing."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from eventsourcing.persistence import MapperDeserialisationError, StoredEvent

from domain.ids import stream_id
from domain.payment_events import Captured
from domain.splitting import Share
from eventlog.fenced import FencedRecorder
from eventlog.mapper import LogMapper
from eventlog.postgres import PostgresRecorder
from ledger.engine import PostingEngine
from ledger.heads import balances
from ledger.wire import OpenWallet, Reply

BOOK = 1
AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def captured(order: int, amount: int = 1_000) -> Captured:
    fields: dict[str, Any] = {
        "originator_id": stream_id(BOOK, "payment-order", str(order)),
        "originator_version": 1,
        "timestamp": AT,
        "capture_id": f"capture-{order}",
        "attempt": 1,
        "rail": "recorded",
        "amount_minor": amount,
        "currency": "EUR",
        "shares": [Share("s1", amount, amount // 10)],
        "released_minor": 0,
        "final": True,
        "cost_minor": 0,
        "rail_reference": "r",
        "effective_at": AT,
    }
    return Captured(**fields)


def write_captures(recorder: PostgresRecorder, orders: range) -> None:
    mapper = LogMapper()
    recorder.insert_events([mapper.to_stored_event(captured(order)) for order in orders], book=BOOK)


def posted_until(recorder: FencedRecorder, minor: int) -> dict[str, int]:
    """Run an engine until the clearing account holds `minor`; give its wallets when it has stopped."""
    engine = PostingEngine(recorder, lambda: AT)
    stop = threading.Event()
    thread = threading.Thread(target=engine.run, args=[stop])
    thread.start()
    try:
        position = 0
        while clearing(engine) != minor:
            assert thread.is_alive()
            position = recorder.horizon.wait(position, 0.2)
    finally:
        stop.set()
        thread.join()
    assert all(total == 0 for total in balances(engine.heads(BOOK).accounts.values()).values())
    return {account.address: account.head.posted for account in engine.heads(BOOK).accounts.values()}


def clearing(engine: PostingEngine) -> int:
    account = engine.heads(BOOK).accounts.get(engine.heads(BOOK).wallet_id("psp:recorded:clearing", "EUR"))
    return account.head.posted if account else 0


def test_facts_are_posted_once_across_restarts_and_lost_tracking(database_url: str) -> None:
    writer = PostgresRecorder(database_url)
    recorder = FencedRecorder(database_url, [BOOK])
    try:
        write_captures(writer, range(700))
        first = posted_until(recorder, 700_000)
        write_captures(writer, range(700, 900))
        second = posted_until(recorder, 900_000)
        with psycopg.connect(database_url) as connection:
            # As if the tracking row came from an older backup: the postings themselves still say what was done.
            connection.execute("delete from log.tracking")
        write_captures(writer, range(900, 901))
        third = posted_until(recorder, 901_000)
    finally:
        recorder.close()
        writer.close()
    assert first["rev:fees"] == -70_000
    assert first["merchant:s1:pending"] == -630_000
    assert second["merchant:s1:pending"] == -810_000
    assert third["merchant:s1:pending"] == -810_900


def test_one_tracking_row_moves_with_the_postings_it_accounts_for(database_url: str) -> None:
    writer = PostgresRecorder(database_url)
    recorder = FencedRecorder(database_url, [BOOK])
    try:
        write_captures(writer, range(10))
        posted_until(recorder, 10_000)
        last = writer.read(0, 100, topics=[Captured.TOPIC])[-1].position
        assert recorder.max_tracking_id(f"engine/{BOOK}") >= last  # and on, once everything readable is posted
        with psycopg.connect(database_url) as connection:
            row = connection.execute("select book, owner from log.engine_leases").fetchone()
        assert row == (BOOK, "engine")
    finally:
        recorder.close()
        writer.close()


def test_a_fact_that_cannot_be_read_stops_the_engine_and_its_askers_are_told(database_url: str) -> None:
    writer = PostgresRecorder(database_url)
    recorder = FencedRecorder(database_url, [BOOK])
    broken = StoredEvent(stream_id(BOOK, "payment-order", "x"), 1, Captured.TOPIC, b"{}")
    try:
        writer.insert_events([broken], book=BOOK)
        engine = PostingEngine(recorder, lambda: AT)
        with pytest.raises(MapperDeserialisationError, match="version 1"):
            engine.run(threading.Event())
        told: list[Reply] = []
        engine.submit(OpenWallet(book=BOOK, key="k", address="wallet:a", currency="EUR"), told.append)
        assert [reply.code for reply in told] == ["engine_unavailable"]
        assert recorder.max_tracking_id(f"engine/{BOOK}") is None
    finally:
        recorder.close()
        writer.close()
