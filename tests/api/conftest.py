"""Applications for the API's tests: over the in-memory log, and over PostgreSQL with a real posting engine."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg_pool import ConnectionPool

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


@pytest.fixture
def engine_socket(database_url: str) -> Iterator[str]:
    """A running posting engine of both books; the path of its socket."""
    with tempfile.TemporaryDirectory() as folder:  # short: a Unix socket's path has at most 107 bytes
        path = f"{folder}/engine.sock"
        recorder = FencedRecorder(database_url, [BOOK, OTHER_BOOK])
        engine = PostingEngine(recorder, lambda: datetime.now(UTC), socket_path=path)
        stop = threading.Event()
        thread = threading.Thread(target=engine.run, args=(stop,))
        thread.start()
        server = LedgerServer(engine, path)
        server.start()
        assert engine.owning.wait(20)
        yield path
        stop.set()
        thread.join()
        server.stop()


@pytest.fixture
def live(database_url: str, engine_socket: str) -> Iterator[Shop]:
    """A shop over PostgreSQL whose wallets are kept by a real engine."""
    with ConnectionPool(database_url, min_size=1, max_size=4, open=True) as pool:
        shop = open_shop(PostgresRecorder(database_url), PostgresApiKeys(pool), engine_socket)
        yield shop
        close_shop(shop)
