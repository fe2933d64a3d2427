"""Compares two builds of a view at one position: row by row, column by column, in money where it is money.

The database finds the rows that differ; each is then given the events behind it (`replay/causes.py`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

import psycopg

from eventlog.connections import connect
from projections.view import Key, Row, View
from replay import builds, exchanges
from replay.builds import Build

PATIENCE_S = 30.0
PAUSE_S = 0.05
PAGE = 2_000
KEPT_ROWS = 10_000
"""Differences that are kept with their values and causes; the sums are over all of them."""
MERCHANT_COLUMNS = ("merchant_id", "seller_id")
POSITIONS = "select build, position from views.builds where view = %s and build = any(%s)"

Change = Literal["added", "removed", "changed"]


class NotLevel(RuntimeError):
    """The builds stand at different positions, so a difference could be mere delay."""


class Cause(NamedTuple):
    """An event that touched a row."""

    position: int
    topic: str
    recorded_at: datetime


@dataclass
class Difference:
    """One row that differs. `columns` are those that do, with both values: (in the first build, in the second).

    `causes` are the first events that touched the row; `decisive` the first of those that the two versions fold
    differently, none where that cannot be told.
    """

    key: Key
    change: Change
    columns: dict[str, tuple[Any, Any]]
    currency: str | None
    merchant: str | None
    causes: list[Cause] = field(default_factory=list)
    cause_count: int = 0
    last_cause: int | None = None
    decisive: list[Cause] = field(default_factory=list)
    decisive_count: int = 0


@dataclass
class Comparison:
    """What differs between two builds of a view at a position. `money` sums second minus first, by currency and column,
    in minor units; `first` is what is live, `second` what would be."""

    view: str
    first: int
    second: int
    position: int
    rows_first: int
    rows_second: int
    added: int = 0
    removed: int = 0
    changed: int = 0
    columns: dict[str, int] = field(default_factory=dict)
    money: dict[str, dict[str, int]] = field(default_factory=dict)
    merchants: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    since: datetime | None = None
    differences: list[Difference] = field(default_factory=list)
    sides: tuple[str, str] | None = None
    """What the two are called where they are no builds of the database."""

    @property
    def total(self) -> int:
        """How many rows differ."""
        return self.added + self.removed + self.changed

    @property
    def equal(self) -> bool:
        return self.total == 0


def compare(
    database_url: str, first: Build, second: Build, *, kept_rows: int = KEPT_ROWS, patience_s: float = PATIENCE_S
) -> Comparison:
    """Compares in one snapshot in which both builds stand at the same position. Raises NotLevel when none comes."""
    with level(database_url, first, second, patience_s) as (connection, position):
        return compare_here(connection, first, second, position, kept_rows=kept_rows)


@contextlib.contextmanager
def level(
    database_url: str, first: Build, second: Build, patience_s: float = PATIENCE_S
) -> Iterator[tuple[psycopg.Connection[Any], int]]:
    """A snapshot with both builds at the same position, and that position. Raises NotLevel when none comes."""
    deadline = time.monotonic() + patience_s
    with connect(database_url) as connection:
        while True:
            with connection.transaction():
                connection.execute("set transaction isolation level repeatable read, read only")
                standing = _standing(connection, first, second)
                if len(set(standing.values())) == 1:
                    yield connection, standing[first.number]
                    return
            if time.monotonic() > deadline:
                raise NotLevel(
                    f"view {first.view.name}: build {first.number} stands at {standing.get(first.number)} and build"
                    f" {second.number} at {standing.get(second.number)}; is the process `views` running?"
                )
            time.sleep(PAUSE_S)


def compare_here(
    connection: psycopg.Connection[Any], first: Build, second: Build, position: int, *, kept_rows: int = KEPT_ROWS
) -> Comparison:
    """Compares two tables that are known to hold what was true at `position`; part of the caller's transaction."""
    connection.execute("set local enable_hashjoin = on")
    connection.execute("set local enable_mergejoin = on")
    connection.execute("set local enable_seqscan = on")
    connection.execute("set local work_mem = '64MB'")
    return _compared(connection, first, second, position, kept_rows)


def _standing(connection: psycopg.Connection[Any], first: Build, second: Build) -> dict[int, int]:
    return dict(connection.execute(POSITIONS, [first.view.name, [first.number, second.number]]).fetchall())


