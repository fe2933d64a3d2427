"""Fills views: reads the log once, decodes once, folds into every view, and writes rows and checkpoint together.

One transaction holds a batch's rows and its checkpoint, and begins by locking the build's row: a second machine waits
and then sees that the work is done. What fails is found by going event by event; then the view's policy decides.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import structlog

from eventlog.connections import connect
from eventlog.follower import Follower, LogReader
from eventlog.horizon import Horizon
from eventlog.recorded import Recorded
from projections.view import Fact, View, table
from replay import parked, tables

BATCH_EVENTS = 2_000
# A batch costs a fixed number of statements whatever it holds: while events trickle in, they are gathered for so long.
GATHER_SECONDS = 0.1
ENSURE = """
insert into views.builds (view, version, state, policy, code_version) values (%s, %s, 'live', %s, %s)
on conflict (view, version) do update set policy = excluded.policy
"""
LOCK = """
select b.view, b.position from views.builds b join unnest(%s::text[], %s::int[]) u(view, version) using (view, version)
 order by b.view for update of b
"""
ADVANCE = """
update views.builds b set position = %s, updated_at = clock_timestamp()
  from unnest(%s::text[], %s::int[]) u(view, version)
 where b.view = u.view and b.version = u.version and b.position < %s
"""
POSITIONS = "select view, version, position from views.builds where state = 'live'"
RESET = "update views.builds set position = 0 where view = %s and version = %s"

log = structlog.get_logger()


class ViewStopped(Exception):
    """A view whose policy is `stop` met an event it cannot take. Nothing of the event was written: fix the view, or
    give it the policy `park`, and start again."""


class Decoded(NamedTuple):
    """A row of the log with its fact; `fact` is None where the row could not be decoded, `problem` says why."""

    row: Recorded
    fact: Fact | None
    problem: str


class ViewMachine:
    """Runs the live builds of some views. `decode` turns a row of the log into its domain event."""

    def __init__(
        self,
        database_url: str,
        reader: LogReader,
        horizon: Horizon,
        decode: Callable[[Recorded], Any],
        views: Sequence[View],
        *,
        policy: str = "park",
        batch_events: int = BATCH_EVENTS,
        code_version: str = "",
    ) -> None:
        self._url = database_url
        self._reader = reader
        self._horizon = horizon
        self._decode = decode
        self._views = list(views)
        self._policy = policy
        self._batch_events = batch_events
        self._code_version = code_version
        self._connection: psycopg.Connection[Any] | None = None

    def run(self, stop: threading.Event) -> None:
        """Works until told to stop; comes back after a lost connection. Raises ViewStopped."""
        while not stop.is_set():
            try:
                if self.run_once(timeout=0.5) < self._batch_events:
                    stop.wait(GATHER_SECONDS)
            except psycopg.OperationalError as problem:
                log.warning("views lost their connection", problem=str(problem))
                self.close()
                stop.wait(0.25)
        self.close()

    def run_once(self, timeout: float = 0.0) -> int:
        """One batch for the views that are furthest behind; answers how many events it read."""
        connection = self._connected()
        positions = self._positions(connection)
        after = min(positions.values())
        behind = [view for view in self._views if positions[view.name] == after]
        ahead = [position for position in positions.values() if position > after]
        topics = sorted({topic for view in behind for topic in view.topics})
        follower = Follower(self._reader, self._horizon, after, topics=topics, limit=self._batch_events)
        rows = follower.next_batch(timeout)
        reached = follower.position
        if ahead and reached > min(ahead):  # stop where the other views stand, and go on together
            reached = min(ahead)
            rows = [row for row in rows if row.position <= reached]
        if reached > after:
            self._apply(connection, behind, [self._decoded(row) for row in rows], after, reached)
        return len(rows)

    def catch_up(self) -> None:
        """Runs until every view has read all that is readable now."""
        end = self._reader.max_notification_id() or 0
        while min(self._positions(self._connected()).values()) < end:
            self.run_once(timeout=1.0)

    def reset(self, view: View) -> None:
        """Empties a build and starts it from the beginning; for a machine that is not running."""
        connection = self._connected()
        with connection.transaction():
            connection.execute(LOCK, _builds([view]))
            connection.execute(f"delete from {table(view)}")
            parked.forget(connection, view)
            connection.execute(RESET, [view.name, view.version])

    def close(self) -> None:
        """Ends the writing connection; the next run opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url)
            for view in self._views:
                self._connection.execute(ENSURE, [view.name, view.version, self._policy, self._code_version])
        return self._connection

    def _positions(self, connection: psycopg.Connection[Any]) -> dict[str, int]:
        ours = {(view.name, view.version) for view in self._views}
        rows = connection.execute(POSITIONS, prepare=True).fetchall()
        return {name: position for name, version, position in rows if (name, version) in ours}

    def _decoded(self, row: Recorded) -> Decoded:
        try:
            event = self._decode(row)
        except Exception as problem:  # noqa: BLE001 - whatever a damaged row raises, the view's policy decides
            return Decoded(row, None, str(problem) or type(problem).__name__)
        return Decoded(row, Fact(row.position, row.book, row.stream_id, row.version, row.recorded_at, event), "")

    def _apply(
        self, connection: psycopg.Connection[Any], views: Sequence[View], batch: list[Decoded], after: int, to: int
    ) -> None:
        """All views in one commit; where that fails, each by itself, so that one view's trouble is its own."""
        try:
            with connection.transaction():
                self._fold(connection, views, batch, after, to)
        except psycopg.OperationalError:
            raise
        except Exception:  # noqa: BLE001 - found again, with its event, one by one
            for view in views:
                self._apply_alone(connection, view, batch, after, to)

    def _apply_alone(
        self, connection: psycopg.Connection[Any], view: View, batch: list[Decoded], after: int, to: int
    ) -> None:
        try:
            with connection.transaction():
                self._fold(connection, [view], batch, after, to)
        except psycopg.OperationalError:
            raise
        except Exception:  # noqa: BLE001 - the failing event is found below
            self._one_by_one(connection, view, batch, after, to)

    def _one_by_one(
        self, connection: psycopg.Connection[Any], view: View, batch: list[Decoded], after: int, to: int
    ) -> None:
        for one in batch:
            if one.row.topic not in view.topics:
                continue
            try:
                with connection.transaction():
                    self._fold(connection, [view], [one], after, one.row.position)
            except psycopg.OperationalError:
                raise
            except Exception as problem:  # noqa: BLE001 - a view may fail in any way; its policy decides
                self._refused(connection, view, one, after, str(problem) or type(problem).__name__)
            after = one.row.position
        with connection.transaction():
            self._fold(connection, [view], [], after, to)

    def _refused(self, connection: psycopg.Connection[Any], view: View, one: Decoded, after: int, problem: str) -> None:
        where = f"{one.row.topic} at position {one.row.position} of stream {one.row.stream_id}"
        if self._policy == "stop":
            message = f"View {view.name} cannot take {where}: {problem}"
            raise ViewStopped(message)
        log.error("a view parked a stream", view=view.name, where=where, problem=problem)
        with connection.transaction():
            if _locked(connection, [view])[view.name] == after:
                parked.park(connection, view, one.row, problem)
                _advance(connection, [view], one.row.position)

    def _fold(
        self, connection: psycopg.Connection[Any], views: Sequence[View], batch: Sequence[Decoded], after: int, to: int
    ) -> None:
        """Folds what the views want and moves their checkpoints from `after` to `to`; a view that another machine has
        moved on is left alone."""
        standing = _locked(connection, views)
        views = [view for view in views if standing[view.name] == after]
        if not views or to <= after:
            return
        held = parked.streams(connection, views)
        for view in views:
            topics, parked_streams = frozenset(view.topics), held[view.name]
            wanted = [one for one in batch if one.row.topic in topics]
            facts = [fact for one in wanted if (fact := _taken(connection, view, one, parked_streams)) is not None]
            if facts:
                rows = tables.load(connection, view, [key for fact in facts for key in view.keys(fact)])
                for fact in facts:
                    view.fold(rows, fact)
                tables.write(connection, view, rows)
        _advance(connection, views, to)


def _taken(connection: psycopg.Connection[Any], view: View, one: Decoded, held: set[UUID]) -> Fact | None:
    """The fact if the view is to take it now. A stream that is parked holds its later events behind it."""
    if one.row.stream_id in held:
        parked.park(connection, view, one.row, parked.BEHIND)
        return None
    if one.fact is None:
        raise ValueError(one.problem)
    return one.fact


def _locked(connection: psycopg.Connection[Any], views: Sequence[View]) -> dict[str, int]:
    """Where the builds stand; nobody else moves them until this transaction ends."""
    found = {name: int(position) for name, position in connection.execute(LOCK, _builds(views), prepare=True)}
    for view in views:
        if view.name not in found:
            message = f"View {view.name} version {view.version} has no build: start a machine for it first."
            raise ViewStopped(message)
    return found


def _advance(connection: psycopg.Connection[Any], views: Sequence[View], to: int) -> None:
    connection.execute(ADVANCE, [to, *_builds(views), to], prepare=True)


def _builds(views: Sequence[View]) -> list[Any]:
    return [[view.name for view in views], [view.version for view in views]]
