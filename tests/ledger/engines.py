"""A posting engine with its socket in threads of this process, as the role `engine` has it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from eventlog.fenced import FencedRecorder
from ledger.client import LedgerClient
from ledger.engine import PostingEngine
from ledger.open_books import open_books
from ledger.server import LedgerServer
from ledger.wire import Reply, Request


class RunningEngine:
    """Owns its first book and every open one; use it as a context."""

    def __init__(self, database_url: str, path: Path, book: int = 1) -> None:
        self.recorder = FencedRecorder(database_url, [book])
        self.engine = PostingEngine(
            self.recorder, lambda: datetime.now(UTC), socket_path=str(path), open_books=open_books
        )
        self.server = LedgerServer(self.engine, path)
        self.client = LedgerClient(path)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.engine.run, args=[self._stop])

    def __enter__(self) -> Self:
        self.server.start()
        self._thread.start()
        assert self.engine.owning.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.client.close()
        self.server.stop()
        self.recorder.close()

    def ask(self, request: Request) -> Reply:
        """One request."""
        return self.client.ask(request)


def wait_for_book(client: LedgerClient, book: int) -> None:
    """Until the engine owns a book."""
    for _ in range(400):
        if client.ping(book=book).status == "found":
            return
        threading.Event().wait(0.02)
    message = f"the engine does not take over book {book}"
    raise AssertionError(message)
