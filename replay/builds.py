"""The builds of the views: one table each, filled by one version of a view's code.

States: `filling` (a rebuild works on it), `shadow` (complete, kept up, not read), `live` (what readers see), `kept`
(was live, kept up for a way back), `past` (ends at a position of old and moves no more).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, NamedTuple

import psycopg
import structlog
from psycopg import sql

from projections.registry import versions
from projections.view import View, template
from replay.own_code import own_code

FOLLOWED = ("live", "shadow", "kept")
"""States of the builds that the machine keeps up."""
_BUILDS = """
select view, build, version, state, relation, position, code_version, made_at, updated_at from views.builds
"""
_LISTED = f"{_BUILDS} where (%(view)s::text is null or view = %(view)s) order by view, build"
_FOLLOWED = f"{_BUILDS} where state = any(%s) order by view, build"
_FIRST = """
insert into views.builds (view, build, version, state, policy, code_version, relation)
select %(view)s, coalesce((select last from views.build_numbers where view = %(view)s), 0) + 1, %(version)s, 'live',
       %(policy)s, %(code)s, %(relation)s
 where not exists (select 1 from views.builds where view = %(view)s) on conflict do nothing
"""
_POLICY = "update views.builds set policy = %(policy)s where view = %(view)s and policy <> %(policy)s"
# One after the other, and no number twice, also when its build was dropped: adjustments name builds.
_NUMBER = """
insert into views.build_numbers (view, last)
select %(view)s, coalesce(max(build), 0) + 1 from views.builds where view = %(view)s
    on conflict (view) do update set last = build_numbers.last + 1
returning last
"""
_NEXT = """
insert into views.builds (view, build, version, state, policy, code_version, relation, position)
select %(view)s, %(build)s, %(version)s, %(state)s, policy, %(code)s,
       %(view)s || '_v' || %(version)s || '_b' || %(build)s, 0
  from views.builds where view = %(view)s and state = 'live'
