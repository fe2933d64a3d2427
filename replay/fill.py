"""Fills one part of a build: reads the part's events once, folds them in memory, writes rows and checkpoint together.

A batch is what lies between two checkpoints: all that a killed worker has to do again. Memory is bounded by the rows a
batch may change and by the rows that are remembered from batches before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from eventlog.recorded import Recorded
from projections.view import Fact, Key, Rows, View
from replay import parked, tables
from replay.builds import Build

PAGE_EVENTS = 20_000
LATEST_PAGE_EVENTS = 200_000
"""Where the server leaves out what is superseded, a page covers more and still holds few rows."""
BATCH_EVENTS = 500_000
BATCH_ROWS = 50_000
KNOWN_ROWS = 50_000
_COLUMNS = "e.position, e.book, e.stream_id, e.version, e.topic, e.recorded_at, e.state"
_RANGE = "e.position > %(after)s and e.position <= %(until)s and e.topic = any(%(topics)s)"
# The hash and not the id itself: ids of streams are hashes of names, but nothing promises that for their low bits.
_PART = " and (uuid_hash(e.stream_id) & 2147483647) %% %(parts)s = %(part)s"
READ = f"select {_COLUMNS} from log.events e where {_RANGE}{{part}} order by e.position limit %(limit)s"
# Of the events that supersede each other only the last of each stream leaves the server: 20 times fewer, where wallets
# are busy. Its first two columns say how many events the page is about and where it ends.
READ_LATEST = f"""
with page as materialized (
    select e.position, e.stream_id, e.topic = any(%(supersedes)s) as superseded from log.events e
     where {_RANGE}{{part}} order by e.position limit %(limit)s
), wanted as (
    select position from page where not superseded
    union all select max(position) from page where superseded group by stream_id
)
select (select count(*) from page), (select max(position) from page), {_COLUMNS}
  from wanted w join log.events e on e.position = w.position order by e.position
"""
READ_STREAMS = f"""
select s.* from unnest(%(streams)s::uuid[]) u(id)
 cross join lateral (select {_COLUMNS} from log.events e where e.stream_id = u.id and {_RANGE}) s
 order by s.position limit %(limit)s
"""
STANDING = "select position, events from views.replay_parts where replay_id = %s and part = %s for update"
ADVANCE = """
update views.replay_parts set position = %s, events = events + %s, updated_at = clock_timestamp()
 where replay_id = %s and part = %s and position = %s
"""
HELD = "select stream_id, min(position) from views.parked where view = %s and build = %s group by stream_id"


class _Page(NamedTuple):
    """`events` were read up to the position `reached`; `rows` are those of them that are to be folded."""

    events: int
    reached: int
    rows: list[tuple[Any, ...]]


class EventRefused(Exception):
    """The view cannot take the event at `position`: the message names it and what was wrong. Nothing of its batch was
    written."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message, position)
        self.position = position

    def __str__(self) -> str:
        return str(self.args[0])


class _Refused(EventRefused):
    """With the row, for the worker that may set its stream aside."""

    def __init__(self, view: View, row: Recorded, problem: Exception) -> None:
        self.row = row
        self.reason = str(problem) or type(problem).__name__
        super().__init__(
            f"view {view.name} cannot take {row.topic} at position {row.position}, version {row.version} of stream"
            f" {row.stream_id}: {self.reason}; correct the view, or rebuild with --park to set such streams aside",
            row.position,
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


class FillOptions(NamedTuple):
    """`park` sets streams aside that the view cannot take, instead of failing; a batch is what lies between two
    checkpoints, a page what is read at once."""

    park: bool = False
    batch_events: int = BATCH_EVENTS
    page_events: int = PAGE_EVENTS


class PartFill:
    """Fills a part up to a position. `read` and `write` are two sessions, so that reading goes on while rows are
    folded and written."""

    def __init__(
        self,
        read: psycopg.Connection[Any],
        write: psycopg.Connection[Any],
        part: Part,
        decode: Callable[[Recorded], Any],
        options: FillOptions,
    ) -> None:
        self._read, self._write = read, write
        self._part, self._build, self._view = part, part.build, part.build.view
        self._decode = decode
        self._park, self._batch_events, largest = options
        if self._view.supersedes:
            largest = largest * LATEST_PAGE_EVENTS // PAGE_EVENTS
        self._page_events = min(largest, self._batch_events)
        self._rows: Rows = {}
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
            self._fold(page.rows)
            events += page.events
            after = page.reached
            if len(self._rows) >= BATCH_ROWS or events + self._page_events > self._batch_events:
                self._flush(start, after, events)
                return after, events
        self._flush(start, until, events)
        return until, events

    def _pages(self, after: int, until: int) -> Iterator[_Page]:
        """Pages in order of position, the next one fetched while the last is folded."""
        with ThreadPoolExecutor(1, thread_name_prefix="replay-read") as reader:
            coming = reader.submit(self._page, after, until)
            while (page := coming.result()).events:
                more = page.events == self._page_events
                if more:
                    coming = reader.submit(self._page, page.reached, until)
                yield page
                if not more:
                    return

    def _page(self, after: int, until: int) -> _Page:
        part, view = self._part, self._view
        parameters = {
            "after": after, "until": until, "topics": list(view.topics), "supersedes": list(view.supersedes),
            "limit": self._page_events, "parts": part.parts, "part": part.number,
            "streams": None if part.streams is None else list(part.streams),
        }  # fmt: skip
        latest = bool(view.supersedes) and part.streams is None and not self._held
        query = READ_STREAMS if part.streams is not None else READ_LATEST if latest else READ
        query = query.replace("{part}", _PART if part.parts > 1 else "")
        rows = self._read.execute(query, parameters, prepare=True, binary=True).fetchall()
        if not latest:
            return _Page(len(rows), rows[-1][0] if rows else after, rows)
        return _Page(rows[0][0], rows[0][1], [row[2:] for row in rows]) if rows else _Page(0, after, [])

    def _fold(self, page: list[tuple[Any, ...]]) -> None:
        view, rows = self._view, self._rows
        if self._held:
            page = [row for row in page if not self._set_aside(row)]
        facts = [self._fact(row) for row in page]
        self._bring(key for fact in facts for key in view.keys(fact))
        fold = view.fold
        for fact in facts:
            try:
                fold(rows, fact)
            except Exception as problem:
                raise _Refused(view, _recorded(page, fact.position), problem) from problem

    def _set_aside(self, row: tuple[Any, ...]) -> bool:
        first = self._held.get(row[2])
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
    return Recorded(position, book, stream_id, version, topic, recorded_at, {}, state)


def _recorded(page: list[tuple[Any, ...]], position: int) -> Recorded:
    return next(_as_recorded(row) for row in page if row[0] == position)
