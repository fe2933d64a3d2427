"""Fills views: reads the log once, decodes once, folds into every view, and writes rows and checkpoint together.

One transaction holds a batch's rows and its checkpoint, and begins by locking the build's row: a second machine waits
and then sees that the work is done. What fails is found by going event by event; then the view's policy decides.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import psycopg
import structlog

from eventlog.connections import connect
from eventlog.follower import Follower, LogReader
from eventlog.horizon import Horizon
from eventlog.recorded import Recorded
from projections.registry import versions
from projections.view import Fact, View
from replay import parked, tables
from replay.builds import Build, ensure, find, followed, keys_of

BATCH_EVENTS = 2_000
# A batch costs a fixed number of statements whatever it holds: while events trickle in, they are gathered for so long.
GATHER_SECONDS = 0.1
ROOM_PATIENCE_S = 2.0
"""How long a build whose table found no room is left behind before it is tried again."""
LOCK = """
select b.view, b.build, b.position
  from views.builds b join unnest(%s::text[], %s::int[]) u(view, build) using (view, build)
 order by b.view, b.build for update of b
"""
ADVANCE = """
update views.builds b set position = %s, updated_at = clock_timestamp()
  from unnest(%s::text[], %s::int[]) u(view, build)
 where b.view = u.view and b.build = u.build and b.position < %s
"""
APART = """
update views.builds b set level_since = null from unnest(%s::text[], %s::int[]) u(view, build)
 where b.view = u.view and b.build = u.build and b.level_since is not null
