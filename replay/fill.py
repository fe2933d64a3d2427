"""Fills one part of a build: reads the part's events once, folds them in memory, writes rows and checkpoint together.

A batch is what lies between two checkpoints: all that a killed worker has to do again. Memory is bounded by the rows a
batch may change and by the rows that are remembered from batches before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from eventlog.recorded import Recorded
from projections.view import Fact, Key, Rows, View
from replay import parked, tables
from replay.builds import Build

PAGE_EVENTS = 20_000
BATCH_EVENTS = 500_000
BATCH_ROWS = 50_000
KNOWN_ROWS = 50_000
# A stream's id as bytes: most rows of a view that supersedes are never looked at again, and making a UUID is the
# dearest part of reading one.
_COLUMNS = "position, book, uuid_send(stream_id), version, topic, recorded_at, state"
READ_ALL = f"""
select {_COLUMNS} from log.events
 where position > %b and position <= %b and topic = any(%b) order by position limit %b
"""
# The hash and not the id itself: ids of streams are hashes of names, but nothing promises that for their low bits.
READ_PART = f"""
select {_COLUMNS} from log.events
 where position > %b and position <= %b and topic = any(%b) and (uuid_hash(stream_id) & 2147483647) %% %b = %b
 order by position limit %b
"""
READ_STREAMS = f"""
select e.* from unnest(%b::uuid[]) u(id) cross join lateral (
  select {_COLUMNS} from log.events
   where stream_id = u.id and position > %b and position <= %b and topic = any(%b)
) e order by position limit %b
"""
STANDING = "select position, events from views.replay_parts where replay_id = %s and part = %s for update"
ADVANCE = """
update views.replay_parts set position = %s, events = events + %s, updated_at = clock_timestamp()
 where replay_id = %s and part = %s and position = %s
