"""Reads and writes the rows of a view's build, set by set: never one statement per event."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import psycopg

from eventlog.arrays import column as packed_column
from eventlog.arrays import sent_type
from projections.view import Key, Row, Rows, View
from replay.builds import Build


@dataclass(frozen=True)
class Statements:
    """The SQL of one build's table, written from the view's columns."""

    load: str
    upsert: str
    delete: str


@cache
def statements(view: View, table: str) -> Statements:
    """Made once per build."""
    columns = ", ".join(view.columns)
    arrays = ", ".join(f"%b::{sent_type(kind)}[]" for kind in view.columns.values())
    cast = ", ".join(c if sent_type(k) == k else f"{c}::{k}" for c, k in view.columns.items())
    keys = ", ".join(view.key)
    key_arrays = ", ".join(f"%b::{view.columns[column]}[]" for column in view.key)
    matched = " and ".join(f"t.{column} = k.{column}" for column in view.key)
    changes = ", ".join(f"{column} = excluded.{column}" for column in view.columns if column not in view.key)
    return Statements(
        load=f"select {', '.join('t.' + c for c in view.columns)} from unnest({key_arrays}) k({keys})"
        f" join {table} t on {matched}",
        upsert=f"insert into {table} ({columns}) select {cast} from unnest({arrays}) u({columns})"
        f" on conflict ({keys}) do update set {changes}",
        delete=f"delete from {table} t using unnest({key_arrays}) k({keys}) where {matched}",
    )


def _key_columns(view: View, keys: Iterable[Key]) -> list[Any]:
    columns = zip(*keys, strict=True)
    return [packed_column(view.columns[name], column) for name, column in zip(view.key, columns, strict=True)]


def load(connection: psycopg.Connection[Any], build: Build, keys: Iterable[Key]) -> Rows:
    """The rows of these keys; None where there is none."""
    view = build.view
    rows: Rows = dict.fromkeys(keys)
    if rows:
        columns = list(view.columns)
        places = [columns.index(column) for column in view.key]
        arrays = _key_columns(view, rows)
        for found in connection.execute(statements(view, build.table).load, arrays, prepare=True):
            rows[tuple(found[place] for place in places)] = dict(zip(columns, found, strict=True))
    return rows


def copy(connection: psycopg.Connection[Any], one: Build, made: Build, but: Collection[UUID] = ()) -> None:
    """Gives a new build the rows of one of the same view, but for those of some streams; part of the caller's
    transaction."""
    columns = ", ".join(one.view.columns)
    query = f"insert into {made.table} ({columns}) select {columns} from {one.table}"
    connection.execute("set local enable_seqscan = on")
    if but:
        connection.execute(f"{query} where not ({one.view.stream_column} = any(%s))", [list(but)])
    else:
        connection.execute(query)
    connection.execute("set local enable_seqscan = off")


def write(connection: psycopg.Connection[Any], build: Build, rows: Rows) -> None:
    """Writes every row there is and deletes the rows that are None."""
    view = build.view
    kept: list[Row] = [view.written(row) for row in rows.values() if row is not None]
    gone = [key for key, row in rows.items() if row is None]
    if gone:
        arrays = _key_columns(view, gone)
        connection.execute(statements(view, build.table).delete, arrays, prepare=True)
    if kept:
        arrays = [packed_column(kind, [row[column] for row in kept]) for column, kind in view.columns.items()]
        connection.execute(statements(view, build.table).upsert, arrays, prepare=True)
