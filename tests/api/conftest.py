"""Applications for the API's tests: over the in-memory log, and over PostgreSQL with a real posting engine."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg_pool import ConnectionPool

import eventlog.horizon
import ledger.engine
import ledger.facts
from api.auth import PostgresApiKeys
from eventlog.fenced import FencedRecorder
from eventlog.postgres import PostgresRecorder
from ledger.engine import PostingEngine
from ledger.server import LedgerServer
from tests.api.support import BOOK, OTHER_BOOK, Shop, close_shop, memory_shop, open_shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = memory_shop(str(tmp_path / "no-engine.sock"))
    yield shop
    close_shop(shop)


class RunningEngine:
    """A posting engine of both books with its socket, in threads of this process."""

    def __init__(self, database_url: str, path: str) -> None:
        self.path = path
        self._recorder = FencedRecorder(database_url, [BOOK, OTHER_BOOK])
        engine = PostingEngine(self._recorder, lambda: datetime.now(UTC), socket_path=path)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=engine.run, args=(self._stop,))
        self._thread.start()
        self._server = LedgerServer(engine, path)
        self._server.start()
        assert engine.owning.wait(20)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._server.stop()
        self._recorder.close()


@pytest.fixture
def engine(database_url: str, short_pauses: None) -> Iterator[RunningEngine]:
    """A posting engine; whoever closes it before the test ends does no harm."""
    with tempfile.TemporaryDirectory() as folder:  # short: a Unix socket's path has at most 107 bytes
        engine = RunningEngine(database_url, f"{folder}/engine.sock")
        yield engine
        engine.close()


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long idle threads wait before they look whether to stop: a fifth of a second each, test after test, adds
    up."""
    monkeypatch.setattr(ledger.engine, "IDLE_SECONDS", 0.02)
    monkeypatch.setattr(ledger.facts, "WAIT_SECONDS", 0.02)
    monkeypatch.setattr(eventlog.horizon, "POLL_SECONDS", 0.05)


@pytest.fixture
def live(database_url: str, engine: RunningEngine) -> Iterator[Shop]:
    """A shop over PostgreSQL whose wallets are kept by a real engine."""
    with ConnectionPool(database_url, min_size=1, max_size=4, open=True) as pool:
        shop = open_shop(PostgresRecorder(database_url), PostgresApiKeys(pool), engine.path)
        yield shop
        with ThreadPoolExecutor(1) as other:  # each waits for threads of its own, so both at once
            closed = other.submit(engine.close)
            close_shop(shop)
            closed.result()