def _compared(
    connection: psycopg.Connection[Any], first: Build, second: Build, position: int, kept_rows: int
) -> Comparison:
    found = Comparison(
        first.view.name, first.number, second.number, position, _count(connection, first), _count(connection, second)
    )
    money = money_columns(first.view) | money_columns(second.view)
    for difference in _differences(connection, first, second):
        add_difference(found, difference, money)
        if len(found.differences) < kept_rows:
            found.differences.append(difference)
    return found


def money_columns(view: View) -> set[str]:
    """Columns in minor units of the row's currency."""
    return {column for column in view.columns if column.endswith("_minor")}


def add_difference(found: Comparison, difference: Difference, money: set[str]) -> None:
    """Counts a row that differs, and sums its columns of money."""
    setattr(found, difference.change, getattr(found, difference.change) + 1)
    for column, (before, after) in difference.columns.items():
        found.columns[column] = found.columns.get(column, 0) + 1
        if column not in money:
            continue
        amount, currency = (after or 0) - (before or 0), difference.currency or ""
        sums = found.money.setdefault(currency, {})
        sums[column] = sums.get(column, 0) + amount
        if difference.merchant is not None:
            by_merchant = found.merchants.setdefault(difference.merchant, {}).setdefault(currency, {})
            by_merchant[column] = by_merchant.get(column, 0) + amount


def _differences(connection: psycopg.Connection[Any], first: Build, second: Build) -> Iterator[Difference]:
    """Every row that differs, in the order of its key, fetched page by page."""
    shared = [column for column in first.view.columns if column in second.view.columns]
    only_second = [column for column in second.view.columns if column not in first.view.columns]
    key = second.view.key
    with connection.cursor("replay_differences") as cursor:
        cursor.execute(_query(first, second, shared, only_second))
        while page := cursor.fetchmany(PAGE):
            for row in page:
                yield _difference(row, shared, only_second, key)


def _query(first: Build, second: Build, shared: list[str], only_second: list[str]) -> str:
    keys = second.view.key
    joined = " and ".join(f"a.{column} = b.{column}" for column in keys)
    columns = [f"a.{column}" for column in shared]
    columns += [f"b.{column}" for column in (*shared, *only_second)]
    apart = f"({', '.join('a.' + c for c in shared)}) is distinct from ({', '.join('b.' + c for c in shared)})"
    if only_second:
        apart += "".join(f" or b.{column} is not null" for column in only_second)
    order = ", ".join(f"coalesce(a.{column}, b.{column})" for column in keys)
    return (
        f"select a.{keys[0]} is not null, b.{keys[0]} is not null, {', '.join(columns)}"
        f" from {first.table} a full join {second.table} b on {joined} where {apart} order by {order}"
    )


def _difference(row: tuple[Any, ...], shared: list[str], only_second: list[str], key: tuple[str, ...]) -> Difference:
    in_first, in_second, *values = row
    before: Row = dict(zip(shared, values[: len(shared)], strict=True))
    after: Row = dict(zip([*shared, *only_second], values[len(shared) :], strict=True))
    change: Change = "changed" if in_first and in_second else "added" if in_second else "removed"
    seen = after if in_second else before
    columns = {
        column: (before.get(column), after.get(column))
        for column in after
        if before.get(column) != after.get(column) and (change == "changed" or column not in key)
    }
    return Difference(tuple(seen[column] for column in key), change, columns, seen.get("currency"), merchant_of(seen))


def merchant_of(row: Mapping[str, Any]) -> str | None:
    """Whose row it is: by its own column, or by the account's address."""
    for column in MERCHANT_COLUMNS:
        if row.get(column) is not None:
            return str(row[column])
    kind, _, rest = str(row.get("address") or "").partition(":")
    return rest.partition(":")[0] if kind == "merchant" and rest else None


def _count(connection: psycopg.Connection[Any], build: Build) -> int:
    row = connection.execute(f"select count(*) from {build.table}").fetchone()
    return int(row[0]) if row else 0


def newest(connection: psycopg.Connection[Any], view: str) -> tuple[Build, Build]:
    """The live build of a view and the one to hold it against: a newer one, or else the one that was live before."""
    live = builds.find(connection, view, "live")
    try:
        return live, builds.successor(connection, view)
    except builds.NoSuchBuild:
        return live, exchanges.before(connection, view)
