"""What readers see of the views, as it stands when a pass begins: position, digest, and the events passed over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from eventlog.connections import connect
from projections.view import template
from replay import builds
from replay.builds import Build
from replay.digest import digest

LIVE = "select view from views.builds where state = 'live' order by view"
PASSED_OVER = "select position from views.parked where view = %s and build = %s"
DIFFERING = """
select to_jsonb(l), to_jsonb(f) from (select {columns} from {live}) l full join (select {columns} from {folded}) f
    on {matched} where to_jsonb(l) is distinct from to_jsonb(f) limit {limit}
"""
ROWS_NAMED = 5


@dataclass(frozen=True)
class LiveBuild:
    """A live build at one moment. `passed_over` are positions it has parked, or that were given up for it: events
    that its rows are rightly without. `build` is None where the program lacks the version of the view's code."""

    view: str
    build: Build | None
    position: int
    digest: str
    passed_over: frozenset[int]


def live_builds(database_url: str) -> tuple[LiveBuild, ...]:
    """Every live build, each read in one snapshot of its own, while the machine goes on."""
    with connect(database_url) as connection:
        return tuple(_live(connection, name) for (name,) in connection.execute(LIVE).fetchall())


def _live(connection: psycopg.Connection[Any], view: str) -> LiveBuild:
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        try:
            build = builds.find(connection, view, "live")
        except builds.NoSuchBuild:
            return LiveBuild(view, None, 0, "", frozenset())
        passed_over = connection.execute(PASSED_OVER, [view, build.number]).fetchall()
        positions = frozenset(int(position) for (position,) in passed_over)
        return LiveBuild(view, build, build.position, digest(connection, build), positions)


@dataclass(frozen=True)
class FoldedBuild(Build):
    """A build in a table of one session alone, gone with it."""

    @property
    def table(self) -> str:
        """Beside the schema of the views, so that nobody else sees it."""
        return f"pg_temp.{self.relation}"


def folded_build(connection: psycopg.Connection[Any], live: Build) -> FoldedBuild:
    """An empty twin of a live build, with its columns and key."""
    made = FoldedBuild(live.view, live.number, "filling", 0, f"{live.relation}_folded")
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
