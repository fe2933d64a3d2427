"""The rows that a view made of a recorded history, kept in a file, and what today's code makes of it instead."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from eventlog.mapper import LogMapper
from projections.view import Fact, Key, Row, Rows, View
from replay.causes import add_causes
from replay.compare import Change, Comparison, Difference, add_difference, merchant_of, money_columns
from replay.fill import EventRefused
from replay.recorded import RecordedHistory
from replay.report import shown_value

ROWS_TOLD = 20
CAUSES_TOLD = 3
# What JSON has no type for; all else comes back from a file as it went in.
_TYPES: dict[str, Any] = {
    "uuid": UUID | None,
    "timestamptz": datetime | None,
    "date": date | None,
    "uuid[]": list[UUID] | None,
}


def replayed_rows(history: RecordedHistory, view: View) -> list[Row]:
    """What the view makes of the history now, in the order of the key as text. Raises EventRefused, naming the event
    that the code, or the view, cannot take."""
    rows: Rows = {}
    decode = LogMapper().decode
    topics = frozenset(view.topics)
    for row in history.rows:
        if row.topic not in topics:
            continue
        try:
            fact = Fact(row.position, row.book, row.stream_id, row.version, row.recorded_at, decode(row))
            for key in view.keys(fact):
                rows.setdefault(key, None)
            view.fold(rows, fact)
        except Exception as problem:
            raise EventRefused(
                f"view {view.name} cannot take {row.topic} at position {row.position}, version {row.version} of stream"
                f" {row.stream_id}: {str(problem) or type(problem).__name__}"
            ) from problem
    found = [_typed(view, msgspec.to_builtins(view.written(dict(row)))) for row in rows.values() if row is not None]
    return sorted(found, key=lambda row: [str(row[column]) for column in view.key])


def write_rows(path: Path, view: View, rows: Iterable[Row]) -> None:
    """A line per row, so that a change of the file shows which rows changed."""
    lines = [msgspec.json.encode({column: row[column] for column in view.columns}) for row in rows]
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def read_rows(path: Path, view: View) -> list[Row]:
    """The rows as they were written; a column that the view has since lost is left as it is."""
    return [_typed(view, msgspec.json.decode(line)) for line in path.read_bytes().splitlines()]


def _typed(view: View, row: Row) -> Row:
    return {
        column: msgspec.convert(value, _TYPES[kind]) if (kind := view.columns.get(column, "")) in _TYPES else value
        for column, value in row.items()
    }


def compared_rows(history: RecordedHistory, view: View, golden: list[Row], rows: list[Row]) -> Comparison:
    """What differs, in money where it is money, with the events behind each row."""
    end = history.max_notification_id() or 0
    found = Comparison(view.name, 0, 0, end, len(golden), len(rows), sides=("recorded", "replayed"))
    before, after = _by_key(view, golden), _by_key(view, rows)
    for key in [*before, *(key for key in after if key not in before)]:
        difference = _difference(view, key, before.get(key), after.get(key))
        if difference is not None:
            add_difference(found, difference, money_columns(view))
            found.differences.append(difference)
    add_causes(found, [view], history, LogMapper().decode, history.read_streams)
    return found


def _by_key(view: View, rows: Iterable[Row]) -> dict[Key, Row]:
    return {tuple(row.get(column) for column in view.key): row for row in rows}


def _difference(view: View, key: Key, before: Row | None, after: Row | None) -> Difference | None:
    if before == after:
        return None
    change: Change = "added" if before is None else "removed" if after is None else "changed"
    seen, old, new = after or before or {}, before or {}, after or {}
    columns = {
        column: (old.get(column), new.get(column))
        for column in {**old, **new}
        if old.get(column) != new.get(column) and (change == "changed" or column not in view.key)
    }
    return Difference(key, change, columns, seen.get("currency"), merchant_of(seen))


def told(view: View, found: Comparison) -> str:
    """The comparison as the message of a failing test."""
    counts = f"{found.changed} rows changed, {found.added} added, {found.removed} removed (of {found.rows_first})"
    lines = [f"view {found.view}: {counts}"]
    for currency, sums in sorted(found.money.items()):
        amounts = (f"{column} {shown_value(column, sums[column], currency)}" for column in sorted(sums))
        lines.append(f"  in all, replayed minus recorded: {', '.join(amounts)}")
    for difference in found.differences[:ROWS_TOLD]:
        key = ", ".join(f"{name} {part}" for name, part in zip(view.key, difference.key, strict=True))
        lines.append(f"  {difference.change}: {key}")
        for column, (before, after) in difference.columns.items():
            both = (shown_value(column, value, difference.currency) for value in (before, after))
            lines.append(f"    {column}: {' -> '.join(both)}")
        lines.append(f"    {_causes(difference)}")
    if found.total > ROWS_TOLD:
        lines.append(f"  and {found.total - ROWS_TOLD} more rows")
    return "\n".join(lines)


def _causes(difference: Difference) -> str:
    if not difference.causes:
        return "behind it: no event of the history"
    shown = [f"{cause.topic} at position {cause.position}" for cause in difference.causes[:CAUSES_TOLD]]
    more = difference.cause_count - len(shown)
    return f"behind it: {', '.join([*shown, f'{more} more'] if more > 0 else shown)}"
