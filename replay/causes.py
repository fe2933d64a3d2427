"""Finds the events behind rows that differ: those that touch the row, by the code of either build, and among them the
decisive ones, which the two versions of the code fold differently."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from eventlog.follower import LogReader
from eventlog.recorded import Recorded
from projections.view import Fact, Key, Row, Rows, View
from replay.compare import Cause, Comparison, Difference

PAGE_EVENTS = 10_000
PAGE_STREAMS = 500
CAUSES_KEPT = 50
"""Events of each kind that are named per row; `cause_count` and `decisive_count` say how many there are."""


def add_causes(
    comparison: Comparison,
    views: Sequence[View],
    reader: LogReader,
    decode: Callable[[Recorded], Any],
    read_streams: Callable[[list[UUID], list[str], int], list[Recorded]],
) -> None:
    """Gives each kept difference its events, and the comparison the time of the first decisive one of them all; for a
    row without any, as when somebody has changed it by hand, the first that touched it counts.

    Where each row comes from one stream only those streams are read; else the log is, once.
    """
    wanted = {difference.key: difference for difference in comparison.differences}
    if not wanted:
        return
    newest, noting = views[-1], _Noting(wanted, views, decode)
    topics = sorted({topic for view in views for topic in view.topics})
    if newest.stream_column is not None:
        place = newest.key.index(newest.stream_column)
        streams = sorted({key[place] for key in wanted})
        for start in range(0, len(streams), PAGE_STREAMS):
            noting.note(read_streams(streams[start : start + PAGE_STREAMS], topics, comparison.position))
    else:
        after = 0
        while rows := reader.read(after, PAGE_EVENTS, topics=topics, until=comparison.position):
            noting.note(rows)
            after = rows[-1].position
    firsts = [(one.decisive or one.causes)[:1] for one in comparison.differences]
    comparison.since_rows = len(firsts)
    comparison.since = min((cause.recorded_at for first in firsts for cause in first), default=None)


class _Noting:
    """Folds the rows that differ once more by both versions, event by event, and notes what each event does to them."""

    def __init__(self, wanted: dict[Key, Difference], views: Sequence[View], decode: Callable[[Recorded], Any]) -> None:
        self._wanted, self._decode = wanted, decode
        self._twins = [_Twin(view, wanted.keys()) for view in views]
        self._gaps: dict[Key, dict[str, Any]] = {}

    def note(self, rows: Sequence[Recorded]) -> None:
        """Events of a row come in order; those of other rows may come between or before."""
        for row in rows:
            try:
                fact = Fact.of(row, self._decode(row))
            except Exception:  # noqa: BLE001, S112 - whatever a damaged row raises, it explains nothing
                continue
            touched: set[Key] = set().union(*(twin.take(fact, row.topic) for twin in self._twins))
            for key in touched:
                self._note(self._wanted[key], Cause(row.position, row.topic, row.recorded_at))

    def _note(self, difference: Difference, cause: Cause) -> None:
        difference.cause_count += 1
        difference.last_cause = cause.position
        if len(difference.causes) < CAUSES_KEPT:
            difference.causes.append(cause)
        if len(self._twins) == 1:  # one side is rows without code, of which nothing can be folded
            return
        gap = _gap(*(twin.row(difference.key) for twin in self._twins))
        if gap != self._gaps.get(difference.key, {}):
            self._gaps[difference.key] = gap
            difference.decisive_count += 1
            if len(difference.decisive) < CAUSES_KEPT:
                difference.decisive.append(cause)


class _Twin:
    """Some rows of a view, folded by its code in memory."""

    def __init__(self, view: View, wanted: Collection[Key]) -> None:
        self._view, self._wanted = view, wanted
        self._topics = frozenset(view.topics)
        self._rows: Rows = {}

    def take(self, fact: Fact, topic: str) -> set[Key]:
        """Folds the fact if the view wants it; answers which of the wanted rows it touches.

        Rows that nobody wants here are not kept, so they are None to every event that touches them too. What the view
        cannot take leaves its rows as they were: such an event touches, and is not decisive.
        """
        if topic not in self._topics:
            return set()
        touched: set[Key] = set()
        try:
            keys = set(self._view.keys(fact))
            touched = {key for key in keys if key in self._wanted}
            if not keys or touched:
                rows: Rows = {key: None if (row := self._rows.get(key)) is None else dict(row) for key in keys}
                self._view.fold(rows, fact)
                touched = touched or {key for key in rows if key in self._wanted}
                self._rows |= {key: self._view.written(row) if (row := rows.get(key)) else None for key in touched}
        except Exception:  # noqa: BLE001 - a view may fail in any way; the event explains nothing then
            return touched
        return touched

    def row(self, key: Key) -> Row:
        """The row as far as it is folded; empty where there is none."""
        return self._rows.get(key) or {}


def _gap(one: Row, other: Row) -> dict[str, Any]:
    """By column in which two rows differ, how far apart they are: numbers by their difference, all else by both."""
    gap: dict[str, Any] = {}
    for column in one.keys() | other.keys():
        before, after = one.get(column), other.get(column)
        if isinstance(before, int) and isinstance(after, int):
            gap[column] = after - before
        elif before != after and not _same_text(before, after):
            gap[column] = before, after
    return {column: apart for column, apart in gap.items() if apart != 0}


def _same_text(before: Any, after: Any) -> bool:
    """Whether two values differ in nothing but the type that each version gives its column."""
    return None not in (before, after) and type(before) is not type(after) and str(before) == str(after)
