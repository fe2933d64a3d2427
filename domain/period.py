"""Period: how far the books of a tenant are closed, so that what was reported stays what was booked."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, Final, cast
from uuid import UUID

from eventsourcing.domain import Aggregate
from eventsourcing.utils import get_topic

from domain.errors import RuleViolation
from domain.ids import stream_id

PERIODS_KEY: Final = "periods"
"""Key of the one stream of closings that a book has."""


class PeriodAlreadyClosed(RuleViolation):
    """Periods close in order and once: the day is closed already, or an earlier one is asked for."""

    code: ClassVar[str] = "period_already_closed"


class PeriodNotOver(RuleViolation):
    """A day is closed only when it is over (UTC): until then something may still happen on it."""

    code: ClassVar[str] = "period_not_over"


def closed_until(through: date) -> datetime:
    """The first open moment after the last closed day: midnight UTC of the next one."""
    return datetime.combine(through + timedelta(days=1), time.min, tzinfo=UTC)


def check_closable(through: date, closed_through: date | None, at: datetime) -> date:
    """Give the day back when the books can be closed through it at this moment.

    Raises `PeriodAlreadyClosed` and `PeriodNotOver`.
    """
    if closed_through is not None and through <= closed_through:
        message = f"through: the books are closed through {closed_through} already; name a later day"
        raise PeriodAlreadyClosed(message, "through")
    today = at.astimezone(UTC).date()
    if through >= today:
        raise PeriodNotOver(
            f"through: {through} is not over; at most the day before {today} (UTC) can be closed", "through"
        )
    return through


def periods_stream_id(book: int) -> UUID:
    """Id of the stream of a book's closings."""
    return stream_id(book, "period", PERIODS_KEY)


class Period(Aggregate):
    """All closings of one book: closed through a day, and through a later one after that, never back.

    A closed day takes no request; a fact that is late for it is posted on the first open moment.
    """

    TOPIC = "period"

    class Event(Aggregate.Event):
        """Anything that happens to the closings of a book."""

    class Closed(Event, Aggregate.Created):
        """Everything through this day (UTC) is closed. The first closing begins the stream, later ones go on with it.

        One class is both, hence every one of these events carries `originator_topic`.
        """

        TOPIC = "period.closed.v1"
        through: date

        def mutate(self, aggregate: Any) -> Any:
            """Begin the stream, or go on with it."""
            if aggregate is None:
                return super().mutate(None)
            return Aggregate.Event.mutate(cast(Any, self), aggregate)

        def apply(self, aggregate: Period) -> None:
            """The books are closed through here."""
            aggregate.through = self.through

    Created = Closed

    def __init__(self, through: date) -> None:
        self.through = through

    @property
    def closed_until(self) -> datetime:
        """The first open moment."""
        return closed_until(self.through)

    @classmethod
    def close_first(cls, *, book: int, through: date, at: datetime) -> Period:
        """Close the books for the first time, through a day that is over; raises `PeriodNotOver`."""
        day = check_closable(through, None, at)
        return cls._create(cls.Closed, id=periods_stream_id(book), timestamp=at, through=day)

    def close(self, *, through: date, at: datetime) -> None:
        """Close the books through a later day that is over; raises `PeriodAlreadyClosed`, `PeriodNotOver`."""
        day = check_closable(through, self.through, at)
        self.trigger_event(self.Closed, originator_topic=get_topic(Period), timestamp=at, through=day)
