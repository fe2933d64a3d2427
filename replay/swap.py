"""Puts another build behind a view's name, and back: one short transaction, at one position.

What readers see changes between two statements of theirs, never within a transaction that has read the view, and never
to a build whose rows an older snapshot cannot see whole.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from eventlog.connections import connect
from replay import builds, parked, replays
from replay.builds import Build

LOCK_WAIT_MS = 50
"""How long a swap waits for readers before it lets those behind it go first, and tries again."""
PATIENCE_S = 30.0
PAUSE_S = 0.05
BOTH = """
select build, position from views.builds where view = %s and build = any(%s) order by build for update
"""
NOW = "select pg_current_xact_id()::text"
OLDER = "select views.older_snapshots(%s::xid8)"
NEWLY_PARKED = """
select count(distinct stream_id) from views.parked p
 where view = %(view)s and build = %(coming)s and discarded is null and not exists (
       select 1 from views.parked o where o.view = %(view)s and o.build = %(going)s and o.stream_id = p.stream_id)
"""
SET_STATE = """
update views.builds set state = %s, read_until = %s, updated_at = clock_timestamp() where view = %s and build = %s
"""


class BuildNotReady(RuntimeError):
    """The builds stand at different positions, or the new one set streams aside that the live one did not."""


class ReadersInTheWay(RuntimeError):
    """Readers held the view, or an old snapshot, for too long; nothing was changed: try again, or end them."""


@dataclass(frozen=True)
class Swapped:
    """Which build is live now and which is kept, at what position, and how long readers could not begin."""

    view: str
    live: int
    kept: int
    position: int
    locked_ms: float


def swap(database_url: str, view: str, patience_s: float = PATIENCE_S) -> Swapped:
    """Makes the newest build of a view live, a shadow or one that was rolled back from, and keeps what was live. One
    that is older than the live build is never taken: for the way back there is `roll_back`.

    Raises NoSuchBuild, BuildNotReady, ReadersInTheWay.
    """
    with connect(database_url) as connection:
        return _exchange(connection, builds.successor(connection, view), patience_s)


def roll_back(database_url: str, view: str, patience_s: float = PATIENCE_S) -> Swapped:
    """Makes the newest kept build of a view live again and keeps what was live. Raises as `swap` does."""
    with connect(database_url) as connection:
        return _exchange(connection, builds.find(connection, view, "kept"), patience_s)


def drop(database_url: str, view: str, number: int) -> Build:
    """Drops a build that nobody reads. Raises NoSuchBuild for one that is live or not there."""
    with connect(database_url) as connection:
        build = builds.droppable(connection, view, number)
        with connection.transaction():
            if build.state == "filling":
                replays.discard(connection, build)
            else:
                parked.forget(connection, build)
                connection.execute("delete from views.builds where view = %s and build = %s", [*build.key])
                builds.drop_table(connection, build)
        return build


def remove(database_url: str, view: str) -> int:
    """Removes a view that the program does not have any more, with all its builds; answers how many there were.

    Raises NoSuchBuild, and ReadersInTheWay for somebody's relation that is made of it. That its code is gone from all
    processes is the caller's to see to: they would make it again.
    """
    try:
        return _removed(database_url, view)
    except psycopg.errors.DependentObjectsStillExist as made_of_it:
        told = f"view {view} stays: {made_of_it.diag.message_detail}; drop that first"
        raise ReadersInTheWay(told) from None


def _removed(database_url: str, view: str) -> int:
    with connect(database_url) as connection, connection.transaction():
        rows = builds.listed(connection, view)
        if not rows:
            raise builds.NoSuchBuild(f"there is no view {view}")
        connection.execute(sql.SQL("drop view if exists {}").format(sql.Identifier("views", view)))
        patterns = {f"{view}_v{row['version']}" for row in rows}
        for relation in sorted(patterns | {row["relation"] for row in rows}):
            connection.execute(sql.SQL("drop table if exists {}").format(sql.Identifier("views", relation)))
        for table in ("parked", "replays", "builds"):
            connection.execute(sql.SQL("delete from {} where view = %s").format(sql.Identifier("views", table)), [view])
        return len(rows)


def _exchange(connection: psycopg.Connection[Any], coming: Build, patience_s: float) -> Swapped:
    """The two builds change places: when they are level, nobody's snapshot is too old, and the lock can be had soon."""
    going = builds.find(connection, coming.view.name, "live")
    aside = _value(connection, NEWLY_PARKED, {"view": coming.view.name, "coming": coming.number, "going": going.number})
    if aside:
        raise BuildNotReady(f"{coming.name} set {aside} streams aside that the live build took: see `daybook parked`")
    deadline = time.monotonic() + patience_s
    _let_snapshots_end(connection, deadline)
    while True:
        try:
            return _exchanged(connection, coming, going)
        except (psycopg.errors.LockNotAvailable, _Apart) as problem:
            if time.monotonic() > deadline:
                if isinstance(problem, _Apart):
                    raise BuildNotReady(str(problem)) from None
                raise ReadersInTheWay(f"readers held view {coming.view.name} for {patience_s:g} s") from None
            time.sleep(PAUSE_S)


class _Apart(Exception):
    """Not level at this moment: the machine is about to move one of them."""


def _exchanged(connection: psycopg.Connection[Any], coming: Build, going: Build) -> Swapped:
    view = coming.view
    with connection.transaction():
        connection.execute(sql.SQL("set local lock_timeout = {}").format(sql.Literal(f"{LOCK_WAIT_MS}ms")))
        standing = dict(connection.execute(BOTH, [view.name, [coming.number, going.number]]).fetchall())
        if standing.get(coming.number) != standing.get(going.number):
            raise _Apart(
                f"view {view.name}: build {coming.number} stands at {standing.get(coming.number)} and the live build"
                f" {going.number} at {standing.get(going.number)}; is the process `views` running?"
            )
        position = int(standing[coming.number])
        connection.execute(SET_STATE, ["kept", position, *going.key])
        connection.execute(SET_STATE, ["live", None, *coming.key])
        began = time.perf_counter()
        _show(connection, coming)
    return Swapped(view.name, coming.number, going.number, position, 1000 * (time.perf_counter() - began))


def _show(connection: psycopg.Connection[Any], build: Build) -> None:
    """The view's new definition; one with other columns must be made anew."""
    view = build.view
    try:
        with connection.transaction():
            connection.execute(builds.shown_as(view, build.relation))
    except psycopg.errors.InvalidTableDefinition:
        connection.execute(sql.SQL("drop view {}").format(sql.Identifier("views", view.name)))
        connection.execute(builds.shown_as(view, build.relation))


def _let_snapshots_end(connection: psycopg.Connection[Any], deadline: float) -> None:
    """Waits until no snapshot is left that was taken before now: one from before the new build was filled would find it
    empty."""
    now = _value(connection, NOW)
    while pids := _value(connection, OLDER, [now]):
        if time.monotonic() > deadline:
            raise ReadersInTheWay(f"transactions that began before the swap are still open; process ids: {pids}")
        time.sleep(PAUSE_S)


def _value(connection: psycopg.Connection[Any], query: str, parameters: Any = None) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None
