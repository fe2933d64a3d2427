"""The in-memory twin of the log, under the same contract tests: for pure tests and for trying things out."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from eventsourcing.persistence import (
    IntegrityError,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Tracking,
)

from eventlog.append import Command, conflict
from eventlog.recorded import DEFAULT_BOOK, NO_META, Meta, Recorded
from eventlog.subscription import HorizonSubscription

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventsourcing.persistence import ApplicationRecorder, Subscription


class MemoryHorizon:
    """Everything stored is readable at once: the horizon is the end of the list."""

    def __init__(self, recorder: MemoryRecorder) -> None:
        self._recorder = recorder

    @property
    def last(self) -> int:
        return self._recorder.max_notification_id() or 0

    def wait(self, after: int, timeout: float) -> int:
        with self._recorder.appended:
            self._recorder.appended.wait_for(lambda: self.last > after, timeout)
            return self.last

    def close(self) -> None:
        """Nothing to close."""


class MemoryRecorder(ProcessRecorder):
    """Keeps rows in a list. Thread-safe; `clock` stamps `recorded_at`."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._rows: list[Recorded] = []
        self._streams: dict[UUID | str, dict[int, Recorded]] = {}
        self._tracking: dict[str, int] = {}
        self.appended = threading.Condition(threading.RLock())
        self.horizon = MemoryHorizon(self)

    def close(self) -> None:
        """Nothing to close: the rows go with the object."""

    def insert_events(  # type: ignore[override]  # names what the library leaves to **kwargs
        self,
        stored_events: Sequence[StoredEvent],
        tracking: Tracking | None = None,
        *,
        book: int = DEFAULT_BOOK,
        meta: Meta | Sequence[Meta] = NO_META,
    ) -> Sequence[int] | None:
        """As PostgresRecorder.insert_events: all or nothing, IntegrityError on a taken version."""
        command = Command(stored_events, book, meta)
        metas = [meta] * len(stored_events) if isinstance(meta, Meta) else meta
        with self.appended:
            keys = [(event.originator_id, event.originator_version) for event in stored_events]
            if len(set(keys)) < len(keys) or any(v in self._streams.get(s, {}) for s, v in keys):
                raise conflict(command)
            if tracking is not None:
                self.insert_tracking(tracking)
            first = len(self._rows) + 1
            for position, (event, why) in enumerate(zip(stored_events, metas, strict=True), first):
                row = _row(position, book, event, self._clock(), why)
                self._rows.append(row)
                self._streams.setdefault(event.originator_id, {})[event.originator_version] = row
            self.appended.notify_all()
            return list(range(first, first + len(stored_events)))

    def insert_tracking(self, tracking: Tracking) -> None:
        """As PostgresRecorder.insert_tracking: only forward."""
        with self.appended:
            if self._tracking.get(tracking.application_name, -1) >= tracking.notification_id:
                message = f"Tracking {tracking.application_name} has already reached {tracking.notification_id}."
                raise IntegrityError(message)
            self._tracking[tracking.application_name] = tracking.notification_id

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of one stream by version."""
        with self.appended:
            rows = self._streams.get(originator_id, {})
            versions = sorted((v for v in rows if (gt is None or v > gt) and (lte is None or v <= lte)), reverse=desc)
            chosen = [rows[v] for v in versions[:limit]]
        return [StoredEvent(row.stream_id, row.version, row.topic, row.state) for row in chosen]

    def read(
        self,
        after: int,
        limit: int,
        *,
        topics: Sequence[str] = (),
        books: Sequence[int] = (),
        until: int | None = None,
    ) -> list[Recorded]:
        """The next rows of the log in order."""
        with self.appended:
            rows = self._rows[after:until]
        return [r for r in rows if (not topics or r.topic in topics) and (not books or r.book in books)][:limit]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The library's view of the log."""
        after = (start or 0) - (1 if inclusive_of_start else 0)
        rows = self.read(max(after, 0), limit, topics=topics, until=stop)
        return [Notification(r.stream_id, r.version, r.topic, r.state, r.position) for r in rows]

    def max_notification_id(self) -> int | None:
        """The last position, None in an empty log."""
        return len(self._rows) or None

    def max_tracking_id(self, application_name: str) -> int | None:
        """How far a consumer has got."""
        return self._tracking.get(application_name)

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """The library's blocking iterator."""
        return HorizonSubscription(self, self.horizon, gt, topics)


def _row(position: int, book: int, event: StoredEvent, at: datetime, meta: Meta) -> Recorded:
    why: dict[str, Any] = msgspec.to_builtins(meta)
    stream_id = event.originator_id if isinstance(event.originator_id, UUID) else UUID(event.originator_id)
    return Recorded(position, book, stream_id, event.originator_version, event.topic, at, why, event.state)
