"""Builds that nobody else can see: temporary tables of one session, gone with it however it ends.

A build of the database would have to be kept from readers and from the machine, and swept up after a kill. A temporary
table is all of that by nature. Once the tables are made the session is read-only: PostgreSQL itself refuses to let it
write to anything but them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from eventlog.connections import connect
from projections.view import Rows, View
from replay import tables
from replay.builds import TemporaryBuild
from replay.compare import Comparison, compare_here
from replay.fill import EventRefused
from replay.what_if.changes import FAILURES, ModuleUnusable, said
from replay.what_if.reading import Told, refused

SPILL_ROWS = 50_000
"""Rows that a build keeps in memory before it writes them to its table."""


class Filling:
    """Folds what it is told into a sandbox build; a listener of the pass. Events at the positions of `aside` are left
    out: the build in force has set them aside too."""

    def __init__(self, connection: psycopg.Connection[Any], build: TemporaryBuild, aside: frozenset[int]) -> None:
        self.build = build
        self.left_out = 0
        self._aside = aside
        self._connection = connection
        self._rows: Rows = {}
        self._spilled = False

    @property
    def topics(self) -> Collection[str]:
        """What the view is folded from."""
        return self.build.view.topics

    def take(self, page: Sequence[Told]) -> None:
        """Folds a page. Raises EventRefused."""
        view, rows = self.build.view, self._rows
        wanted = [told for told in page if told.fact.position not in self._aside]
        self.left_out += len(page) - len(wanted)
        page = wanted
        self._bring(page)
        for told in page:
            try:
                view.fold(rows, told.fact)
            except FAILURES as problem:
                raise refused(f"view {view.name}", told, problem) from problem
        if len(rows) >= SPILL_ROWS:
            self.write()

    def write(self) -> None:
        """Puts the rows into the table. Raises EventRefused for one that the table cannot take."""
        try:
            tables.write(self._connection, self.build, self._rows)
        except psycopg.OperationalError:  # the server is away or full, which no row is to blame for
            raise
        except FAILURES as problem:
            raise self._unwritable(problem) from problem
        self._rows.clear()
        self._spilled = True

    def _unwritable(self, problem: BaseException) -> EventRefused:
        """Names the first row that cannot be written: they are written together, and the server does not say which."""
        view = self.build.view
        which = "rows"
        for key, row in self._rows.items():
            try:
                tables.write(self._connection, self.build, {key: row})
            except FAILURES as found:
                which, problem = f"row ({', '.join(map(str, key))})", found
                break
        why = f"it has no {problem}" if isinstance(problem, KeyError) else _first_line(problem)
        return EventRefused(f"view {view.name} of {type(view).__module__} makes {which} that no table can take: {why}")

    def _bring(self, page: Sequence[Told]) -> None:
        """Has the rows at hand that the page touches; nothing is in the table before it was first written."""
        missing = [key for told in page for key in self._keys(told) if key not in self._rows]
        if self._spilled:
            self._rows.update(tables.load(self._connection, self.build, missing))
        else:
            self._rows.update(dict.fromkeys(missing))

    def _keys(self, told: Told) -> Sequence[Any]:
        view = self.build.view
        try:
            return view.keys(told.fact)
        except FAILURES as problem:
            raise refused(f"view {view.name}", told, problem) from problem


class Pair(NamedTuple):
    """A view as it is and as it would be, and the positions of events that are kept from each."""

    first: View
    second: View
    first_aside: frozenset[int] = frozenset()
    second_aside: frozenset[int] = frozenset()


class Sandbox:
    """A session with pairs of builds. Raises ModuleUnusable for a view whose columns make no table."""

    def __init__(self, connection: psycopg.Connection[Any], pairs: Sequence[Pair]) -> None:
        self.connection = connection
        self.pairs: list[tuple[Filling, Filling]] = []
        for place, (old, new, *aside) in enumerate(pairs):
            first, second = (
                TemporaryBuild(view, number, "past", 0, f"what_if_{place}_{number}")
                for number, view in enumerate((old, new), 1)
            )
            for build in (first, second):
                _create(connection, build)
            self.pairs.append((Filling(connection, first, aside[0]), Filling(connection, second, aside[1])))
        connection.execute("set session characteristics as transaction read only")

    @property
    def listeners(self) -> list[Filling]:
        """All builds, to be told the history."""
        return [filling for pair in self.pairs for filling in pair]

    def settle(self) -> None:
        """Ends the telling: all rows are in their tables, ready to be asked."""
        for filling in self.listeners:
            filling.write()
            self.connection.execute(sql.SQL("analyze {}").format(_qualified(filling.build)))

    def compared(self, position: int, sides: tuple[str, str]) -> list[Comparison]:
        """What differs in each view, once the history up to `position` was told and settled."""
        found = []
        for first, second in self.pairs:
            with self.connection.transaction():
                comparison = compare_here(self.connection, first.build, second.build, position)
            comparison.sides = sides
            found.append(comparison)
        return found


@contextlib.contextmanager
def sandbox(database_url: str, pairs: Sequence[Pair]) -> Iterator[Sandbox]:
    """A sandbox for as long as a block lasts; what it held is dropped at the end, also by the death of this process."""
    with connect(database_url) as connection:
        yield Sandbox(connection, pairs)


def _first_line(problem: BaseException) -> str:
    if isinstance(problem, psycopg.Error) and problem.diag.message_primary:
        return problem.diag.message_primary
    return said(problem)


def _create(connection: psycopg.Connection[Any], build: TemporaryBuild) -> None:
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in build.view.columns.items()
    ]
    key = sql.SQL("primary key ({})").format(sql.SQL(", ").join(map(sql.Identifier, build.view.key)))
    statement = sql.SQL("create temporary table {} ({})")
    try:
        connection.execute(statement.format(_qualified(build), sql.SQL(", ").join([*columns, key])))
    except psycopg.OperationalError:
        raise
    except psycopg.Error as problem:
        view = build.view
        raise ModuleUnusable(
            f"--with: view {view.name} of module {type(view).__module__} has columns that make no table:"
            f" {_first_line(problem)}"
        ) from None


def _qualified(build: TemporaryBuild) -> sql.Identifier:
    return sql.Identifier("pg_temp", build.relation)
