"""What readers see of the views, as it stands when a pass begins: by what definition, at which position, with which
rows, and without which events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from eventlog.connections import connect
from projections.registry import views
from projections.view import template
from replay import builds, parked
from replay.builds import Build, TemporaryBuild
from replay.digest import digest

LIVE = "select view from views.builds where state = 'live' order by view"
STARTED = "select exists (select from views.builds where made_at < clock_timestamp() - interval '1 minute')"
ROWS = "select exists (select from {})"
RELATION = "select to_regclass(%s) is not null"
DEFINITION = "select pg_get_viewdef(to_regclass(%s))"
EXPECTED = "daybook_expected"
DIFFERING = """
select to_jsonb(l), to_jsonb(f) from (select {columns} from {live}) l full join (select {columns} from {folded}) f
    on {matched} where to_jsonb(l) is distinct from to_jsonb(f) limit {limit}
"""
ROWS_NAMED = 5


@dataclass(frozen=True)
class LiveBuild:
    """A live build at one moment. `passed_over` are positions it has parked, or that were given up for it: events
    that its rows are rightly without. `build` is None where there is none to be folded anew: its row is gone, or the
    program lacks the version of the view's code, as `lost` says. `shown` is how readers see it, where that is not as
    it should be, `shown_by` how they should."""

    view: str
    build: Build | None
    position: int = 0
    digest: str = ""
    passed_over: frozenset[int] = frozenset()
    lost: str = ""
    shown: str | None = None
    shown_by: str | None = None


def live_builds(database_url: str) -> tuple[LiveBuild, ...]:
    """Every live build, each read in one snapshot of its own, while the machine goes on; and every view that readers
    see and that has none."""
    with connect(database_url) as connection:
        live = [name for (name,) in connection.execute(LIVE).fetchall()]
        found = [_live(connection, name) for name in live]
        return (*found, *_without_build(connection, views().keys() - live))


def _live(connection: psycopg.Connection[Any], view: str) -> LiveBuild:
    shown, shown_by = _definitions(connection, view)
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        try:
            build = builds.find(connection, view, "live")
        except builds.NoSuchBuild:
            return LiveBuild(view, None, lost=f"the code that fills the live build of {view} is gone")
        passed_over = parked.without(connection, build)
        found = LiveBuild(view, build, build.position, digest(connection, build), passed_over)
    return found if shown == shown_by else replace(found, shown=shown, shown_by=shown_by)


def _without_build(connection: psycopg.Connection[Any], names: Iterable[str]) -> Iterator[LiveBuild]:
    """Views that nothing keeps up though readers see them. Before the views have run for the first time none has a
    build, and none has a row; they get their builds one after the other then."""
    started = _value(connection, STARTED)
    for name in sorted(names):
        if not _value(connection, RELATION, [f"views.{name}"]):
            continue
        if started or _value(connection, sql.SQL(ROWS).format(sql.Identifier("views", name))):
            yield LiveBuild(name, None, lost=f"view {name} has no live build: nothing keeps up what readers see of it")


def _definitions(connection: psycopg.Connection[Any], view: str) -> tuple[str | None, str | None]:
    """How readers see the live build, and how they should: by the same statement, as the server reads it back.

    A swap changes both in one commit, so a build that was live before and after is the one that readers saw between.
    """
    while True:
        try:
            build = builds.find(connection, view, "live")
            wanted, shown = _expected(connection, build), _value(connection, DEFINITION, [f"views.{view}"])
            if builds.find(connection, view, "live").number == build.number:
                return _one_line(shown), _one_line(wanted)
        except builds.NoSuchBuild:  # its code is gone: the caller finds that too
            return None, None


def _expected(connection: psycopg.Connection[Any], build: Build) -> str | None:
    _, _, query = builds.shown_as(build.view, build.relation).as_string(connection).partition(" as ")
    connection.execute(f"create or replace temporary view {EXPECTED} as {query}")
    try:
        wanted: str | None = _value(connection, DEFINITION, [f"pg_temp.{EXPECTED}"])
        return wanted
    finally:
        connection.execute(f"drop view pg_temp.{EXPECTED}")


def _one_line(definition: str | None) -> str | None:
    return None if definition is None else " ".join(definition.split())


def _value(connection: psycopg.Connection[Any], query: Any, parameters: Any = None) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None


def folded_build(connection: psycopg.Connection[Any], live: Build) -> TemporaryBuild:
    """An empty twin of a live build, with its columns and key."""
    made = TemporaryBuild(live.view, live.number, "filling", 0, f"{live.relation}_folded")
    name = sql.Identifier("pg_temp", made.relation)
    pattern = sql.Identifier("views", template(live.view))
    like = sql.SQL("create temporary table {} (like {} including defaults including constraints)")
    connection.execute(like.format(name, pattern))
    key = sql.SQL(", ").join(map(sql.Identifier, live.view.key))
    connection.execute(sql.SQL("alter table {} add primary key ({})").format(name, key))
    return made


def differing(
    connection: psycopg.Connection[Any], live: LiveBuild, folded: Build
) -> Iterator[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
    """A few rows of the live build with what the log folds to, where the two differ; None where there is no such row.

    None at all once the live build has moved on: its rows are of another position then.
    """
    assert live.build is not None  # noqa: S101 - narrowing only
    now = builds.find(connection, live.view, "live")
    if (now.number, now.position) != (live.build.number, live.position):
        return
    view = folded.view
    query = DIFFERING.format(
        columns=", ".join(view.columns),
        live=live.build.table,
        folded=folded.table,
        matched=" and ".join(f"l.{column} = f.{column}" for column in view.key),
        limit=ROWS_NAMED,
    )
    yield from connection.execute(query).fetchall()