"""
RESET = "update views.builds set position = 0 where view = %s and build = %s"

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
    """Keeps up the builds of some views: the live one, and those that are compared with it or kept for a way back.

    `decode` turns a row of the log into its domain event. `views` are the newest versions; a build of an earlier one is
    folded by the code of that version, which the registry knows.
    """

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
    ) -> None:
        self._url = database_url
        self._reader = reader
        self._horizon = horizon
        self._decode = decode
        self._views = list(views)
        names = {view.name for view in self._views}
        self._code = {key: view for key, view in versions().items() if key[0] in names}
        self._code |= {(view.name, view.version): view for view in self._views}
        self._policy = policy
        self._batch_events = batch_events
        self._without_room: dict[tuple[str, int], float] = {}
        self._live_next = False
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
        """One batch for the builds whose turn it is; answers how many events it read."""
        connection = self._connected()
        now = time.monotonic()
        standing = [b for b in followed(connection, self._code) if self._without_room.get(b.key, now) <= now]
        if not standing:
            return 0
        if len({build.position for build in standing}) > 1:
            _note_apart(connection, standing)
        after = self._turn(standing)
        behind = [build for build in standing if build.position == after]
        ahead = [build.position for build in standing if build.position > after]
        topics = sorted({topic for build in behind for topic in build.view.topics})
        follower = Follower(self._reader, self._horizon, after, topics=topics, limit=self._batch_events)
        rows = follower.next_batch(timeout if all(build.position == after for build in standing) else 0.0)
        reached = follower.position
        if ahead and reached > min(ahead):  # stop where the other views stand, and go on together
            reached = min(ahead)
            rows = [row for row in rows if row.position <= reached]
        if reached > after:
            self._apply(connection, behind, [self._decoded(row) for row in rows], after, reached)
        return len(rows)

    def _turn(self, standing: Sequence[Build]) -> int:
        """Where the builds stand that are next: those furthest behind, and every second time live ones, so that a
        shadow with much to catch up, after it had no room or no code, does not hold up what people read."""
        last = min(build.position for build in standing)
        live = min((build.position for build in standing if build.state == "live"), default=last)
        chosen = live if self._live_next else last
        self._live_next = chosen == last < live
        return chosen

    def catch_up(self) -> None:
        """Runs until every build has read all that is readable now."""
        end = self._reader.max_notification_id() or 0
        while min(build.position for build in followed(self._connected(), self._code)) < end:
            self.run_once(timeout=1.0)

    def reset(self, view: View) -> None:
        """Empties a view's live build and starts it from the beginning; for a machine that is not running."""
        connection = self._connected()
        build = find(connection, view.name, "live")
        with connection.transaction():
            connection.execute(LOCK, keys_of([build]))
            connection.execute(f"delete from {build.table}")
            parked.begin_anew(connection, build)
            connection.execute(RESET, [*build.key])

    def close(self) -> None:
        """Ends the writing connection; the next run opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url)
            ensure(self._connection, self._views, self._policy)
        return self._connection

    def _decoded(self, row: Recorded) -> Decoded:
        try:
            event = self._decode(row)
        except Exception as problem:  # noqa: BLE001 - whatever a damaged row raises, the view's policy decides
            return Decoded(row, None, str(problem) or type(problem).__name__)
        return Decoded(row, Fact.of(row, event), "")

    def _apply(
        self, connection: psycopg.Connection[Any], builds: Sequence[Build], batch: list[Decoded], after: int, to: int
    ) -> None:
        """All builds in one commit; where that fails, each by itself, so that one view's trouble is its own."""
        try:
            with connection.transaction():
                self._fold(connection, builds, batch, after, to)
        except Exception as problem:
            if isinstance(problem, psycopg.OperationalError) and not isinstance(problem, psycopg.errors.DiskFull):
                raise
            for build in builds:  # found again, with its event, one by one
                try:
                    self._apply_alone(connection, build, batch, after, to)
                except psycopg.errors.DiskFull as full:
                    log.error("a build waits: no room", view=build.view.name, build=build.number, problem=str(full))
                    self._without_room[build.key] = time.monotonic() + ROOM_PATIENCE_S

    def _apply_alone(
        self, connection: psycopg.Connection[Any], build: Build, batch: list[Decoded], after: int, to: int
    ) -> None:
        try:
            with connection.transaction():
                self._fold(connection, [build], batch, after, to)
        except psycopg.OperationalError:
            raise
        except Exception:  # noqa: BLE001 - the failing event is found below
            self._one_by_one(connection, build, batch, after, to)

    def _one_by_one(
        self, connection: psycopg.Connection[Any], build: Build, batch: list[Decoded], after: int, to: int
    ) -> None:
        for one in batch:
            if one.row.topic not in build.view.topics:
                continue
            try:
                with connection.transaction():
                    self._fold(connection, [build], [one], after, one.row.position)
            except psycopg.OperationalError:
                raise
            except Exception as problem:  # noqa: BLE001 - a view may fail in any way; its policy decides
                self._refused(connection, build, one, after, str(problem) or type(problem).__name__)
            after = one.row.position
        with connection.transaction():
            self._fold(connection, [build], [], after, to)

    def _refused(
        self, connection: psycopg.Connection[Any], build: Build, one: Decoded, after: int, problem: str
    ) -> None:
        where = f"{one.row.topic} at position {one.row.position} of stream {one.row.stream_id}"
        if self._policy == "stop":
            message = f"View {build.name} cannot take {where}: {problem}"
            raise ViewStopped(message)
        log.error("a view parked a stream", view=build.view.name, build=build.number, where=where, problem=problem)
        with connection.transaction():
            if _locked(connection, [build]).get(build.key) == after:
                parked.park(connection, build, one.row, problem)
                _advance(connection, [build], one.row.position)

    def _fold(
        self,
        connection: psycopg.Connection[Any],
        builds: Sequence[Build],
        batch: Sequence[Decoded],
        after: int,
        to: int,
    ) -> None:
        """Folds what the builds want and moves their checkpoints from `after` to `to`; one that another machine has
        moved on, or that was dropped meanwhile, is left alone."""
        standing = _locked(connection, builds)
        builds = [build for build in builds if standing.get(build.key) == after]
        if not builds or to <= after:
            return
        left = parked.aside(connection, builds, after)
        for build in builds:
            view, aside = build.view, left[build.key]
            topics = frozenset(view.topics)
            wanted = [one for one in batch if one.row.topic in topics]
            facts = [fact for one in wanted if (fact := _taken(connection, build, one, aside)) is not None]
            if facts:
                rows = tables.load(connection, build, [key for fact in facts for key in view.keys(fact)])
                for fact in facts:
                    view.fold(rows, fact)
                tables.write(connection, build, rows)
        _advance(connection, builds, to)


def _note_apart(connection: psycopg.Connection[Any], standing: Sequence[Build]) -> None:
    """Of builds that are not where their live one is (there was no room, or their code was gone): snapshots that are
    taken now find them so, and a swap must wait until those have ended."""
    live = {build.view.name: build.position for build in standing if build.state == "live"}
    apart = [build for build in standing if build.position != live.get(build.view.name)]
    if apart:
        connection.execute(APART, keys_of(apart), prepare=True)


def _taken(connection: psycopg.Connection[Any], build: Build, one: Decoded, aside: parked.Aside) -> Fact | None:
    """The fact if the view is to take it now. A stream that is parked holds its later events behind it."""
    if one.row.position in aside.given_up:
        return None
    if one.row.stream_id in aside.streams:
        parked.park(connection, build, one.row, parked.BEHIND)
        return None
    if one.fact is None:
        raise ValueError(one.problem)
    return one.fact


def _locked(connection: psycopg.Connection[Any], builds: Sequence[Build]) -> dict[tuple[str, int], int]:
    """Where the builds stand; nobody else moves them until this transaction ends."""
    found = connection.execute(LOCK, keys_of(builds), prepare=True)
    return {(name, number): int(position) for name, number, position in found}


def _advance(connection: psycopg.Connection[Any], builds: Sequence[Build], to: int) -> None:
    connection.execute(ADVANCE, [to, *keys_of(builds), to], prepare=True)
