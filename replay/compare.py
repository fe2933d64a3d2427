"""Compares two builds of a view at one position: row by row, column by column, in money where it is money.

The database finds the rows that differ; each is then given the events behind it (`replay/causes.py`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from uuid import UUID

import psycopg

from eventlog.connections import connect
from projections.view import Key, Row, View
from replay import builds, exchanges
from replay.builds import Build
from replay.differing import DifferingRow, differing

PATIENCE_S = 30.0
PAUSE_S = 0.05
KEPT_ROWS = 10_000
"""Differences that are kept with their values and causes; the sums are over all of them."""
MERCHANT_COLUMNS = ("merchant_id", "seller_id")
POSITIONS = "select build, position from views.builds where view = %s and build = any(%s)"
WALLETS = "select wallet_id, currency from views.balances where wallet_id = any(%s)"

Change = Literal["added", "removed", "changed"]


class NotLevel(RuntimeError):
    """The builds stand at different positions, so a difference could be mere delay."""


class Cause(NamedTuple):
    """An event that touched a row."""

    position: int
    topic: str
    recorded_at: datetime


class Booked(NamedTuple):
    """What a row that differs adds to a sum, second minus first, in minor units; no `currency` where it is unknown."""

    currency: str | None
    merchant: str | None
    column: str
    amount_minor: int


@dataclass
class Difference:
    """One row that differs. `columns` are those that do, with both values: (in the first build, in the second).

    `currency` and `merchant` are the row's in the second build, or in the only one that has it; `money` says what moves
    under whom, also where the first build had the row under somebody else.

    `causes` are the first events that touched the row; `decisive` the first of those that the two versions fold
    differently, none where that cannot be told.
    """

    key: Key
    change: Change
    columns: dict[str, tuple[Any, Any]]
    currency: str | None
    merchant: str | None
    currency_before: str | None = None
    money: list[Booked] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    cause_count: int = 0
    last_cause: int | None = None
    decisive: list[Cause] = field(default_factory=list)
    decisive_count: int = 0


@dataclass
class Comparison:
    """What differs between two builds of a view at a position. `money` sums second minus first, by currency and column,
    in minor units; `first` is what is live, `second` what would be. `not_summed` counts rows with money of a currency
    that nobody knows. `since` is about the first `since_rows` of the rows that differ."""

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
    not_summed: int = 0
    since: datetime | None = None
    since_rows: int = 0
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
    """A snapshot with both builds at the same position, and that position. Raises NotLevel when none comes,
    and NoSuchBuild."""
    deadline = time.monotonic() + patience_s
    with connect(database_url) as connection:
        while True:
            with connection.transaction():
                connection.execute("set transaction isolation level repeatable read, read only")
                standing = _standing(connection, first, second)
                if len(standing) < 2:
                    raise builds.NoSuchBuild(f"view {first.view.name}: one of the builds was dropped meanwhile")
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
    for page in differing(connection, first, second):
        currencies = _wallet_currencies(connection, page)
        for row in page:
            difference = difference_of(row, money, currencies)
            add_difference(found, difference)
            if len(found.differences) < kept_rows:
                found.differences.append(difference)
    return found


def money_columns(view: View) -> set[str]:
    """Columns in minor units of the row's currency."""
    return {column for column in view.columns if column.endswith("_minor")}


def difference_of(
    row: DifferingRow, money: Collection[str], currencies: Mapping[Any, str] = MappingProxyType({})
) -> Difference:
    """The difference that a row is; `currencies` says by `wallet_id` what rows are in that do not say it themselves."""
    before, after = row.before or {}, row.after or {}
    old, new = before or after, after or before
    was = _owner(old, new, currencies)
    now = _owner(new, old, currencies)
    columns = {column: (before.get(column), after.get(column)) for column in row.columns}
    change: Change = "added" if row.before is None else "removed" if row.after is None else "changed"
    if was == now:
        amounts = {column: _minor(after, column) - _minor(before, column) for column in columns if column in money}
        booked = [Booked(*now, column, amount) for column, amount in amounts.items()]
    else:  # the row takes all its money with it, also what has not changed
        booked = [
            Booked(*was, column, -minor) for column in before if column in money and (minor := _minor(before, column))
        ]
        booked += [
            Booked(*now, column, minor) for column in after if column in money and (minor := _minor(after, column))
        ]
    return Difference(row.key, change, columns, *now, currency_before=was[0], money=booked)


def _owner(row: Row, other: Row, currencies: Mapping[Any, str]) -> tuple[str | None, str | None]:
    """Currency and merchant of a row. A build that has no column to say it by is taken to mean what the other says."""
    currency, merchant = _currency(row, currencies), merchant_of(row)
    if currency is None and "currency" not in row:
        currency = _currency(other, currencies)
    if not any(column in row for column in (*MERCHANT_COLUMNS, "address")):
        merchant = merchant_of(other)
    return currency, merchant


def _currency(row: Row, currencies: Mapping[Any, str]) -> str | None:
    return row["currency"] if "currency" in row else currencies.get(row.get("wallet_id"))


def _minor(row: Row, column: str) -> int:
    """Minor units; a column that a build keeps as something else than a number is in no sum."""
    value = row.get(column)
    return int(value) if isinstance(value, (int, Decimal)) else 0


def add_difference(found: Comparison, difference: Difference) -> None:
    """Counts a row that differs, and sums its money under whoever had it and whoever has it."""
    setattr(found, difference.change, getattr(found, difference.change) + 1)
    for column in difference.columns:
        found.columns[column] = found.columns.get(column, 0) + 1
    for booked in difference.money:
        if booked.currency is None:
            continue
        _add(found.money.setdefault(booked.currency, {}), booked)
        if booked.merchant is not None:
            _add(found.merchants.setdefault(booked.merchant, {}).setdefault(booked.currency, {}), booked)
    found.not_summed += any(booked.currency is None for booked in difference.money)


def _add(sums: dict[str, int], booked: Booked) -> None:
    sums[booked.column] = sums.get(booked.column, 0) + booked.amount_minor


def _wallet_currencies(connection: psycopg.Connection[Any], page: Sequence[DifferingRow]) -> dict[Any, str]:
    """What the wallets of rows are in that have no currency of their own; a wallet keeps its currency for ever."""
    sides = (side for row in page for side in (row.before, row.after) if side is not None and "currency" not in side)
    wallets = {wallet for side in sides if isinstance(wallet := side.get("wallet_id"), UUID)}
    return dict(connection.execute(WALLETS, [list(wallets)]).fetchall()) if wallets else {}


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
