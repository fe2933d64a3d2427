"""What a view is: which events it wants, which rows they touch, and how a fact changes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from eventlog.recorded import Recorded

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

    @classmethod
    def of(cls, row: Recorded, event: Any) -> Fact:
        """The fact of a row that was decoded to `event`."""
        return cls(row.position, row.book, row.stream_id, row.version, row.recorded_at, event)


class View(Protocol):
    """A pure fold. `columns` maps each column of the table to its PostgreSQL type; `key` names the primary key.

    The machine loads the rows that `keys` names, folds a batch of facts into them and writes what changed. A fold
    reads and writes no other rows and mutates no value inside a row: it sets columns anew.
    """

    def __hash__(self) -> int: ...
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
    @property
    def supersedes(self) -> tuple[str, ...]: ...
    @property
    def stream_column(self) -> str | None: ...
    @property
    def shown(self) -> str: ...
    @property
    def corrections(self) -> Mapping[str, tuple[str, str]]: ...

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

    def merged(self, one: Row, other: Row) -> Row:
        """One row out of two with the same key, each folded from other streams, whichever comes first; of no use to a
        view by stream."""
        ...


class PlainRows:
    """What most views need not say."""

    supersedes: tuple[str, ...] = ()
    """Topics of which, in one stream, only the last event counts for this view: those before it need not be folded."""
    stream_column: str | None = None
    """The key column with the id of the stream that a row comes from, where each row comes from one stream only. Such a
    view is filled in parts; others too, if they override `merged`."""
    shown: str = "select * from {table}"
    """What readers see under the view's name, of the build that is live."""
    corrections: Mapping[str, tuple[str, str]] = {}
    """For a view that money is paid out by: which accounts set a wrong column right. By column of minor units, the
    account that pays when the column should have been more and the one that receives; `{seller_id}` in an address is
    the row's column of that name."""

    def written(self, row: Row) -> Row:
        """Rows are kept as they are folded."""
        return row

    def merged(self, one: Row, other: Row) -> Row:
        """Nothing to merge: rows come from one stream, or the view is filled in one part."""
        raise NotImplementedError


def template(view: View) -> str:
    """The table made for a version of a view: its first build, and the pattern of those that follow."""
    return f"{view.name}_v{view.version}"


def in_parts(view: View) -> bool:
    """Whether several workers can fill the view, each from streams of its own."""
    return view.stream_column is not None or getattr(type(view), "merged", None) is not PlainRows.merged


def touched(view: View, fact: Fact) -> set[Key]:
    """The keys of the rows that a fact adds or changes."""
    keys = set(view.keys(fact))
    if keys:
        return keys
    rows: Rows = {}
    view.fold(rows, fact)
    return set(rows)
