"""Finds the events behind rows that differ: those that touch the row, by the code of either build."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from eventlog.follower import LogReader
from eventlog.recorded import Recorded
from projections.view import Fact, Key, View, touched
from replay.compare import Cause, Comparison, Difference

PAGE_EVENTS = 10_000
CAUSES_KEPT = 50
"""Events that are named per row; `cause_count` says how many there are."""


def add_causes(
    comparison: Comparison,
    views: Sequence[View],
    reader: LogReader,
    decode: Callable[[Recorded], Any],
    read_streams: Callable[[list[UUID], list[str], int], list[Recorded]],
) -> None:
    """Gives each kept difference its events, and the comparison the time of the first of them.

    Where each row comes from one stream only those streams are read; else the log is, once.
    """
    wanted = {difference.key: difference for difference in comparison.differences}
    if not wanted:
        return
    newest = views[-1]
    topics = sorted({topic for view in views for topic in view.topics})
    if newest.stream_column is not None:
        place = newest.key.index(newest.stream_column)
        streams = sorted({key[place] for key in wanted})
        for start in range(0, len(streams), 500):
            rows = read_streams(streams[start : start + 500], topics, comparison.position)
            _note(rows, wanted, views, decode)
    else:
        after = 0
        while rows := reader.read(after, PAGE_EVENTS, topics=topics, until=comparison.position):
            _note(rows, wanted, views, decode)
            after = rows[-1].position
    times = [cause.recorded_at for difference in comparison.differences for cause in difference.causes[:1]]
    comparison.since = min(times, default=None)


def _note(
    rows: Sequence[Recorded],
    wanted: dict[Key, Difference],
    views: Sequence[View],
    decode: Callable[[Recorded], Any],
) -> None:
    for row in rows:
        for key in _touched(row, views, decode):
            difference = wanted.get(key)
            if difference is None:
                continue
            difference.cause_count += 1
            difference.last_cause = row.position
            if len(difference.causes) < CAUSES_KEPT:
                difference.causes.append(Cause(row.position, row.topic, row.recorded_at))


def _touched(row: Recorded, views: Sequence[View], decode: Callable[[Recorded], Any]) -> set[Key]:
    """Rows of either build that the event touches; an event that a view cannot take is behind no row of its."""
    keys: set[Key] = set()
    for view in views:
        if row.topic not in view.topics:
            continue
        try:
            fact = Fact(row.position, row.book, row.stream_id, row.version, row.recorded_at, decode(row))
            keys |= touched(view, fact)
        except Exception:  # noqa: BLE001, S112 - whatever a view or a damaged row raises, it explains nothing
            continue
    return keys
