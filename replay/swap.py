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
from replay import builds, exchanges, parked, replays, shown
from replay.alone import alone
from replay.builds import Build, NoSuchBuild

LOCK_WAIT_MS = 50
"""How long a swap waits for readers before it lets those behind it go first, and tries again."""
PATIENCE_S = 30.0
PAUSE_S = 0.05
BOTH = """
select build, position, state from views.builds where view = %s and build = any(%s) order by build for update
"""
LEVEL_SINCE = "select level_since::text from views.builds where view = %s and build = %s"
STATE = "select state from views.builds where view = %s and build = %s for update"
NOW = "select pg_current_xact_id()::text"
OLDER = "select views.older_snapshots(%s::xid8)"
NEWLY_PARKED = """
select count(distinct stream_id) from views.parked p
 where view = %(view)s and build = %(coming)s and discarded is null and not exists (
       select 1 from views.parked o where o.view = %(view)s and o.build = %(going)s and o.position = p.position)
"""
SET_STATE = """
update views.builds set state = %s, level_since = pg_current_xact_id(), updated_at = clock_timestamp()
 where view = %s and build = %s
"""


class BuildNotReady(RuntimeError):
    """The builds stand at different positions, or the new one set streams aside that the live one did not, or it was
    filled by code that has changed since."""


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
        coming = builds.successor(connection, view)
        if not builds.is_of_this_code(coming.code_version, coming.view):
            raise BuildNotReady(
                f"{coming.name} was filled by code that has changed since, without a new version: rebuild the view, by"
                " a version of its own if readers have seen this one"
            )
        return _exchange(connection, coming, patience_s)


def roll_back(database_url: str, view: str, patience_s: float = PATIENCE_S) -> Swapped:
    """Makes the build live again that the last swap or rollback replaced, and keeps what was live. Raises as `swap`."""
    with connect(database_url) as connection:
        return _exchange(connection, exchanges.before(connection, view), patience_s)


def drop(database_url: str, view: str, number: int, patience_s: float = PATIENCE_S) -> Build:
    """Drops a build that nobody needs any more. Raises NoSuchBuild for one that is live or not there, AlreadyRebuilding
    for one that is being filled, ReadersInTheWay for one that somebody goes on reading."""
    deadline = time.monotonic() + patience_s
    with connect(database_url) as connection:
        while True:
            build = builds.droppable(connection, view, number)
            try:
                if build.state == "filling":
                    with alone(connection, view), connection.transaction():
                        replays.discard(connection, build)
                else:
                    _dropped(connection, build)
                return build
            except (psycopg.errors.LockNotAvailable, _Changed):
                if time.monotonic() > deadline:
                    raise ReadersInTheWay(f"readers held {build.name} for {patience_s:g} s") from None
                time.sleep(PAUSE_S)


class _Changed(Exception):
    """The build has another state than a moment ago: look again."""


def _dropped(connection: psycopg.Connection[Any], build: Build) -> None:
    """Unless a swap has made it live meanwhile. The wait for readers is short: the machine, which keeps all builds up,
    waits behind it."""
    with connection.transaction():
        _wait_shortly(connection)
        row = connection.execute(STATE, [*build.key]).fetchone()
        if row is None or row[0] != build.state:
            raise _Changed
        parked.forget(connection, build)
        connection.execute("delete from views.builds where view = %s and build = %s", [*build.key])
        builds.drop_table(connection, build)


def _wait_shortly(connection: psycopg.Connection[Any]) -> None:
    connection.execute(sql.SQL("set local lock_timeout = {}").format(sql.Literal(f"{LOCK_WAIT_MS}ms")))


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
        for table in ("parked", "replays", "exchanges", "builds"):
            connection.execute(sql.SQL("delete from {} where view = %s").format(sql.Identifier("views", table)), [view])
        return len(rows)


def _exchange(connection: psycopg.Connection[Any], coming: Build, patience_s: float) -> Swapped:
    """The two builds change places: when they are level, nobody's snapshot is too old, and the lock can be had soon."""
    going = builds.find(connection, coming.view.name, "live")
    aside = _value(connection, NEWLY_PARKED, {"view": coming.view.name, "coming": coming.number, "going": going.number})
    if aside:
        raise BuildNotReady(f"{coming.name} set {aside} streams aside that the live build took: see `daybook parked`")
    deadline = time.monotonic() + patience_s
    _let_snapshots_end(connection, coming, deadline)
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
        _wait_shortly(connection)
        position = _level_at(connection, coming, going)
        connection.execute(SET_STATE, ["kept", *going.key])
        connection.execute(SET_STATE, ["live", *coming.key])
        exchanges.record(connection, coming, going, position)
        began = time.perf_counter()
        try:
            shown.show(connection, coming)
        except shown.MadeOfTheView as made_of_it:
            raise ReadersInTheWay(str(made_of_it)) from None
    return Swapped(view.name, coming.number, going.number, position, 1000 * (time.perf_counter() - began))


def _level_at(connection: psycopg.Connection[Any], coming: Build, going: Build) -> int:
    """Where both stand, and stay until the transaction ends. Raises _Apart, and NoSuchBuild when somebody else has
    swapped or dropped one of them meanwhile."""
    rows = connection.execute(BOTH, [coming.view.name, [coming.number, going.number]]).fetchall()
    positions = {number: int(position) for number, position, _ in rows}
    states = {number: state for number, _, state in rows}
    for build in (coming, going):
        if states.get(build.number) != build.state:
            now = states.get(build.number, "dropped")
            raise NoSuchBuild(
                f"{build.name} was {build.state} and is {now} by now: somebody else swapped or dropped it"
            )
    if positions[coming.number] != positions[going.number]:
        raise _Apart(
            f"view {coming.view.name}: build {coming.number} stands at {positions[coming.number]} and the live build"
            f" {going.number} at {positions[going.number]}; is the process `views` running?"
        )
    return positions[coming.number]


def _let_snapshots_end(connection: psycopg.Connection[Any], coming: Build, deadline: float) -> None:
    """Waits until no snapshot is left in which the new build is behind the live one: for a shadow, of before now; for a
    build that was live itself, and kept up ever since, of before that, so that a way back is open at once."""
    since = _value(connection, LEVEL_SINCE, [*coming.key]) or _value(connection, NOW)
    while pids := _value(connection, OLDER, [since]):
        if time.monotonic() > deadline:
            raise ReadersInTheWay(f"transactions that began before the swap are still open; process ids: {pids}")
        time.sleep(PAUSE_S)


def _value(connection: psycopg.Connection[Any], query: str, parameters: Any = None) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None
