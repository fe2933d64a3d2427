"""What a view is: which events it wants, which rows they touch, and how a fact changes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

Key = tuple[Any, ...]
Row = dict[str, Any]
Rows = dict[Key, Row | None]
"""Rows by key while a batch is folded. None stands for a row that is not there, or is to be deleted."""


class Fact(NamedTuple):
    """An event of the log with what its row says about it; `recorded_at` is the database's clock."""

    position: int
    book: int
    stream_id: UUID
    version: int
    recorded_at: datetime
    event: Any


class View(Protocol):
    """A pure fold. `columns` maps each column of the table to its PostgreSQL type; `key` names the primary key.

    The machine loads the rows that `keys` names, folds a batch of facts into them and writes what changed. A fold
    reads and writes no other rows and mutates no value inside a row: it sets columns anew.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def topics(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> Mapping[str, str]: ...
    @property
    def key(self) -> tuple[str, ...]: ...

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        """Keys of the rows that must be loaded before `fact` is folded; none for a view that only adds rows."""
        ...

    def fold(self, rows: Rows, fact: Fact) -> None:
        """Changes `rows` by one fact. Raises whatever it meets in a fact that it does not understand: the machine
        stops or parks, as the view's policy says."""
        ...

    def written(self, row: Row) -> Row:
        """The row as the table keeps it; called once per changed row of a batch, before it is written."""
        ...


class PlainRows:
    """For views whose rows are kept as they are folded."""

    def written(self, row: Row) -> Row:
        return row


def table(view: View) -> str:
    """The physical table of a view's build; readers use the plain SQL view of the view's name."""
    return f"views.{view.name}_v{view.version}"
