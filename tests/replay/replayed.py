"""What a view comes to by its code alone: folded from the beginning in memory, with no build and no checkpoint."""

from __future__ import annotations

from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from eventlog.application import EventLog
from projections.view import Fact, Rows, View

ALL = 10**9


def rows_replayed(log: EventLog, one: View, position: int) -> list[str]:
    """The rows of a view at a position, as lines."""
    rows: Rows = {}
    for row in log.log_recorder.read(0, ALL, topics=one.topics, until=position):
        fact = Fact.of(row, log.log_mapper.decode(row))
        for key in one.keys(fact):
            rows.setdefault(key, None)
        one.fold(rows, fact)
    return sorted(line(one.written(row)) for row in rows.values() if row is not None)


def rows_written(connection: psycopg.Connection[Any], one: View, table: str) -> list[str]:
    """The same of a table."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"select {', '.join(one.columns)} from {table}").fetchall()
    return sorted(map(line, rows))


def line(row: Any) -> str:
    """A row as text, whatever its order of columns."""
    return msgspec.json.encode(dict(row), order="sorted").decode()


def positions(log: EventLog) -> list[int]:
    """Every event's."""
    return [row.position for row in log.log_recorder.read(0, ALL)]