returning relation
"""
_INDEXES = "select indexname, indexdef from pg_indexes where schemaname = 'views' and tablename = %s order by indexname"
_PRIMARY = "select conname from pg_constraint where conrelid = %s::regclass and contype = 'p'"
_EXISTS = "select to_regclass(%s) is not null"

log = structlog.get_logger()


class NoSuchBuild(LookupError):
    """The view has no build of that number or state; the message says what it has."""


class CodeGone(NoSuchBuild):
    """The build is there, and the class that fills it is in no module any more."""


@dataclass(frozen=True)
class Build:
    """One build; `view` is the code that fills it, `relation` its table in the schema `views`."""

    view: View
    number: int
    state: str
    position: int
    relation: str
    code_version: str = ""

    @property
    def table(self) -> str:
        return f"views.{self.relation}"

    @property
    def name(self) -> str:
        return f"{self.view.name} build {self.number}"

    @property
    def key(self) -> tuple[str, int]:
        return self.view.name, self.number


class TemporaryBuild(Build):
    """A build in a table of one session, which nobody else sees; it is gone with that, however it ends."""

    @property
    def table(self) -> str:
        return f"pg_temp.{self.relation}"


@cache
def code_version(view: View) -> str:
    """The program's version and a digest of the view's own part of the module that it is written in."""
    return f"{version('daybook')}+{hashlib.sha256(own_code(view).encode()).hexdigest()[:12]}"


def is_of_this_code(code_digest: str, view: View) -> bool:
    """Whether a build with this `code_version` was made by the code that the view has now, in whatever release of the
    program; also where it was not noted yet."""
    return not code_digest or code_digest.partition("+")[2] == code_version(view).partition("+")[2]


def build_of(row: Sequence[Any], code: Mapping[tuple[str, int], View]) -> Build | None:
    """A row of `views.builds` with its code; None where the code of that version is gone."""
    name, number, made_with, state, relation, position, code_digest, *_ = row
    view = code.get((name, made_with))
    return None if view is None else Build(view, number, state, int(position), relation, code_digest)


def ensure(connection: psycopg.Connection[Any], views: Iterable[View], policy: str) -> None:
    """Gives each view that has no build its first, live one. A view that no migration made a table for gets one."""
    for view in views:
        parameters = {
            "view": view.name, "version": view.version, "policy": policy,
            "code": code_version(view), "relation": template(view),
        }  # fmt: skip
        with connection.transaction():
            ensure_template(connection, view)
            if connection.execute(_FIRST, parameters).rowcount:
                _empty(connection, template(view))
                if not _exists(connection, f"views.{view.name}"):
                    connection.execute(shown_as(view, template(view)))
            connection.execute(_POLICY, parameters)


def _empty(connection: psycopg.Connection[Any], relation: str) -> None:
    """Rows of a build that is on record no more would be counted twice by one that begins with the first event."""
    if connection.execute(sql.SQL("select from {} limit 1").format(_qualified(relation))).rowcount:
        log.warning("rows that no build is on record for are removed", table=f"views.{relation}")
        connection.execute(sql.SQL("truncate {}").format(_qualified(relation)))


def ensure_template(connection: psycopg.Connection[Any], view: View) -> None:
    """Makes the pattern table of a version that has none: columns and key as the view names them."""
    if _exists(connection, f"views.{template(view)}"):
        return
    columns = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in view.columns.items()]
    key = sql.SQL("primary key ({})").format(sql.SQL(", ").join(map(sql.Identifier, view.key)))
    statement = sql.SQL("create table if not exists {} ({})")
    connection.execute(statement.format(_qualified(template(view)), sql.SQL(", ").join([*columns, key])))


def followed(connection: psycopg.Connection[Any], code: Mapping[tuple[str, int], View]) -> list[Build]:
    """The builds to be kept up, of the views that `code` is about; one whose code is gone is left behind, and named."""
    names = {name for name, _ in code}
    found = []
    for row in connection.execute(_FOLLOWED, [list(FOLLOWED)], prepare=True):
        build = build_of(row, code)
        if build is not None:
            found.append(build)
        elif row[0] in names:
            log.warning("a build is not kept up: its code is gone", view=row[0], build=row[1], version=row[2])
    return found


def listed(connection: psycopg.Connection[Any], view: str | None = None) -> list[dict[str, Any]]:
    """Every build, or a view's, as `views.builds` has it."""
    names = ("view", "build", "version", "state", "relation", "position", "code_version", "made_at", "updated_at")
    rows = connection.execute(_LISTED, {"view": view}).fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]


def find(connection: psycopg.Connection[Any], view: str, *states: str, number: int | None = None) -> Build:
    """The newest build of a view in one of these states, or the one of that number. Raises NoSuchBuild."""
    rows = connection.execute(_LISTED, {"view": view}).fetchall()
    fit = [row for row in rows if (not states or row[3] in states) and (number is None or row[1] == number)]
    wanted = f"build {number}" if number is not None else f"{' or '.join(states) or 'any'} build"
    return _with_code(view, _newest(view, rows, fit, wanted))


def successor(connection: psycopg.Connection[Any], view: str) -> Build:
    """The newest build that was made after the live one and is complete: a shadow, or one that was rolled back from.
    Raises NoSuchBuild."""
    rows = connection.execute(_LISTED, {"view": view}).fetchall()
    live = max((row[1] for row in rows if row[3] == "live"), default=0)
    fit = [row for row in rows if row[3] in ("shadow", "kept") and row[1] > live]
    return _with_code(view, _newest(view, rows, fit, "complete build newer than the live one"))


def droppable(connection: psycopg.Connection[Any], view: str, number: int) -> Build:
    """The build of that number, also where its code is gone and nothing but dropping it is left. Raises NoSuchBuild."""
    rows = connection.execute(_LISTED, {"view": view}).fetchall()
    row = _newest(view, rows, [row for row in rows if row[1] == number], f"build {number}")
    if row[3] == "live":
        raise NoSuchBuild(f"view {view} build {number} is live: swap another in before it is dropped")
    gone: Any = _Gone(view, row[2])
    return build_of(row, versions()) or Build(gone, number, row[3], int(row[5]), row[4])


class _Gone(NamedTuple):
    """Stands for the code of a build that is to be dropped."""

    name: str
    version: int