"""
HELD = "select stream_id, min(position) from views.parked where view = %s and build = %s group by stream_id"


class EventRefused(Exception):
    """The view cannot take an event: the message names it and what was wrong. Nothing of its batch was written."""


class _Refused(EventRefused):
    """With the row, for the worker that may set its stream aside."""

    def __init__(self, view: View, row: Recorded, problem: Exception) -> None:
        self.row = row
        self.reason = str(problem) or type(problem).__name__
        super().__init__(
            f"view {view.name} cannot take {row.topic} at position {row.position}, version {row.version} of stream"
            f" {row.stream_id}: {self.reason}; correct the view, or rebuild with --park to set such streams aside"
        )


class PartGone(Exception):
    """The replay was given up, or somebody else fills this part, while it was being filled."""


@dataclass(frozen=True)
class Part:
    """What one worker fills: the streams that hash to `number` of `parts`, or exactly `streams`. `build.relation` is
    the table of the part."""

    replay_id: UUID
    build: Build
    number: int
    parts: int
    streams: tuple[UUID, ...] | None = None


class PartFill:
    """Fills a part up to a position. `read` and `write` are two sessions, so that reading goes on while rows are
    folded and written."""

    def __init__(
        self,
        read: psycopg.Connection[Any],
        write: psycopg.Connection[Any],
        part: Part,
        decode: Callable[[Recorded], Any],
        *,
        park: bool = False,
        batch_events: int = BATCH_EVENTS,
        page_events: int = PAGE_EVENTS,
    ) -> None:
        self._read, self._write = read, write
        self._part, self._build, self._view = part, part.build, part.build.view
        self._decode = decode
        self._park = park
        self._batch_events, self._page_events = batch_events, min(page_events, batch_events)
        self._rows: Rows = {}
        self._supersedes = frozenset(self._view.supersedes)
        self._latest: dict[bytes, tuple[Any, ...]] = {}
        self._known: Rows = {}
        self._all_known = False
        self._held: dict[UUID, int] = {}
        self._reasons: dict[int, str] = {}
        self._waiting: list[tuple[Recorded, str]] = []

    def run(self, until: int, alive: Callable[[], bool] = lambda: True) -> int:
        """Reads what lies between the part's checkpoint and `until`; answers how many events that was.

        Raises EventRefused (unless streams are parked), PartGone, and PartGone too when `alive` says no.
        """
        after, before = self._standing()
        self._all_known = after == 0 and before == 0
        self._held = {} if self._all_known else dict(self._write.execute(HELD, [*self._build.key]).fetchall())
        total = 0
        while after < until:
            try:
                after, events = self._batch(after, until, alive)
                total += events
            except _Refused as refused:
                if not self._park:
                    raise
                self._forget()
                self._held[refused.row.stream_id] = refused.row.position
                self._reasons[refused.row.position] = refused.reason
        return total

    def _batch(self, after: int, until: int, alive: Callable[[], bool]) -> tuple[int, int]:
        """One checkpoint's worth: answers the new checkpoint and how many events it took."""
        start, events = after, 0
        for page in self._pages(after, until):
            if not alive():
                raise PartGone("the process that coordinates the rebuild is gone")
            self._fold(self._wanted(page))
            events += len(page)
            after = page[-1][0]
            full = len(self._rows) + len(self._latest) >= BATCH_ROWS
            if full or events + self._page_events > self._batch_events:
                self._flush(start, after, events)
                return after, events
        self._flush(start, until, events)
        return until, events

    def _pages(self, after: int, until: int) -> Iterator[list[tuple[Any, ...]]]:
        """Pages in order of position, the next one fetched while the last is folded."""
        with ThreadPoolExecutor(1, thread_name_prefix="replay-read") as reader:
            coming = reader.submit(self._page, after, until)
            while page := coming.result():
                if len(page) == self._page_events:
                    coming = reader.submit(self._page, page[-1][0], until)
                    yield page
                else:
                    yield page
                    return

    def _page(self, after: int, until: int) -> list[tuple[Any, ...]]:
        part, topics = self._part, list(self._view.topics)
        if part.streams is not None:
            query, parameters = READ_STREAMS, [list(part.streams), after, until, topics, self._page_events]
        elif part.parts > 1:
            query, parameters = READ_PART, [after, until, topics, part.parts, part.number, self._page_events]
        else:
            query, parameters = READ_ALL, [after, until, topics, self._page_events]
        return self._read.execute(query, parameters, prepare=True, binary=True).fetchall()

    def _fold(self, wanted: list[tuple[Any, ...]]) -> None:
        view, rows = self._view, self._rows
        facts = [self._fact(row) for row in wanted]
        self._bring(key for fact in facts for key in view.keys(fact))
        fold = view.fold
        for fact in facts:
            try:
                fold(rows, fact)
            except Exception as problem:
                raise _Refused(view, _recorded(wanted, fact.position), problem) from problem

    def _wanted(self, page: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows to fold now: without those of streams set aside, and without what a later row may supersede. The
        last such row of a stream waits until something else happens to the stream, or the batch ends."""
        if self._held:
            page = [row for row in page if not self._set_aside(row)]
        supersedes, latest = self._supersedes, self._latest
        if not supersedes:
            return page
        wanted = []
        for row in page:
            if row[4] in supersedes:
                latest[row[2]] = row
            else:
                earlier = latest.pop(row[2], None)
                if earlier is not None:
                    wanted.append(earlier)
                wanted.append(row)
        return wanted

    def _set_aside(self, row: tuple[Any, ...]) -> bool:
        first = self._held.get(UUID(bytes=row[2]))
        if first is None or row[0] < first:
            return False
        self._waiting.append((_as_recorded(row), self._reasons.get(row[0], parked.BEHIND)))
        return True

    def _fact(self, row: tuple[Any, ...]) -> Fact:
        recorded = _as_recorded(row)
        position, book, stream_id, version, _, recorded_at, _, _ = recorded
        try:
            return Fact(position, book, stream_id, version, recorded_at, self._decode(recorded))
        except Exception as problem:
            raise _Refused(self._view, recorded, problem) from problem

    def _bring(self, keys: Iterator[Key]) -> None:
        """Has the rows of these keys at hand; asks the table only for what may be there and is not remembered."""
        rows, known = self._rows, self._known
        missing = []
        for key in keys:
            if key not in rows:
                rows[key] = known.pop(key, None)
                if rows[key] is None and not self._all_known:
                    missing.append(key)
        if missing:
            rows.update(tables.load(self._write, self._build, missing))

    def _flush(self, start: int, to: int, events: int) -> None:
        """Rows, parked events and checkpoint in one commit."""
        part = self._part
        self._fold(list(self._latest.values()))
        self._latest.clear()
        with self._write.transaction():
            tables.write(self._write, self._build, self._rows)
            for row, reason in self._waiting:
                parked.park(self._write, self._build, row, reason)
            moved = self._write.execute(ADVANCE, [to, events, part.replay_id, part.number, start], prepare=True)
            if moved.rowcount == 0:
                raise PartGone(f"part {part.number} of replay {part.replay_id} is no longer at position {start}")
        self._waiting.clear()
        self._known.update((key, row) for key, row in self._rows.items() if row is not None)
        self._rows.clear()
        if len(self._known) > KNOWN_ROWS:
            self._known.clear()
            self._all_known = False

    def _forget(self) -> None:
        """Begin the batch again from what is written."""
        self._rows.clear()
        self._latest.clear()
        self._known.clear()
        self._waiting.clear()
        self._all_known = False

    def _standing(self) -> tuple[int, int]:
        row = self._write.execute(STANDING, [self._part.replay_id, self._part.number]).fetchone()
        if row is None:
            raise PartGone(f"replay {self._part.replay_id} was given up")
        return int(row[0]), int(row[1])


def _as_recorded(row: Sequence[Any]) -> Recorded:
    position, book, stream_id, version, topic, recorded_at, state = row
    return Recorded(position, book, UUID(bytes=stream_id), version, topic, recorded_at, {}, state)


def _recorded(page: list[tuple[Any, ...]], position: int) -> Recorded:
    return next(_as_recorded(row) for row in page if row[0] == position)
