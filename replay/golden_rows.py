"""The rows that a view made of a recorded history, kept in a file, and what today's code makes of it instead."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from domain.wallet_events import Opened
from eventlog.mapper import LogMapper
from eventlog.recorded import Recorded
from projections.view import Fact, Key, Row, Rows, View
from replay.causes import add_causes
from replay.compare import Comparison, Difference, add_difference, difference_of, money_columns
from replay.differing import DifferingRow, columns_apart
from replay.fill import EventRefused
from replay.recorded import RecordedHistory
from replay.report import amount, shown_value

ROWS_TOLD = 20
LEFT_OUT_MAX = 50
CAUSES_TOLD = 3
LEFT_OUT = "left out: stream"
"""What a line of a file says that is no row; no column has a name with spaces."""
# What JSON has no type for; all else comes back from a file as it went in.
_TYPES: dict[str, Any] = {
    "uuid": UUID | None,
    "timestamptz": datetime | None,
    "date": date | None,
    "uuid[]": list[UUID] | None,
}


@dataclass
class Outcome:
    """What a view makes of a history: its rows in the order of the key as text, and the streams that it cannot take,
    each with the position from which on it is left out, as the machine leaves them out. `problems` says why."""

    rows: list[Row]
    left_out: dict[UUID, int] = field(default_factory=dict)
    problems: dict[UUID, str] = field(default_factory=dict)


class _Refused(Exception):
    """An event that the view, or the code, cannot take."""

    def __init__(self, view: View, row: Recorded, problem: Exception) -> None:
        self.row = row
        super().__init__(
            f"view {view.name} cannot take {row.topic} at position {row.position}, version {row.version} of stream"
            f" {row.stream_id}: {str(problem) or type(problem).__name__}"
        )


def replay(history: RecordedHistory, view: View) -> Outcome:
    """Folds the history; where an event is refused it begins again without that stream's rest, since nobody can say
    what was done halfway. Raises EventRefused when more than a few streams are refused: that is a view that is broken.
    """
    found = Outcome([])
    while (rows := _tried(history, view, found)) is None:
        if len(found.left_out) > LEFT_OUT_MAX:
            more = f"; {LEFT_OUT_MAX} streams before it were refused too"
            raise EventRefused(list(found.problems.values())[-1] + more)
    made = [_typed(view, msgspec.to_builtins(view.written(dict(row)))) for row in rows.values() if row is not None]
    found.rows = sorted(made, key=lambda row: [str(row[column]) for column in view.key])
    return found


def _tried(history: RecordedHistory, view: View, found: Outcome) -> Rows | None:
    """The rows; None when one more stream has to be left out."""
    try:
        return _folded(history, view, found.left_out)
    except _Refused as refused:
        found.left_out[refused.row.stream_id] = refused.row.position
        found.problems[refused.row.stream_id] = str(refused)
        return None


def _folded(history: RecordedHistory, view: View, left_out: Mapping[UUID, int]) -> Rows:
    rows: Rows = {}
    decode = LogMapper().decode
    topics = frozenset(view.topics)
    for row in history.rows:
        if row.topic not in topics or row.position >= left_out.get(row.stream_id, row.position + 1):
            continue
        try:
            fact = Fact.of(row, decode(row))
            for key in view.keys(fact):
                rows.setdefault(key, None)
            view.fold(rows, fact)
        except Exception as problem:
            raise _Refused(view, row, problem) from problem
    return rows


def write_outcome(path: Path, view: View, found: Outcome) -> None:
    """A line per row, so that a change of the file shows which rows changed; then a line per stream left out."""
    lines: list[Any] = [{column: row[column] for column in view.columns} for row in found.rows]
    lines += [{LEFT_OUT: stream, "position": str(position)} for stream, position in found.left_out.items()]
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def read_outcome(path: Path, view: View) -> Outcome:
    """What was written; a column that the view has since lost is left as it is."""
    found = Outcome([])
    for line in map(msgspec.json.decode, path.read_bytes().splitlines()):
        if LEFT_OUT in line:
            found.left_out[UUID(line[LEFT_OUT])] = int(line["position"])
        else:
            found.rows.append(_typed(view, line))
    return found


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
    money, currencies = money_columns(view), _wallet_currencies(history)
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key), after.get(key)
        if old != new:
            row = DifferingRow(key, old, new, columns_apart(view.key, old, new))
            found.differences.append(difference_of(row, money, currencies))
            add_difference(found, found.differences[-1])
    add_causes(found, [view], history, LogMapper().decode, history.read_streams)
    return found


def _wallet_currencies(history: RecordedHistory) -> dict[UUID, str]:
    """What the wallets of the history are in, as rows about wallets need not say it."""
    currencies, decode = {}, LogMapper().decode
    for row in history.rows:
        if row.topic == Opened.TOPIC:
            with contextlib.suppress(Exception):  # whatever a damaged row raises, its wallet has no currency then
                currencies[row.stream_id] = decode(row).currency
    return currencies


def _by_key(view: View, rows: Iterable[Row]) -> dict[Key, Row]:
    return {tuple(row.get(column) for column in view.key): row for row in rows}


def told(history: RecordedHistory, view: View, golden: Outcome, outcome: Outcome) -> str | None:
    """The message of a failing test: streams that are taken no longer, or now, and rows that differ with what is
    behind them. None when all is as it was."""
    lines = [
        outcome.problems.get(stream, f"view {view.name} takes stream {stream} now, which it had left out")
        for stream in {**golden.left_out, **outcome.left_out}
        if golden.left_out.get(stream) != outcome.left_out.get(stream)
    ]
    found = compared_rows(history, view, golden.rows, outcome.rows)
    if not found.equal:
        lines += _difference_lines(view, found)
    return "\n".join(lines) or None


def _difference_lines(view: View, found: Comparison) -> list[str]:
    counts = f"{found.changed} rows changed, {found.added} added, {found.removed} removed (of {found.rows_first})"
    lines = [f"view {found.view}: {counts}"]
    for currency, sums in sorted(found.money.items()):
        amounts = (f"{column} {amount(sums[column], currency, signed=True)}" for column in sorted(sums))
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
    return lines


def _causes(difference: Difference) -> str:
    if not difference.causes:
        return "behind it: no event of the history"
    shown = [f"{cause.topic} at position {cause.position}" for cause in difference.causes[:CAUSES_TOLD]]
    more = difference.cause_count - len(shown)
    return f"behind it: {', '.join([*shown, f'{more} more'] if more > 0 else shown)}"