def _newest(view: str, rows: Sequence[Sequence[Any]], fit: Sequence[Sequence[Any]], wanted: str) -> Sequence[Any]:
    if not rows:
        raise NoSuchBuild(f"view {view} has no build yet: start the views once with the module that it is in")
    if not fit:
        has = ", ".join(f"{row[1]} ({row[3]})" for row in rows)
        raise NoSuchBuild(f"view {view} has no {wanted}; its builds: {has}")
    return fit[-1]


def _with_code(view: str, row: Sequence[Any]) -> Build:
    found = build_of(row, versions())
    if found is None:
        way_out = "" if row[3] == "live" else f", or drop it with `daybook replay drop {view} {row[1]}`"
        raise CodeGone(
            f"the code of view {view} version {row[2]} is gone, so build {row[1]} ({row[3]}) is not kept up: list that"
            f" class as it was in EARLIER of the view's module and start the views again{way_out}"
        )
    return found


def create(connection: psycopg.Connection[Any], view: View, state: str) -> Build:
    """A new, empty build: its table has the columns and the key of the version's pattern, its indexes come when it is
    filled (`add_indexes`). Part of the caller's transaction. Raises NoSuchBuild for a view that never ran."""
    ensure_template(connection, view)
    (number,) = connection.execute(_NUMBER, {"view": view.name}).fetchone() or (0,)
    parameters = {
        "view": view.name, "build": number, "version": view.version, "state": state, "code": code_version(view),
    }  # fmt: skip
    row = connection.execute(_NEXT, parameters).fetchone()
    if row is None:
        raise NoSuchBuild(f"view {view.name} has no live build yet: start the views once before it is rebuilt")
    (relation,) = row
    create_table(connection, view, relation)
    return Build(view, number, state, 0, relation, code_version(view))


def create_table(connection: psycopg.Connection[Any], view: View, relation: str) -> None:
    """A table like the version's pattern, with its key and no other index."""
    pattern, made = _qualified(template(view)), _qualified(relation)
    like = sql.SQL("create table {} (like {} including defaults including constraints including storage)")
    connection.execute(like.format(made, pattern))
    key = sql.SQL(", ").join(map(sql.Identifier, view.key))
    connection.execute(sql.SQL("alter table {} add primary key ({})").format(made, key))


def add_indexes(connection: psycopg.Connection[Any], build: Build) -> None:
    """The pattern's further indexes, made at once over the filled table."""
    pattern = template(build.view)
    primary = {row[0] for row in connection.execute(_PRIMARY, [f"views.{pattern}"])}
    for name, definition in connection.execute(_INDEXES, [pattern]).fetchall():
        if name not in primary:
            made = definition.replace(
                f" {name} ON views.{pattern} ", f" {name}_b{build.number} ON views.{build.relation} "
            )
            connection.execute(made.replace(" INDEX ", " INDEX IF NOT EXISTS ", 1))
    connection.execute(sql.SQL("analyze {}").format(_qualified(build.relation)))


def shown_as(view: View, relation: str) -> sql.Composed:
    """The statement that lets readers see a table under the view's name."""
    shown = view.shown.replace("{table}", f"views.{relation}")
    return sql.SQL("create or replace view {} as {}").format(_qualified(view.name), sql.SQL(shown))


def drop_table(connection: psycopg.Connection[Any], build: Build) -> None:
    """The table goes; the pattern of a version stays, empty, for builds to come."""
    if build.relation == template(build.view):
        connection.execute(sql.SQL("truncate {}").format(_qualified(build.relation)))
    else:
        connection.execute(sql.SQL("drop table if exists {}").format(_qualified(build.relation)))


def keys_of(builds: Iterable[Build]) -> list[Any]:
    """The builds' keys as two arrays, view by view and number by number."""
    found = list(builds)
    return [[build.view.name for build in found], [build.number for build in found]]


def _qualified(relation: str) -> sql.Identifier:
    return sql.Identifier("views", relation)


def _exists(connection: psycopg.Connection[Any], relation: str) -> bool:
    row = connection.execute(_EXISTS, [relation]).fetchone()
    return bool(row and row[0])
