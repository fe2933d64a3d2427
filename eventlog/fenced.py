"""The posting engine's recorder: it writes on the very connection that holds its books' lock.

No connection, no write: when the session ends, PostgreSQL gives the lock to the next engine, and whatever this one
still holds in memory can no longer reach the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking

from eventlog.append import Command, append, conflict
from eventlog.connections import connect
from eventlog.errors import FenceLost, WriterAlreadyRunning
from eventlog.postgres import TRACK, PostgresRecorder
from eventlog.recorded import DEFAULT_BOOK, NO_META, Meta

if TYPE_CHECKING:
    from collections.abc import Sequence

ENGINE_LOCK = 78


class FencedRecorder(PostgresRecorder):
    """Appends only while it holds the writer lock of `books`; call `acquire` first, and again after FenceLost."""

    def __init__(self, database_url: str, books: Sequence[int], *, wakes: Sequence[str] = ()) -> None:
        super().__init__(database_url, readers_max=4, wakes=wakes)
        self.books = tuple(books)
        self._fence: psycopg.Connection[Any] | None = None

    def acquire(self) -> None:
        """Takes the lock of every book on a new connection. Raises WriterAlreadyRunning naming the book."""
        self.release()
        connection = connect(self.database_url)
        for book in self.books:
            row = connection.execute("select pg_try_advisory_lock(%s, %s)", [ENGINE_LOCK, book]).fetchone()
            if row is None or not row[0]:
                connection.close()
                message = f"Book {book} has a posting engine already: stop it before starting another."
                raise WriterAlreadyRunning(message)
        self._fence = connection

    def add(self, book: int) -> bool:
        """Takes the lock of one more book on the connection that holds the others; False when somebody else has it.

        Raises FenceLost. Nothing may be on its way on that connection.
        """
        if self._fence is None:
            message = "The writer lock is not held: acquire it first."
            raise FenceLost(message)
        try:
            row = self._fence.execute("select pg_try_advisory_lock(%s, %s)", [ENGINE_LOCK, book]).fetchone()
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self.release()
            message = "The connection that holds the writer lock is lost."
            raise FenceLost(message) from error
        if row is None or not row[0]:
            return False
        self.books = (*self.books, book)
        return True

    def release(self) -> None:
        """Gives the lock up by ending the session."""
        if self._fence is not None:
            self._fence.close()
            self._fence = None

    def close(self) -> None:
        self.release()
        super().close()

    def advance(self, tracking: Tracking) -> None:
        """Moves the tracking position alone, on the connection that holds the lock; one already passed stays.

        Raises FenceLost as `insert_events` does.
        """
        if self._fence is None:
            message = "The writer lock is not held: acquire it first."
            raise FenceLost(message)
        try:
            self._fence.execute(TRACK, [tracking.application_name, tracking.notification_id], prepare=True, binary=True)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self.release()
            message = "The connection that holds the writer lock is lost."
            raise FenceLost(message) from error

    def insert_events(  # type: ignore[override]  # names what the library leaves to **kwargs
        self,
        stored_events: Sequence[StoredEvent],
        tracking: Tracking | None = None,
        *,
        book: int = DEFAULT_BOOK,
        meta: Meta | Sequence[Meta] = NO_META,
    ) -> Sequence[int] | None:
        """One append with its tracking position. Raises IntegrityError as any recorder does, and FenceLost when the
        connection is gone: the outcome is unknown then, and memory must be read anew after `acquire`."""
        if self._fence is None or book not in self.books:
            message = f"The writer lock of book {book} is not held: acquire it first."
            raise FenceLost(message)
        command = Command(stored_events, book, meta)
        try:
            (positions,) = append(self._fence, [command], tracking)
        except psycopg.errors.UniqueViolation as error:
            raise IntegrityError(str(error)) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self.release()
            message = "The connection that holds the writer lock is lost; what it was writing may be stored or not."
            raise FenceLost(message) from error
        if positions is None:
            raise conflict(command)
        self._notifier.wake({event.topic for event in stored_events})
        return positions
