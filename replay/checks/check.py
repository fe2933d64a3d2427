"""What a check is: which events it wants to see, and what it finds wrong in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Protocol
from uuid import UUID

import msgspec

from eventlog.recorded import Recorded
from eventlog.snapshots import WalletSnapshot
from replay.checks.live_builds import LiveBuild

Value = int | str | None
"""What was expected or found: an amount in minor units, or words."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong: what, where, and what should be there. Amounts are minor units, + for a debit.

    `position` is the event to look at, None where an event is missing altogether and nothing points at its place.
    """

    problem: str
    position: int | None = None
    book: int | None = None
    stream_id: UUID | None = None
    topic: str | None = None
    reference: str | None = None
    expected: Value = None
    found: Value = None


class Seen(NamedTuple):
    """A row of the log with its event; `event` is None where the row could not be decoded, `problem` says why."""

    row: Recorded
    event: Any
    problem: str = ""


def _no_stream(_stream_id: UUID) -> Sequence[Any]:
    return ()


@dataclass(frozen=True)
class Scope:
    """What a pass is about, and what a check may know beside the events that it sees.

    `end` is the last position that is looked at. `engine` has, by book, how far the posting engine had read facts when
    the pass began: a fact beyond it is not posted yet, and not missing. `live` is where the views stood then. `stream`
    reads all events of one stream, also those beyond `end`: for a check that has let go of something, or doubts it.
    `database_url` is None where there are no tables, only events; `now` is the database's clock, None where there is
    none.
    """

    end: int
    engine: Mapping[int, int] = field(default_factory=dict)
    snapshots: Sequence[WalletSnapshot] = ()
    live: Sequence[LiveBuild] = ()
    stream: Callable[[UUID], Sequence[Any]] = _no_stream
    database_url: str | None = None
    now: datetime | None = None


class Check(Protocol):
    """One pass of one check over the log, in order. State is kept small: per wallet, or until a posting is complete."""

    name: ClassVar[str]
    meaning: ClassVar[str]
    """What holds in sound books, as a sentence."""
    advice: ClassVar[str]
    """What to do about a finding."""
    topics: ClassVar[tuple[str, ...]]
    """The events it wants to see; empty for every row, those that cannot be decoded too."""
    whole: ClassVar[bool]
    """Whether it says something only about the whole log as it is now: neither one book nor an earlier position."""

    def __init__(self, scope: Scope) -> None: ...

    def see(self, seen: Seen) -> Iterable[Finding]:
        """What is wrong with this event, given those before it. Called in the order of the log."""
        ...

    def end(self) -> Iterable[Finding]:
        """What is wrong once the last event was seen: usually what is missing."""
        ...

    def close(self) -> None:
        """Give back what was opened; called however the pass ends."""
        ...


class PlainCheck:
    """What most checks need not say: they look at events alone, of any part of the log, and have nothing to close."""

    whole: ClassVar[bool] = False

    def __init__(self, scope: Scope) -> None:
        """Needs nothing beside the events."""

    def end(self) -> Iterable[Finding]:
        """Nothing is left over."""
        return ()

    def close(self) -> None:
        """Nothing was opened."""


class Place(NamedTuple):
    """Where something was said, kept until the rest of it comes."""

    position: int
    book: int
    stream_id: UUID
    topic: str
    reference: str | None


def place(seen: Seen) -> Place:
    """Where this event is, with its reference where it has one."""
    row = seen.row
    return Place(row.position, row.book, row.stream_id, row.topic, getattr(seen.event, "reference", None))


def finding(where: Seen | Place, problem: str, *, expected: Value = None, found: Value = None) -> Finding:
    """A finding at an event."""
    at = where if isinstance(where, Place) else place(where)
    return Finding(problem, at.position, at.book, at.stream_id, at.topic, at.reference, expected, found)
