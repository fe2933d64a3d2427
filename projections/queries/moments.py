"""When a question is about: a position or a time that has passed, and ranges of effective time.

A time becomes a position by the marks of the log, once and for all: at the mark every event up to its position was
readable. A position stands for all that was committed together with it. An effective range is whole days, which
`wallet_days` has summed up, and the entries of the days it cuts.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, NamedTuple
from uuid import UUID

from domain.errors import RuleViolation
from projections.queries.reading import Reader

# What was committed together was known together: positions of one commit differ in their last 20 bits alone.
LAST = """
select coalesce(max(position), 0) as last,
       (select max(position) from log.events where position >= %(at)s and position <= %(at)s | 1048575) as together
  from log.events
"""
MARKED = """
select %(at)s <= clock_timestamp() as passed,
       (select position from log.time_marks where marked_at <= %(at)s order by marked_at desc limit 1) as last
"""
# Nothing that is at or before such a position is still to come; a stream's positions rise with its versions.
SETTLED = "select %s < log.horizon() as settled"
VERSION = "select coalesce(max(version), 0) as version from log.events where stream_id = %s and position <= %s"
APART = "the views that this needs stand at different positions for the moment; ask again"
_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


class MomentNotReached(RuleViolation):
    """What will be known at a later position, or time, nobody can say yet."""

    code: ClassVar[str] = "moment_not_reached"


class RangeReversed(RuleViolation):
    """A range ends after it begins."""

    code: ClassVar[str] = "range_reversed"


class Span(NamedTuple):
    """Effective time from `start` up to and not including `end`; None stands for no bound.

    Of the days in it, `first` up to and not including `last` are whole (when `first < last`). `head` is where the first
    whole day begins, `tail` where the last one ends; both are `end` when no day is whole.
    """

    start: datetime
    end: datetime
    first: date
    last: date
    head: datetime
    tail: datetime


def span(start: datetime | None, end: datetime | None) -> Span:
    """The range and the whole days in it. Raises RangeReversed."""
    begins, ends = start or _EARLIEST, end or _LATEST
    if begins > ends:
        raise RangeReversed("to: lies before from; a range ends after it begins", "to")
    first, last = _day_on(begins), ends.astimezone(UTC).date()
    if first < last:
        return Span(begins, ends, first, last, _midnight(first), ends if end is None else _midnight(last))
    return Span(begins, ends, last, last, ends, ends)


def up_to(moment: datetime) -> Span:
    """Everything that was true by `moment`, itself included."""
    return span(None, moment if moment >= _LATEST else moment + _MICROSECOND)


def _day_on(moment: datetime) -> date:
    """The first day that begins at this moment or after it."""
    utc = moment.astimezone(UTC)
    day = utc.date()
    return day if utc == _midnight(day) else day + _DAY


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


class MomentQueries(Reader):
    """Turns what callers name into positions, and knows when views can be asked together."""

    def position_as_of(self, as_of: int | datetime, field: str = "as_of") -> int:
        """The last position known at a time, or of what was committed together with a position: nobody ever saw the one
        without the other. Raises MomentNotReached for the future."""
        if isinstance(as_of, datetime):
            (found,) = self.rows(MARKED, {"at": as_of})
            if not found["passed"]:
                raise MomentNotReached(f"{field}: {as_of.isoformat()} is in the future", field)
            return int(found["last"] or 0)
        (found,) = self.rows(LAST, {"at": as_of})
        if as_of > found["last"]:
            raise MomentNotReached(f"{field}: the log has come to position {found['last']}, not yet to {as_of}", field)
        return int(found["together"] or as_of)

    def settled(self, position: int) -> bool:
        """Whether all that will ever stand up to a position can be read; it can within moments of being written."""
        return bool(self.rows(SETTLED, [position])[0]["settled"])

    def version_as_of(self, stream_id: UUID, position: int) -> int:
        """The version that a stream had come to at a position; 0 before there was anything of it."""
        return int(self.rows(VERSION, [stream_id, position])[0]["version"])
