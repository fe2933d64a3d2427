"""Fills one part of a build: reads the part's events once, folds them in memory, writes rows and checkpoint together.

A batch is what lies between two checkpoints: all that a killed worker has to do again. Memory is bounded by the rows a
batch may change and by the rows that are remembered from batches before. Where a batch fails, the event to blame is
found by halves, page by page: all before it could be folded and written, and it could not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg

from eventlog.recorded import Recorded
from projections.view import Fact, Key, Rows, View
from replay import parked, tables
from replay.pages import Page, Pages
from replay.part import FillOptions, Part

BATCH_ROWS = 20_000
KNOWN_ROWS = 50_000
STANDING = "select position, events from views.replay_parts where replay_id = %s and part = %s for update"
ADVANCE = """
update views.replay_parts set position = %s, events = events + %s, updated_at = clock_timestamp()
 where replay_id = %s and part = %s and position = %s
"""


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


class _Unfit(Exception):
    """Rows cannot be found, or written, as the view wants them; one of the events that were folded is to blame."""

    def __init__(self, problem: Exception) -> None:
        super().__init__(str(problem))
        self.problem = problem


class PartGone(Exception):
    """The replay was given up, or somebody else fills this part, while it was being filled."""


class PartFill:
    """Fills a part up to a position. `pages` has a session of its own and not `write`, so that reading goes on while
    rows are folded and written."""

    def __init__(
        self,
        pages: Pages,
        write: psycopg.Connection[Any],
        part: Part,
        decode: Callable[[Recorded], Any],
        options: FillOptions,
    ) -> None:
        self._source, self._write = pages, write
        self._part, self._build, self._view = part, part.build, part.build.view
        self._decode = decode
        self._park, self._batch_events = options.park, options.batch_events
        self._rows: Rows = {}
        self._known: Rows = {}
        self._all_known = False
        self._asks = False
        """Whether rows are ever looked for: a view that only adds some has none to be remembered."""
        self._careful_to = 0
        self._held: dict[UUID, int] = {}
        self._given_up: frozenset[int] = frozenset()
        self._reasons: dict[UUID, str] = {}
        self._waiting: list[tuple[Recorded, str]] = []

    def run(self, until: int, alive: Callable[[], bool] = lambda: True) -> int:
        """Reads what lies between the part's checkpoint and `until`; answers how many events that was.

        Raises EventRefused (unless streams are parked), PartGone, and PartGone too when `alive` says no.
        """
        after, before = self._standing()
        self._all_known = after == 0 and before == 0
        self._held = parked.held(self._write, self._build)
        self._given_up = parked.given_up(self._write, self._build)
        total = 0
        while after < until:
            try:
                step = self._careful_page if after < self._careful_to else self._batch
                after, events = step(after, until, alive)
                total += events
            except _Unfit:
                self._forget()
            except _Refused as refused:
                if not self._park:
                    raise
                self._forget()
                self._held[refused.row.stream_id] = refused.row.position
                self._reasons[refused.row.stream_id] = refused.reason
        return total

    def _batch(self, after: int, until: int, alive: Callable[[], bool]) -> tuple[int, int]:
        """One checkpoint's worth: answers the new checkpoint and how many events it took."""
        start, events = after, 0
        try:
            for page in self._pages(after, until):
                _go_on(alive)
                after, events = page.reached, events + page.events
                self._fold(self._wanted(page.rows))
                if len(self._rows) >= BATCH_ROWS or events + self._source.limit > self._batch_events:
                    break
            self._flush(start, after, events)
        except _Unfit:
            self._careful_to = after
            raise
        return after, events

    def _careful_page(self, after: int, until: int, alive: Callable[[], bool]) -> tuple[int, int]:
        """A page of a batch that has failed, by itself: answers as a batch does."""
        _go_on(alive)
        page = self._page(after, until)
        with self._write.transaction():
            self._in_halves(self._wanted(page.rows))
            self._flush(after, page.reached, page.events)
        return page.reached, page.events

    def _in_halves(self, rows: list[Recorded]) -> None:
        """Folds and writes; what fails, by halves, down to the event that is to blame."""
        try:
            with self._write.transaction():
                self._fold(rows)
                self._put()
        except _Unfit as unfit:
            if len(rows) == 1:
                raise _Refused(self._view, rows[0], unfit.problem) from unfit.problem
            self._rows.clear()
            half = len(rows) // 2
            self._in_halves(rows[:half])
            self._in_halves(rows[half:])
        self._rows.clear()

    def _pages(self, after: int, until: int) -> Iterator[Page]:
        """Pages in order of position, the next one fetched while the last is folded."""
        with ThreadPoolExecutor(1, thread_name_prefix="replay-read") as reader:
            coming = reader.submit(self._page, after, until)
            while after < until:
                page = coming.result()
                after = page.reached
                if after < until:
                    coming = reader.submit(self._page, after, until)
                yield page

    def _page(self, after: int, until: int) -> Page:
        """Where streams are set aside, each of their events is to be parked; where an event is given up, the one before
        it counts; and where one is looked for that is to blame, it is the first."""
        every = bool(self._held) or after < self._careful_to or any(position > after for position in self._given_up)
        return self._source.page(after, until, every=every)

    def _wanted(self, page: list[Recorded]) -> list[Recorded]:
        if self._given_up:
            page = [row for row in page if row.position not in self._given_up]
        if self._held:
            page = [row for row in page if not self._set_aside(row)]
        return page

    def _fold(self, page: list[Recorded]) -> None:
        """Raises _Unfit for whatever may be an event's fault: keys that cannot be told or by which no row can be looked
        for, a fact that is not understood."""
        view, rows, fold = self._view, self._rows, self._view.fold
        try:
            facts = [Fact.of(row, self._decode(row)) for row in page]
            self._bring(key for fact in facts for key in view.keys(fact))
            for fact in facts:
                fold(rows, fact)
        except Exception as problem:
            if not _may_be_of_an_event(problem):
                raise
            raise _Unfit(problem) from problem

    def _set_aside(self, row: Recorded) -> bool:
        first = self._held.get(row.stream_id)
        if first is None or row.position < first:
            return False
        reason = self._reasons.get(row.stream_id) if row.position == first else None
        self._waiting.append((row, reason or parked.BEHIND))
        return True

    def _bring(self, keys: Iterator[Key]) -> None:
        """Has the rows of these keys at hand; asks the table only for what may be there and is not remembered."""
        rows, known = self._rows, self._known
        missing = []
        for key in keys:
            self._asks = True
            if key not in rows:
                rows[key] = known.pop(key, None)
                if rows[key] is None and not self._all_known:
                    missing.append(key)
        if missing:
            with self._write.transaction():
                rows.update(tables.load(self._write, self._build, missing))

    def _put(self) -> None:
        """Writes the rows; part of a transaction, which is of no use any more when it raises _Unfit."""
        try:
            tables.write(self._write, self._build, self._rows)
        except Exception as problem:
            if not _may_be_of_an_event(problem):
                raise
            raise _Unfit(problem) from problem

    def _flush(self, start: int, to: int, events: int) -> None:
        """Rows, parked events and checkpoint in one commit."""
        part = self._part
        with self._write.transaction():
            self._put()
            for row, reason in self._waiting:
                parked.park(self._write, self._build, row, reason)
            moved = self._write.execute(ADVANCE, [to, events, part.replay_id, part.number, start], prepare=True)
            if moved.rowcount == 0:
                raise PartGone(f"part {part.number} of replay {part.replay_id} is no longer at position {start}")
        self._waiting.clear()
        if self._asks:
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


def _go_on(alive: Callable[[], bool]) -> None:
    if not alive():
        raise PartGone("the process that coordinates the rebuild is gone")


def _may_be_of_an_event(problem: Exception) -> bool:
    """Whether values may be to blame. What the server says of anything else (no room, no table, no session) is true of
    every event, and is not put down to the one at hand; what the driver itself refuses has no code of the server."""
    if not isinstance(problem, psycopg.Error):
        return not isinstance(problem, MemoryError)
    values = isinstance(problem, psycopg.DataError | psycopg.IntegrityError)
    return values or (isinstance(problem, psycopg.ProgrammingError) and problem.sqlstate is None)
