"""The PostgreSQL recorder: the library's recorder interface over `log.append` and horizon-bounded reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    IntegrityError,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Tracking,
)

from eventlog.append import Command, append, conflict
from eventlog.connections import LOOKUPS, Readers, connect
from eventlog.errors import LogUnavailable
from eventlog.group_commit import GroupCommitter
from eventlog.horizon import HorizonReader, Notifier
from eventlog.recorded import DEFAULT_BOOK, NO_META, Meta, Recorded
from eventlog.subscription import HorizonSubscription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsourcing.persistence import ApplicationRecorder, Subscription

READ = """
select position, book, stream_id, version, topic, recorded_at, meta, state from log.events
 where position > %b and position {bound}
   and (%b::text[] is null or topic = any(%b)) and (%b::int[] is null or book = any(%b))
 order by position limit %b
"""
READ_TO_HORIZON = READ.format(bound="< (select log.horizon())")
READ_UNTIL = READ.format(bound="<= %b")
STREAM = """
select stream_id, version, topic, state from log.events
 where stream_id = %b and version > %b and version <= %b order by version {order} limit %b
"""
STREAM_UP, STREAM_DOWN = STREAM.format(order="asc"), STREAM.format(order="desc")
READ_STREAMS = """
select e.* from unnest(%b::uuid[]) u(id) cross join lateral (
  select position, book, stream_id, version, topic, recorded_at, meta, state from log.events
   where stream_id = u.id and position <= %b and topic = any(%b)
) e order by e.stream_id, e.version
"""
NOTIFICATIONS = """
select stream_id, version, topic, state, position from log.events
 where position >= %b and position <= %b and position < (select log.horizon())
   and (%b::text[] is null or topic = any(%b))
 order by position limit %b
"""
LAST = "select max(position) from log.events where position < (select log.horizon())"
TRACKED = "select position from log.tracking where name = %b"
TRACK = """
insert into log.tracking as r values (%b, %b)
    on conflict (name) do update set position = excluded.position where r.position < excluded.position
