"""The state that each stream of a recorded history ended in, as digests, and where today's aggregates end instead.

What an aggregate decides next depends on its state, so new code that folds old events to another one decides otherwise
about orders and wallets that are under way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from eventlog.mapper import LogMapper
from eventlog.recorded import Recorded
from replay.recorded import RecordedHistory

STREAMS_TOLD = 20
DIGEST_LETTERS = 16


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a stream ended: a digest per field, so that a difference can be named. `position` is its last event's, and
    `version` that event's; of a stream that cannot be folded they are those of the event at which it fails."""

    kind: str
    book: int
    stream_id: UUID
    version: int
    position: str
    fields: dict[str, str]
    folds: bool = True


def replayed_states(history: RecordedHistory) -> tuple[list[State], dict[UUID, str]]:
    """The streams of the history in the order of their first events, folded by today's aggregates, and why those do not
    fold that do not."""
    decode = LogMapper().decode
    aggregates: dict[UUID, Any] = {}
    last: dict[UUID, Recorded] = {}
    problems: dict[UUID, str] = {}
    for row in history.rows:
        stream = row.stream_id
        if stream in problems:
            continue
        last[stream] = row
        try:
            aggregates[stream] = decode(row).mutate(aggregates.get(stream))
        except Exception as problem:  # noqa: BLE001 - whatever an aggregate raises, it is told with the event
            problems[stream] = (
                f"{row.topic} at position {row.position}, version {row.version} of stream {stream}, cannot be folded:"
                f" {str(problem) or type(problem).__name__}"
            )
    states = [
        _where(row, {}, folds=False) if stream in problems else _state(aggregates[stream], row)
        for stream, row in last.items()
    ]
    return states, problems


def _state(aggregate: Any, row: Recorded) -> State:
    fields = {name: _digest(value) for name, value in sorted(vars(aggregate).items()) if not name.startswith("_")}
    return _where(row, fields)


def _where(row: Recorded, fields: dict[str, str], *, folds: bool = True) -> State:
    kind = row.topic.partition(".")[0]
    return State(kind, row.book, row.stream_id, row.version, str(row.position), fields, folds)


def _members(value: Any) -> dict[str, Any]:
    """What an object of the domain keeps, whether in slots or not."""
    slots = [name for owner in type(value).__mro__ for name in getattr(owner, "__slots__", ())]
    return {name: getattr(value, name) for name in slots} | getattr(value, "__dict__", {})


_encode = msgspec.json.Encoder(enc_hook=_members, order="sorted").encode


def _digest(value: Any) -> str:
    return hashlib.sha256(_encode(value)).hexdigest()[:DIGEST_LETTERS]


def write_states(path: Path, states: Iterable[State]) -> None:
    """A line per stream."""
    path.write_bytes(b"".join(msgspec.json.encode(state) + b"\n" for state in states))


def read_states(path: Path) -> list[State]:
    """The states as they were written."""
    return [msgspec.json.decode(line, type=State) for line in path.read_bytes().splitlines()]


def told(golden: Iterable[State], states: Iterable[State], problems: Mapping[UUID, str]) -> str | None:
    """Which streams end otherwise, by kind, with the fields that differ; None when all end as they did."""
    before, after = ({state.stream_id: state for state in found} for found in (golden, states))
    lines = []
    for stream_id in [*before, *(found for found in after if found not in before)]:
        old, new = before.get(stream_id), after.get(stream_id)
        if old != new:
            lines.append(f"  {problems.get(stream_id) or _words(old, new)}")
    if not lines:
        return None
    more = [f"  and {len(lines) - STREAMS_TOLD} more streams"] if len(lines) > STREAMS_TOLD else []
    return "\n".join([f"{len(lines)} of {len(before)} streams end otherwise", *lines[:STREAMS_TOLD], *more])


def _words(old: State | None, new: State | None) -> str:
    seen = new or old
    assert seen is not None  # noqa: S101 - narrowing only
    about = f"{seen.kind} {seen.stream_id} (book {seen.book}) after version {seen.version} at position {seen.position}"
    if old is None or new is None:
        return f"{about}: {'was not recorded' if old is None else 'is not in the history'}"
    if not old.folds:
        return f"{about}: folds now, which it did not"
    names = sorted(name for name in {**old.fields, **new.fields} if old.fields.get(name) != new.fields.get(name))
    if names:
        return f"{about}: other {', '.join(names)}"
    return f"{about}: was recorded after version {old.version} at position {old.position}"
