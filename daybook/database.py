"""The database a process works on: the server it was told about, or the embedded one for as long as it is needed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import structlog

from daybook.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresFailed
from daybook.migrate import migrate
from daybook.settings import DATABASE_NAME, Settings

WATCH_INTERVAL_S = 0.25

log = structlog.get_logger(__name__)


@contextlib.contextmanager
def open_database(settings: Settings) -> Iterator[Settings]:
    """Give settings whose ``database_url`` names a running, migrated database.

    Without a URL of one's own the embedded server is started, or joined if another process started it, and left at the
    end; the last to leave stops it. Raises `EmbeddedPostgresFailed`, `LogAboveHorizon` and psycopg's OperationalError.
    """
    if settings.database_url is not None:
        migrate(settings.database_url)
        yield settings
        return
    with EmbeddedPostgres(settings.postgres_directory) as server:
        url = server.ensure_database(DATABASE_NAME)
        migrate(url)
        yield settings.model_copy(update={"database_url": url})


class DatabaseWatch:
    """Start the embedded server again when it dies under a running copy; a server of one's own is left alone.

    The processes above reconnect by themselves; committed events survive, the server recovers them from its own log.
    """

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self._embedded = settings.database_url is None
        self._server = EmbeddedPostgres(settings.postgres_directory)
        self._outer_stop = stop
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="database-watch", daemon=True)

    def __enter__(self) -> Self:
        if self._embedded:
            self._server.start()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        if self._embedded:
            self._thread.join()
            self._server.stop()

    def _watch(self) -> None:
        while not self._left.wait(WATCH_INTERVAL_S):
            if self._outer_stop.is_set() or self._server.is_alive():
                continue
            log.error("PostgreSQL died; starting it again", directory=str(self._server.directory))
            try:
                self._server.start()
            except EmbeddedPostgresFailed as problem:
                log.error("PostgreSQL does not start; trying again", problem=str(problem))
