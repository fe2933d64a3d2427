"""How far a book is closed, read from its stream: for those who are not the posting engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.period import Period, periods_stream_id

if TYPE_CHECKING:
    from eventlog.application import EventLog


def closings(log: EventLog, book: int, version: int | None = None) -> list[Period.Closed]:
    """The closings of a book, oldest first, all or up to a version; the last one says how far it is closed."""
    found: list[Any] = list(log.events.get(periods_stream_id(book), lte=version))
    return found
