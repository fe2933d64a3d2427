"""Moments as the books keep them: text in UTC with microseconds always written, so that text sorts as time does."""

from __future__ import annotations

from datetime import UTC, date, datetime, time


def written(moment: datetime) -> str:
    """As it is stored and shown."""
    return moment.isoformat(timespec="microseconds")


def read(text: str) -> datetime:
    """What `written` wrote."""
    return datetime.fromisoformat(text)


def midnight(day: date) -> datetime:
    """The moment a day begins: days are those of UTC everywhere in the simulator."""
    return datetime.combine(day, time.min, UTC)
