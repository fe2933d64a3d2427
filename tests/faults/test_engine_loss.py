"""What the posting engine owes when things break: acknowledged transfers are there once, and memory equals the log."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
import psycopg
import pytest

from domain.ids import stream_id, wallet_stream_id
from eventlog import snapshots
from eventlog.connections import connect
from eventlog.fenced import FencedRecorder
from eventlog.mapper import LogMapper
from ledger.client import EngineUnavailable, LedgerClient
from ledger.engine import PostingEngine
from ledger.heads import Heads
from ledger.server import LedgerServer
from ledger.wire import Reply

BOOK = 1
ROOT = Path(__file__).resolve().parents[2]
ENGINE = """
import sys, threading
from datetime import UTC, datetime
from eventlog.fenced import FencedRecorder
from ledger.engine import PostingEngine
from ledger.server import LedgerServer
engine = PostingEngine(FencedRecorder(sys.argv[1], [1]), lambda: datetime.now(UTC), socket_path=sys.argv[2])
LedgerServer(engine, sys.argv[2]).start()
engine.run(threading.Event())
"""


class Running:
    """An engine with its socket, in threads of this process."""

    def __init__(self, database_url: str, path: Path) -> None:
        self.recorder = FencedRecorder(database_url, [BOOK])
        self.engine = PostingEngine(self.recorder, lambda: datetime.now(UTC), socket_path=str(path))
        self.server = LedgerServer(self.engine, path)
        self.server.start()
        self.client = LedgerClient(path)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.engine.run, args=[self._stop])
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.client.close()
        self.server.stop()
        self.recorder.close()


@pytest.fixture
def running(database_url: str, tmp_path: Path) -> Iterator[Running]:
    """An engine that owns book 1."""
    started = Running(database_url, tmp_path / "engine.sock")
    try:
        assert started.engine.owning.wait(20)
        yield started
    finally:
        started.stop()


def open_two(client: LedgerClient) -> None:
    """A source without limit and a sink that may not fall below zero."""
    for name, limit in (("source", None), ("sink", 0)):
        opening = partial(client.open_wallet, book=BOOK, key=name, address=f"wallet:{name}", currency="EUR")
        assert until_answered(partial(opening, overdraft_limit_minor=limit)).status == "opened"


def until_answered(ask: Callable[[], Reply]) -> Reply:
    """Ask until the engine answers, as every caller with a key may."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return ask()
        except EngineUnavailable:
            if time.monotonic() > deadline:
                raise


def move(client: LedgerClient, key: str, amount: int = 10) -> Reply:
    return client.transfer(
        book=BOOK,
        key=key,
        source=wallet_stream_id(BOOK, "wallet:source", "EUR"),
        destination=wallet_stream_id(BOOK, "wallet:sink", "EUR"),
        amount_minor=amount,
        currency="EUR",
    )


