"""Calls `log.append`: turns commands into the function's arrays and its answer back into an outcome per command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from eventsourcing.persistence import IntegrityError

from eventlog import arrays
from eventlog.recorded import NO_META, Meta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsourcing.persistence import StoredEvent, Tracking

APPEND = """
select first_position, refused from log.append(
    %b::int[], %b::uuid[], %b::int[], %b::text[], %b::bytea[], %b::int[], %b::int[], %b::text[], %b::text, %b::bigint)
"""
STORED = """
select e.position, e.topic, e.state from unnest(%b::uuid[], %b::int[]) with ordinality u(s, v, i)
  left join log.events e on e.stream_id = u.s and e.version = u.v order by u.i
"""
_encode_meta = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Command:
    """The events of one `save()`: stored together or not at all, in one book.

    `meta` is one for all events, or one per event.
    """

    events: Sequence[StoredEvent]
    book: int
    meta: Meta | Sequence[Meta] = NO_META


def arguments(commands: Sequence[Command], tracking: Tracking | None = None) -> list[Any]:
    """The parameters of APPEND. Written out in one pass: this is the hot path of every write."""
    owners: list[int] = []
    contexts: list[int] = []
    books: list[int] = []
    metas: list[str] = []
    events: list[StoredEvent] = []
    for number, command in enumerate(commands, 1):
        count = len(command.events)
        owners += [number] * count
        events += command.events
        if isinstance(command.meta, Meta):
            books.append(command.book)
            metas.append(_encode_meta(command.meta).decode())
            contexts += [len(books)] * count
        else:
            contexts += range(len(books) + 1, len(books) + 1 + count)
            books += [command.book] * count
            metas += [_encode_meta(meta).decode() for meta in command.meta]
    owner_numbers = arrays.column("int", owners)
    return [
        owner_numbers,
        arrays.uuids([event.originator_id for event in events]),  # type: ignore[misc]  # ids here are UUIDs, never text
        arrays.column("int", [event.originator_version for event in events]),
        arrays.column("text", [event.topic for event in events]),
        arrays.blobs([event.state for event in events]),
        owner_numbers if contexts == owners else arrays.column("int", contexts),
        arrays.column("int", books),
        arrays.column("text", metas),
        tracking.application_name if tracking else None,
        tracking.notification_id if tracking else None,
    ]


def append(
    connection: psycopg.Connection[Any], commands: Sequence[Command], tracking: Tracking | None = None
) -> list[list[int] | None]:
    """Stores the commands in one transaction; per command its positions, or None where a version was taken.

    Raises psycopg's UniqueViolation when a racing transaction took a version after the function had looked, or when
    the tracking position has been reached already: nothing is stored then.
    """
    row = connection.execute(APPEND, arguments(commands, tracking), prepare=True, binary=True).fetchone()
    if row is None:  # pragma: no branch - the function always answers one row
        message = "log.append answered no row"
        raise psycopg.InternalError(message)
    position, refused = row[0], set(row[1])
    outcomes: list[list[int] | None] = []
    for number, command in enumerate(commands, 1):
        if number in refused:
            outcomes.append(None)
            continue
        outcomes.append(list(range(position, position + len(command.events))))
        position += len(command.events)
    return outcomes


def stored_already(connection: psycopg.Connection[Any], command: Command) -> list[int] | None:
    """The positions of exactly these events if they are in the log: tells our own lost COMMIT from a conflict."""
    parameters = [[e.originator_id for e in command.events], [e.originator_version for e in command.events]]
    rows = connection.execute(STORED, parameters, prepare=True, binary=True).fetchall()
    same = all(
        row[0] is not None and row[1] == event.topic and row[2] == event.state
        for row, event in zip(rows, command.events, strict=True)
    )
    return [row[0] for row in rows] if same else None


def conflict(command: Command) -> IntegrityError:
    """The error of a command whose stream has moved on: reload its aggregates and decide again."""
    streams = ", ".join(sorted({f"{e.originator_id} at version {e.originator_version}" for e in command.events}))
    return IntegrityError(f"The stream has moved on: {streams}. Reload and decide again.")
