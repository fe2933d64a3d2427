"""Applications for the API's tests: over the in-memory log, and over PostgreSQL with a real posting engine."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg_pool import ConnectionPool

from api.auth import PostgresApiKeys
from eventlog.fenced import FencedRecorder
from eventlog.postgres import PostgresRecorder
from ledger.engine import PostingEngine
from ledger.server import LedgerServer
from tests.api.reading import Reading, reading_shop
from tests.api.support import BOOK, OTHER_BOOK, Shop, close_shop, in_books, memory_shop, open_shop
from tests.conftest import fresh_database


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = memory_shop(str(tmp_path / "no-engine.sock"))
    yield shop
    close_shop(shop)


class RunningEngine:
    """A posting engine with its socket, in threads of this process."""

    def __init__(self, database_url: str, path: str, books: Sequence[int] = (BOOK, OTHER_BOOK)) -> None:
        self._recorder = FencedRecorder(database_url, books)
        engine = PostingEngine(self._recorder, lambda: datetime.now(UTC), socket_path=path)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=engine.run, args=(self._stop,))
        self._thread.start()
        self._server = LedgerServer(engine, Path(path))
        self._server.start()
        assert engine.owning.wait(20)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._server.stop()
        self._recorder.close()


@contextmanager
def live_shop(database_url: str, books: Sequence[int] = (BOOK, OTHER_BOOK)) -> Iterator[Shop]:
    """A shop over PostgreSQL whose wallets are kept by a real engine, which owns `books`."""
    with (
        # Not under pytest's own directory: a Unix socket's path has at most 107 bytes.
        tempfile.TemporaryDirectory() as folder,
        closing(RunningEngine(database_url, f"{folder}/engine.sock", books)),
        ConnectionPool(database_url, min_size=1, max_size=4, open=True) as pool,
    ):
        shop = open_shop(PostgresRecorder(database_url), PostgresApiKeys(pool), f"{folder}/engine.sock")
        yield shop
        close_shop(shop)


@pytest.fixture(scope="session")
def shared_shop(server_url: str, template_database: str, request: pytest.FixtureRequest) -> Iterator[Iterator[Shop]]:
    """One database and one engine for all tests that need no more of them than books of their own."""
    tests = sum("live" in getattr(item, "fixturenames", ()) for item in request.session.items)
    books = range(OTHER_BOOK + 1, OTHER_BOOK + 1 + 2 * tests)
    with fresh_database(server_url, template_database) as url, live_shop(url, (BOOK, OTHER_BOOK, *books)) as shop:
        yield (in_books(shop, book, book + 1) for book in books[::2])


@pytest.fixture
def live(shared_shop: Iterator[Shop], request: pytest.FixtureRequest) -> Iterator[Shop]:
    """A shop over PostgreSQL whose wallets are kept by a real engine.

    Its books are new; its database too, if the test asks for `database_url`, to look into it beside the shop.
    """
    if "database_url" in request.fixturenames:
        with live_shop(request.getfixturevalue("database_url")) as shop:
            yield shop
    else:
        yield next(shared_shop)


@pytest.fixture
def reading(live: Shop) -> Iterator[Reading]:
    """A live shop whose views are real."""
    with reading_shop(live) as reading:
        yield reading
