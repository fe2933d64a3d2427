"""Parked streams: events a view could not take, with the later events of their stream waiting behind them in order.

Other streams flow on. After a fix `retry` folds the waiting events in order and the view converges to what it would
have been; `discard` gives up one event for one view, with a reason that stays on record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from eventlog.follower import LogReader
from eventlog.recorded import Recorded
from projections.view import Fact
from replay import tables
from replay.builds import Build, keys_of

BEHIND = "waits behind an earlier event of its stream"
STREAMS = """
select distinct view, build, stream_id
  from views.parked join unnest(%s::text[], %s::int[]) u(view, build) using (view, build)
 where discarded is null
"""
PARK = """
insert into views.parked (view, build, position, stream_id, topic, reason) values (%s, %s, %s, %s, %s, %s)
on conflict (view, build, position) do update set reason = excluded.reason
"""
LIST = """
select view, build, stream_id, position, topic, reason, parked_at, discarded from views.parked
 where (%s::text is null or view = %s) and (%s::uuid is null or stream_id = %s) and (%s or discarded is null)
 order by view, build, position
"""
WAITING = """
select position from views.parked where view = %s and build = %s and stream_id = %s and discarded is null
 order by position
"""
LOCK = "select 1 from views.builds where view = %s and build = %s for update"
FORGET = "delete from views.parked where view = %s and build = %s"
DONE = "delete from views.parked where view = %s and build = %s and position = %s"
DISCARD = """
update views.parked set discarded = %s where view = %s and build = %s and position = %s and discarded is null
"""


class NothingParked(LookupError):
    """No such event is parked for this view; `daybook parked list` shows what is."""


class Parked(NamedTuple):
    """One parked event; `discarded` is the reason why it was given up, None while it waits."""

    view: str
    build: int
    stream_id: UUID
    position: int
    topic: str
    reason: str
    parked_at: Any
    discarded: str | None


def streams(connection: psycopg.Connection[Any], builds: Sequence[Build]) -> dict[tuple[str, int], set[UUID]]:
    """By the key of the build, the streams of which it holds events back."""
    held: dict[tuple[str, int], set[UUID]] = {build.key: set() for build in builds}
    for name, number, stream_id in connection.execute(STREAMS, keys_of(builds), prepare=True):
        held[name, number].add(stream_id)
    return held


def park(connection: psycopg.Connection[Any], build: Build, row: Recorded, reason: str) -> None:
    """Keeps an event aside; part of the caller's transaction."""
    connection.execute(PARK, [*build.key, row.position, row.stream_id, row.topic, reason[:2000]])


def forget(connection: psycopg.Connection[Any], build: Build) -> None:
    """A build that starts anew has nothing parked."""
    connection.execute(FORGET, [*build.key])


def listed(
    connection: psycopg.Connection[Any],
    view: str | None = None,
    stream_id: UUID | None = None,
    *,
    with_discarded: bool = False,
) -> list[Parked]:
    """What is parked, oldest first."""
    rows = connection.execute(LIST, [view, view, stream_id, stream_id, with_discarded]).fetchall()
    return [Parked._make(row) for row in rows]


def retry(
    connection: psycopg.Connection[Any],
    build: Build,
    stream_id: UUID,
    reader: LogReader,
    decode: Callable[[Recorded], Any],
) -> int:
    """Folds a stream's waiting events in order and answers how many; the first that fails again raises what it
    raised, is kept with all behind it, and those before it stay done. Raises NothingParked."""
    view, done = build.view, 0
    while True:
        with connection.transaction():
            connection.execute(LOCK, [*build.key])
            first = connection.execute(WAITING + " limit 1", [*build.key, stream_id]).fetchone()
            if first is None:
                break
            (row,) = reader.read(first[0] - 1, 1)
            fact = Fact.of(row, decode(row))
            rows = tables.load(connection, build, view.keys(fact))
            view.fold(rows, fact)
            tables.write(connection, build, rows)
            connection.execute(DONE, [*build.key, row.position])
        done += 1
    if not done:
        message = f"View {build.name} holds nothing of stream {stream_id} back."
        raise NothingParked(message)
    return done


def discard(connection: psycopg.Connection[Any], build: Build, position: int, reason: str) -> None:
    """Gives one parked event up for this view. What waits behind it stays until `retry`. Raises NothingParked."""
    if connection.execute(DISCARD, [reason, *build.key, position]).rowcount == 0:
        message = f"View {build.name} holds no event at position {position} back."
        raise NothingParked(message)
