"""One pass over the log for all that is asked: each event is decoded once and given to those that want its topic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, Protocol

from eventlog.follower import LogReader
from eventlog.recorded import Recorded
from projections.view import Fact
from replay.compare import Cause
from replay.fill import EventRefused
from replay.what_if.changes import said

PAGE_EVENTS = 10_000
CAUSES_KEPT = 50
"""Events that are named per account or seller; how many there are is counted."""


class Told(NamedTuple):
    """An event with its topic."""

    topic: str
    fact: Fact

    @property
    def cause(self) -> Cause:
        """The event as it is named behind a difference."""
        return Cause(self.fact.position, self.topic, self.fact.recorded_at)


class Listener(Protocol):
    """Something that is asked about history. `take` raises EventRefused for what it cannot take."""

    @property
    def topics(self) -> Collection[str]: ...

    def take(self, page: Sequence[Told]) -> None: ...


def tell(
    reader: LogReader, decode: Callable[[Recorded], Any], listeners: Sequence[Listener], until: int, after: int = 0
) -> int:
    """Gives every event behind `after` up to `until` to those who want it, in order; answers how many there were.

    Raises EventRefused, naming the event, for one that cannot be read or taken.
    """
    topics = sorted({topic for listener in listeners for topic in listener.topics})
    events = 0
    while after < until and (rows := reader.read(after, PAGE_EVENTS, topics=topics, until=until)):
        page = [Told(row.topic, _fact(row, decode)) for row in rows]
        for listener in listeners:
            listener.take([told for told in page if told.topic in listener.topics])
        after, events = rows[-1].position, events + len(rows)
    return events


def refused(who: str, told: Told, problem: BaseException) -> EventRefused:
    """What to raise when somebody's code cannot take an event."""
    fact = told.fact
    return EventRefused(
        f"{who} cannot take {told.topic} at position {fact.position}, version {fact.version} of stream"
        f" {fact.stream_id}: {said(problem)}"
    )


def _fact(row: Recorded, decode: Callable[[Recorded], Any]) -> Fact:
    try:
        return Fact.of(row, decode(row))
    except Exception as problem:
        raise EventRefused(f"{row.topic} at position {row.position} cannot be read: {problem}") from problem
