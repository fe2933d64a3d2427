"""Follows the log from a position on, in order, without missing, doubling or inverting an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventlog.horizon import Horizon
    from eventlog.recorded import Recorded

BATCH_EVENTS = 2_000


class LogReader(Protocol):
    """Both recorders read the same way."""

    def read(
        self,
        after: int,
        limit: int,
        *,
        topics: Sequence[str] = (),
        books: Sequence[int] = (),
        until: int | None = None,
    ) -> list[Recorded]: ...

    def max_notification_id(self) -> int | None: ...


class Follower:
    """A cursor over the log. `position` is what has been delivered: the last row, or, when a filter let nothing
    through, the last readable event that was passed over. Never the horizon: after a crash the horizon can step back.
    """

    def __init__(
        self,
        reader: LogReader,
        horizon: Horizon,
        after: int = 0,
        *,
        topics: Sequence[str] = (),
        books: Sequence[int] = (),
        limit: int = BATCH_EVENTS,
    ) -> None:
        self._reader = reader
        self._horizon = horizon
        self._topics = list(topics)
        self._books = list(books)
        self._limit = limit
        self.position = after

    def next_batch(self, timeout: float = 1.0) -> list[Recorded]:
        """The next events, at most `limit`; empty when `timeout` seconds brought none that pass the filters.

        Raises LogUnavailable when the log cannot be read; the position is unchanged then, so calling again is safe.
        """
        last = self._horizon.wait(self.position, timeout)
        if last <= self.position:
            return []
        # `last` was readable to an earlier snapshot; this statement's snapshot is younger, so the bound is safe.
        rows = self._reader.read(self.position, self._limit, topics=self._topics, books=self._books, until=last)
        self.position = rows[-1].position if len(rows) == self._limit else last
        return rows

    def skip(self) -> None:
        """Pass over what is readable now, for a consumer that looks at the present itself and wants what follows."""
        self.position = max(self.position, self._horizon.last)