def recorded_transfers(database_url: str) -> dict[str, int]:
    """How many lines each transfer's posting has in the log, by reference."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "select convert_from(p.state, 'utf8')::jsonb ->> 'reference', count(*) from log.events p join log.events w"
            " on w.topic = 'wallet.posted.v1'"
            " and (convert_from(w.state, 'utf8')::jsonb ->> 'posting_id')::uuid = p.stream_id"
            " where p.topic = 'posting.recorded.v1' group by p.stream_id, p.state"
        ).fetchall()
    return dict(rows)


def folded(recorder: FencedRecorder) -> dict[str, tuple[int, int]]:
    heads = Heads(BOOK)
    heads.load([], recorder, LogMapper())
    return {a.address: (a.head.version, a.head.posted) for a in heads.accounts.values()}


def remembered(engine: PostingEngine) -> dict[str, tuple[int, int]]:
    return {a.address: (a.head.version, a.head.posted) for a in engine.heads(BOOK).accounts.values()}


def test_a_transfer_is_answered_when_posted_and_its_answer_outlives_the_engine(
    database_url: str, tmp_path: Path
) -> None:
    first = Running(database_url, tmp_path / "1.sock")
    open_two(first.client)
    reply = move(first.client, "k")
    refused = first.client.transfer(
        book=BOOK,
        key="back",
        source=wallet_stream_id(BOOK, "wallet:sink", "EUR"),
        destination=wallet_stream_id(BOOK, "wallet:source", "EUR"),
        amount_minor=11,
        currency="EUR",
    )
    again = move(first.client, "k")
    first.stop()
    second = Running(database_url, tmp_path / "2.sock")
    try:
        later = until_answered(lambda: move(second.client, "k"))
        reused = move(second.client, "k", amount=11)
        assert remembered(second.engine) == folded(second.recorder)
    finally:
        second.stop()
    assert (reply.status, reply.replayed, reply.lines[1].posted_after) == ("posted", False, -10)
    assert reply.position > 0
    assert reply.posting_id == stream_id(BOOK, "posting", "transfer/k")
    assert (refused.status, refused.code) == ("refused", "insufficient_funds")
    replayed = msgspec.structs.replace(reply, replayed=True)
    assert msgspec.structs.replace(again, id=reply.id) == replayed
    assert msgspec.structs.replace(later, id=reply.id) == replayed
    assert (reused.status, reused.code) == ("error", "key_reused")


def test_mistakes_are_told_and_use_no_key_up(running: Running) -> None:
    open_two(running.client)
    assert move(running.client, "k", amount=0).status == "error"
    assert move(running.client, "", amount=1).code == "bad_request"
    assert move(running.client, "k", amount=1).status == "posted"
    wrong = running.client.open_wallet(book=BOOK, key="w", address="no:such:account", currency="EUR")
    assert wrong.code == "unknown_account"
    assert running.client.ping(book=99).code == "unknown_book"


def test_only_the_lock_holder_writes_and_the_next_engine_takes_over(
    running: Running, database_url: str, tmp_path: Path
) -> None:
    open_two(running.client)
    second = Running(database_url, tmp_path / "second.sock")
    try:
        assert not second.engine.owning.wait(0.5)
        with pytest.raises(EngineUnavailable):
            move(second.client, "k")
        assert move(running.client, "k").replayed is False
        running.recorder.release()  # the session ends: whoever asks next must find the lock with one engine only
        replies = [until_answered(lambda: move(running.client, "k")), until_answered(lambda: move(second.client, "k"))]
    except EngineUnavailable:
        replies = [until_answered(lambda: move(second.client, "k"))]
    finally:
        second.stop()
    assert all(reply.replayed for reply in replies)
    assert recorded_transfers(database_url) == {"transfer/k": 2}


def test_a_killed_connection_loses_and_doubles_nothing(running: Running, database_url: str) -> None:
    open_two(running.client)
    answered: list[Reply] = []

    def load(worker: int) -> None:
        keys = [f"{worker}-{number}" for number in range(60)]
        answered.extend([until_answered(partial(move, running.client, key)) for key in keys])

    workers = [threading.Thread(target=load, args=[worker]) for worker in range(8)]
    for worker in workers:
        worker.start()
    kills = 0
    with psycopg.connect(database_url, autocommit=True) as killer:
        while any(worker.is_alive() for worker in workers) and kills < 5:
            # The engine's lock names the connection that writes.
            row = killer.execute(
                "select count(pg_terminate_backend(pid)) from pg_locks where locktype = 'advisory' and classid = 78"
                " and database = (select oid from pg_database where datname = current_database())"
            ).fetchone()
            kills += row[0] if row else 0
            workers[0].join(0.05)
    for worker in workers:
        worker.join()
    assert kills > 0
    assert [reply.status for reply in answered] == ["posted"] * 480
    assert set(recorded_transfers(database_url).values()) == {2}
    assert len(recorded_transfers(database_url)) == 480
    assert remembered(running.engine) == folded(running.recorder)
    assert remembered(running.engine)["wallet:sink"][1] == -4_800


def start_engine(database_url: str, path: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", ENGINE, database_url, str(path)], env=environment, cwd=ROOT)


def test_after_sigkill_under_load_every_acknowledged_transfer_is_there_once(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    process = start_engine(database_url, path)
    client = LedgerClient(path)
    acknowledged: set[str] = set()
    enough = threading.Event()
    try:
        open_two(client)

        def load(worker: int) -> None:
            for number in range(100):
                key = f"{worker}-{number}"
                reply = until_answered(partial(move, client, key))
                assert reply.status == "posted"
                acknowledged.add(f"transfer/{key}")
                if len(acknowledged) > 150:
                    enough.set()

        workers = [threading.Thread(target=load, args=[worker]) for worker in range(6)]
        for worker in workers:
            worker.start()
        assert enough.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        present = recorded_transfers(database_url)
        process = start_engine(database_url, path)
        for worker in workers:
            worker.join()
        numbers = client.wallet(book=BOOK, wallet_id=wallet_stream_id(BOOK, "wallet:sink", "EUR")).wallet
    finally:
        client.close()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
    assert len(present) >= 150
    assert set(present.values()) == {2}
    after = recorded_transfers(database_url)
    assert set(after) == acknowledged
    assert len(after) == 600
    assert set(after.values()) == {2}
    assert numbers is not None
    assert numbers.posted_minor == -6_000


def test_snapshots_that_do_not_fit_the_log_are_left_aside(running: Running, database_url: str) -> None:
    open_two(running.client)
    for number in range(5):
        move(running.client, str(number))
    true = folded(running.recorder)
    running.stop()
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("delete from log.wallet_snapshots where state ->> 'address' = 'wallet:sink'")
        assert rows.rowcount == 1
    recorder = FencedRecorder(database_url, [BOOK])
    heads = Heads(BOOK)
    with connect(database_url) as side:
        heads.load(snapshots.load(side, [BOOK]), recorder, LogMapper())
    recorder.close()
    assert {a.address: (a.head.version, a.head.posted) for a in heads.accounts.values()} == true
