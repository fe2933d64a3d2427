"""Several tenants in one installation: the engine owns every open book, and nothing crosses from one to another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from domain.adjustment import AdjustmentLine
from domain.ids import stream_id, wallet_stream_id
from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.fenced import FencedRecorder
from eventlog.postgres import PostgresRecorder
from ledger.adjustments import Adjustments, Proposal
from ledger.client import LedgerClient
from ledger.open_books import open_books
from ledger.wire import Transfer
from payments.checkout import Checkout
from payments.commands import OpenBook
from tests.ledger.engines import RunningEngine, wait_for_book


class SystemClock:
    """The time of day."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture
def log(database_url: str) -> Iterator[EventLog]:
    """A log with book 1 open."""
    log = EventLog(PostgresRecorder(database_url))
    open_book(log, 1)
    yield log
    log.close()


def open_book(log: EventLog, book: int) -> None:
    """A tenant comes."""
    Checkout(log, SystemClock()).open_book(OpenBook(book=book, name=f"book {book}", commission_bps=0))


def write_off(log: EventLog, book: int) -> None:
    """A fact of one book: an adjustment that two people agreed on."""
    adjustments, key = Adjustments(log, SystemClock()), str(uuid4())
    lines = [AdjustmentLine("exp:writeoff", "EUR", 5), AdjustmentLine("suspense:psp", "EUR", -5)]
    adjustments.propose(Proposal(book, key, lines, "test", "ann", "print"))
    adjustments.approve(book, key, "bob")


def written_off(client: LedgerClient, book: int) -> int:
    """What the facts of a book have come to."""
    reply = client.wallet(book=book, wallet_id=wallet_stream_id(book, "exp:writeoff", "EUR"))
    return reply.wallet.posted_minor if reply.wallet else 0


def wait_for(client: LedgerClient, book: int, amount: int) -> None:
    """Until the facts of a book have come to an amount."""
    for _ in range(400):
        if written_off(client, book) == amount:
            return
        threading.Event().wait(0.02)
    assert written_off(client, book) == amount


def test_a_book_opened_while_the_engine_runs_is_taken_over_with_its_facts(
    log: EventLog, database_url: str, tmp_path: Path
) -> None:
    with RunningEngine(database_url, tmp_path / "e.sock") as engine:
        assert engine.client.ping(book=2).code == "unknown_book"
        open_book(log, 2)
        write_off(log, 2)
        write_off(log, 1)
        wait_for_book(engine.client, 2)
        wait_for(engine.client, 2, 5)
        wait_for(engine.client, 1, 5)
        write_off(log, 2)
        wait_for(engine.client, 2, 10)
    with RunningEngine(database_url, tmp_path / "again.sock") as engine:
        assert engine.client.ping(book=2).status == "found"
        assert [written_off(engine.client, book) for book in (1, 2)] == [5, 10]
        write_off(log, 2)
        wait_for(engine.client, 2, 15)
        assert written_off(engine.client, 1) == 5


def test_the_same_names_and_keys_mean_different_wallets_and_postings_in_each_book(
    log: EventLog, database_url: str, tmp_path: Path
) -> None:
    open_book(log, 2)
    with RunningEngine(database_url, tmp_path / "e.sock") as engine:
        client = engine.client
        for book in (1, 2):
            for name, limit in (("a", None), ("b", 0)):
                opened = client.open_wallet(
                    book=book, key=name, address=f"wallet:{name}", currency="EUR", overdraft_limit_minor=limit
                )
                assert opened.status == "opened"
        mine, theirs = ([wallet_stream_id(book, f"wallet:{name}", "EUR") for name in "ab"] for book in (1, 2))

        def transfer(book: int, source: int, destination: int, key: str = "k", amount: int = 7) -> Transfer:
            ids = [*mine, *theirs]
            return Transfer(
                book=book,
                key=key,
                source=ids[source],
                destination=ids[destination],
                amount_minor=amount,
                currency="EUR",
            )

        assert engine.ask(transfer(1, 0, 1)).status == "posted"
        assert engine.ask(transfer(2, 2, 3, amount=9)).status == "posted"
        for book, source, destination in ((1, 0, 3), (1, 2, 1), (2, 0, 1), (2, 2, 1)):
            crossing = engine.ask(transfer(book, source, destination, key=f"x{book}{source}{destination}"))
            assert (crossing.status, crossing.code) == ("refused", "unknown_wallet")
        balances = [client.wallet(book=book, wallet_id=wallet) for book, wallet in ((1, mine[1]), (2, theirs[1]))]
        assert [reply.wallet.posted_minor for reply in balances if reply.wallet] == [-7, -9]
        assert client.wallet(book=1, wallet_id=theirs[1]).code == "unknown_wallet"
    books = {row.stream_id: row.book for row in log.log_recorder.read(0, 1_000)}
    assert [books[wallet] for wallet in (*mine, *theirs)] == [1, 1, 2, 2]


def test_a_book_that_another_engine_owns_is_left_to_it_until_it_lets_go(
    log: EventLog, database_url: str, tmp_path: Path
) -> None:
    other = FencedRecorder(database_url, [2])
    other.acquire()
    open_book(log, 2)
    try:
        with RunningEngine(database_url, tmp_path / "e.sock") as engine:
            write_off(log, 1)
            wait_for(engine.client, 1, 5)
            assert engine.client.ping(book=2).code == "unknown_book"
            other.release()
            wait_for_book(engine.client, 2)
    finally:
        other.close()


def test_an_idle_book_is_not_read_from_its_beginning_at_each_start(
    log: EventLog, database_url: str, tmp_path: Path
) -> None:
    open_book(log, 2)
    with RunningEngine(database_url, tmp_path / "e.sock") as engine:
        write_off(log, 1)
        wait_for(engine.client, 1, 5)
    recorder = log.log_recorder
    fact = max(row.position for row in recorder.read(0, 1_000, topics=["adjustment.approved.v1"]))
    assert (recorder.max_tracking_id("engine/2") or 0) >= fact
    with RunningEngine(database_url, tmp_path / "again.sock") as engine:
        write_off(log, 2)
        wait_for(engine.client, 2, 5)


def test_the_open_books_are_those_that_were_opened(log: EventLog, database_url: str) -> None:
    open_book(log, 7)
    with connect(database_url) as connection:
        found = open_books(connection)
    assert list(found) == [1, 7]
    opened = next(r for r in log.log_recorder.read(0, 10) if r.stream_id == stream_id(7, "book", "7"))
    assert found[7] == opened.position