"""
VERSION_MAX = 2**31 - 1
POSITION_MAX = 2**63 - 1


class PostgresRecorder(ProcessRecorder):
    """Appends without a table lock and reads without gaps. One instance per process, shared by its threads.
    `readers` are for questions that others ask of the same database.

    `insert_events` is group-committed: concurrent callers share commits. With `tracking` a command commits alone,
    together with the consumer's position.
    """

    def __init__(self, database_url: str, *, readers_max: int = 8, wakes: Sequence[str] = ()) -> None:
        """`wakes` are the kinds of streams whose events wake this process's followers at once; without any, all do."""
        self._wakes = wakes
        self.database_url = database_url
        self.readers = Readers(database_url, readers_max)
        self._lookups = Readers(database_url, readers_max, options=LOOKUPS)
        self._notifier = Notifier(lambda: connect(database_url))
        self._committer = GroupCommitter(lambda: connect(database_url), self._notifier.wake)
        self._horizon: HorizonReader | None = None

    @property
    def horizon(self) -> HorizonReader:
        """The process's one horizon reader, started when first asked for."""
        if self._horizon is None:
            self._horizon = HorizonReader(lambda: connect(self.database_url), kinds=self._wakes)
        return self._horizon

    def close(self) -> None:
        """Commits what has been taken, then closes every connection."""
        self._committer.close()
        self._notifier.close()
        if self._horizon is not None:
            self._horizon.close()
        self.readers.close()
        self._lookups.close()

    # writing

    def insert_events(  # type: ignore[override]  # names what the library leaves to **kwargs
        self,
        stored_events: Sequence[StoredEvent],
        tracking: Tracking | None = None,
        *,
        book: int = DEFAULT_BOOK,
        meta: Meta | Sequence[Meta] = NO_META,
    ) -> Sequence[int] | None:
        """Stores the events of one command and answers their positions.

        Raises IntegrityError when a stream has moved on or the tracking position has been passed already, and
        LogUnavailable when the outcome is not known: look the stream up then.
        """
        if tracking is not None:
            return self._insert_tracked(Command(stored_events, book, meta), tracking)
        if not stored_events:
            return []
        return self._committer.submit(Command(stored_events, book, meta))

    def _insert_tracked(self, command: Command, tracking: Tracking) -> list[int]:
        if not command.events:
            self.insert_tracking(tracking)
            return []
        try:
            with self._lookups.connection() as connection:
                (positions,) = append(connection, [command], tracking)
        except psycopg.errors.UniqueViolation as error:
            raise _tracked_conflict(error, command, tracking) from error
        if positions is None:
            raise conflict(command)
        self._notifier.wake({event.topic for event in command.events})
        return positions

    def insert_tracking(self, tracking: Tracking) -> None:
        """Moves a consumer's position forward. Raises IntegrityError when it has been reached already, and
        LogUnavailable when it may have been moved or not."""
        parameters = [tracking.application_name, tracking.notification_id]
        try:
            with self._lookups.connection() as connection:
                moved = connection.execute(TRACK, parameters, prepare=True, binary=True).rowcount
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            message = f"The position of {tracking.application_name} may have been moved or not: {error}"
            raise LogUnavailable(message) from error
        if moved == 0:
            raise _passed(tracking)

    # reading

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of one stream, newest commit included: a reader of one stream sees its own writes."""
        parameters = [
            originator_id,
            -VERSION_MAX if gt is None else gt,
            VERSION_MAX if lte is None else lte,
            POSITION_MAX if limit is None else limit,
        ]
        rows = self._rows(STREAM_DOWN if desc else STREAM_UP, parameters)
        return [StoredEvent(*row) for row in rows]

    def read(
        self,
        after: int,
        limit: int,
        *,
        topics: Sequence[str] = (),
        books: Sequence[int] = (),
        until: int | None = None,
    ) -> list[Recorded]:
        """The next rows of the log below the horizon, in order. `until` must have been readable to an older snapshot
        (a follower has it from the horizon reader); without it the statement asks for the horizon itself."""
        filters = [list(topics) or None, list(topics) or None, list(books) or None, list(books) or None, limit]
        if until is None:
            rows = self._rows(READ_TO_HORIZON, [after, *filters])
        else:
            rows = self._rows(READ_UNTIL, [after, until, *filters])
        return [Recorded._make(row) for row in rows]

    def read_streams(self, stream_ids: Sequence[UUID], topics: Sequence[str], until: int) -> list[Recorded]:
        """The rows of some streams up to a position that was readable, stream by stream and in order."""
        rows = self._rows(READ_STREAMS, [list(stream_ids), until, list(topics)])
        return [Recorded._make(row) for row in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The library's view of the log; bounded by the horizon like every other read."""
        first = (start or 0) + (0 if inclusive_of_start else 1)
        parameters = [first, POSITION_MAX if stop is None else stop, list(topics) or None, list(topics) or None, limit]
        return [Notification(*row) for row in self._rows(NOTIFICATIONS, parameters)]

    def max_notification_id(self) -> int | None:
        """The position of the last readable event, None in an empty log."""
        return self._value(LAST, [])

    def max_tracking_id(self, application_name: str) -> int | None:
        """How far a consumer has got, None when it has never recorded anything."""
        return self._value(TRACKED, [application_name])

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """The library's blocking iterator of notifications; wakes by LISTEN and polls as a fallback."""
        return HorizonSubscription(self, self.horizon, gt, topics)

    def _rows(self, query: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._lookups.read(
            lambda connection: connection.execute(query, parameters, prepare=True, binary=True).fetchall()
        )
        return rows

    def _value(self, query: str, parameters: list[Any]) -> int | None:
        rows = self._rows(query, parameters)
        return rows[0][0] if rows else None


def _passed(tracking: Tracking) -> IntegrityError:
    return IntegrityError(f"Tracking {tracking.application_name} has already reached {tracking.notification_id}.")


def _tracked_conflict(error: psycopg.errors.UniqueViolation, command: Command, tracking: Tracking) -> IntegrityError:
    if error.diag.constraint_name == "tracking_moves_forward":
        return _passed(tracking)
    return conflict(command)
