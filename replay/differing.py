"""The rows in which two builds of a view differ, found by PostgreSQL: matched by their key, column by column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg

from projections.view import Key, Row, View
from replay.builds import Build

PAGE = 2_000
_INTEGERS = frozenset({"smallint", "int", "integer", "bigint", "int2", "int4", "int8"})
_NUMBERS = _INTEGERS | {"numeric", "decimal"}
"""Types whose values PostgreSQL, and Python, compare with each other; others are compared as text."""


class KeysDiffer(ValueError):
    """The builds have other keys, so no row of one is a row of the other; the message says what to do."""


class DifferingRow(NamedTuple):
    """A row as each side has it, None where it has none, and the columns that differ: without those of the key where
    only one side has the row."""

    key: Key
    before: Row | None
    after: Row | None
    columns: list[str]


def differing(connection: psycopg.Connection[Any], first: Build, second: Build) -> Iterator[list[DifferingRow]]:
    """Every row that differs, in the order of its key, page by page; part of the caller's transaction.

    A column that only one of the builds has differs where it is not null. Raises KeysDiffer.
    """
    _check_keys(first, second)
    joined = _Joined(first, second)
    with connection.cursor("replay_differences") as cursor:
        cursor.execute(joined.query)
        while page := cursor.fetchmany(PAGE):
            yield [joined.row(values) for values in page]


def _check_keys(first: Build, second: Build) -> None:
    old, new = _key_types(first.view), _key_types(second.view)
    if old == new:
        return
    one, other = (f"build {build.number} has the key ({_key_told(build.view)})" for build in (first, second))
    raise KeysDiffer(
        f"view {first.view.name}: {one} and {other}, so no row of one is a row of the other: ask {first.table} and"
        f" {second.table} for their sums by SQL, or give the view with the new key a name of its own"
    )


def _key_types(view: View) -> list[tuple[str, str]]:
    kinds = ((column, view.columns[column].lower()) for column in view.key)
    return [(column, "integer" if kind in _INTEGERS else kind) for column, kind in kinds]


def _key_told(view: View) -> str:
    return ", ".join(f"{column} {view.columns[column]}" for column in view.key)


class _Joined:
    """The query that holds two tables against each other, and what its rows mean."""

    def __init__(self, first: Build, second: Build) -> None:
        self._old, self._new, self._key = list(first.view.columns), list(second.view.columns), second.view.key
        shared = [column for column in self._old if column in second.view.columns]
        self._as_text = [column for column in shared if not _comparable(first.view, second.view, column)]
        self.query = self._written(first.table, second.table, [c for c in shared if c not in self._as_text])

    def _written(self, first: str, second: str, plain: list[str]) -> str:
        old, new = (", ".join(f"{side}.{column}" for column in plain) for side in "ab")
        as_text = [f"a.{column}::text is distinct from b.{column}::text" for column in self._as_text]
        apart = [f"({old}) is distinct from ({new})", *as_text]
        apart += [f"a.{column} is not null" for column in self._old if column not in self._new]
        apart += [f"b.{column} is not null" for column in self._new if column not in self._old]
        selected = [f"a.{self._key[0]} is not null", f"b.{self._key[0]} is not null", *as_text]
        selected += [f"a.{column}" for column in self._old] + [f"b.{column}" for column in self._new]
        matched = " and ".join(f"a.{column} = b.{column}" for column in self._key)
        order = ", ".join(f"coalesce(a.{column}, b.{column})" for column in self._key)
        return (
            f"select {', '.join(selected)} from {first} a full join {second} b on {matched}"
            f" where {' or '.join(apart)} order by {order}"
        )

    def row(self, values: tuple[Any, ...]) -> DifferingRow:
        in_first, in_second, *rest = values
        texts, rest = rest[: len(self._as_text)], rest[len(self._as_text) :]
        before = dict(zip(self._old, rest[: len(self._old)], strict=True)) if in_first else None
        after = dict(zip(self._new, rest[len(self._old) :], strict=True)) if in_second else None
        same = {column for column, differs in zip(self._as_text, texts, strict=True) if not differs}
        columns = [column for column in columns_apart(self._key, before, after) if column not in same]
        return DifferingRow(tuple((after or before or {})[column] for column in self._key), before, after, columns)


def columns_apart(key: tuple[str, ...], before: Row | None, after: Row | None) -> list[str]:
    """The columns in which two rows differ; a key says nothing where there is one row."""
    old, new = before or {}, after or {}
    names = [*new, *(column for column in old if column not in new)]
    return [c for c in names if old.get(c) != new.get(c) and ((old and new) or c not in key)]


def _comparable(first: View, second: View, column: str) -> bool:
    old, new = first.columns[column].lower(), second.columns[column].lower()
    return old == new or (old in _NUMBERS and new in _NUMBERS)
