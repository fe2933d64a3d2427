"""Parked streams: events a view could not take, with the later events of their stream waiting behind them in order.

Other streams flow on. After a fix `retry` folds the waiting events in order and the view converges to what it would
have been; `discard` gives up one event for one view, with a reason that stays on record. It is the view that the event
is given up for: builds that are made later, and questions about the past, are without it too, whatever code they are
made by, until somebody asks for another try (`reconsider`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from eventlog.follower import LogReader
from eventlog.recorded import Recorded
from projections.view import Fact
from replay import tables
from replay.builds import Build, keys_of

BEHIND = "waits behind an earlier event of its stream"
ASIDE = """
select distinct view, build, stream_id, null::bigint
  from views.parked join unnest(%s::text[], %s::int[]) u(view, build) using (view, build)
 where discarded is null
union all
select view, build, null::uuid, position
  from views.parked join unnest(%s::text[], %s::int[]) u(view, build) using (view, build)
 where discarded is not null and position > %s
"""
HELD = """
select stream_id, min(position) from views.parked where view = %s and build = %s and discarded is null
 group by stream_id
"""
WITHOUT = "select position from views.parked where view = %s and build = %s"
GIVEN_UP = f"{WITHOUT} and discarded is not null"
PARK = """
insert into views.parked (view, build, position, stream_id, topic, reason) values (%s, %s, %s, %s, %s, %s)
on conflict (view, build, position) do update set reason = excluded.reason
"""
# What checkpoints of the past hold back is the live build's affair: nothing waits there to be tried again.
LIST = """
select view, build, stream_id, position, topic, reason, parked_at, discarded from views.parked p
 where (%s::text is null or view = %s) and (%s::uuid is null or stream_id = %s) and (%s or discarded is null)
   and (%s::int is null or build = %s)
   and not exists (select 1 from views.builds b where b.view = p.view and b.build = p.build and b.asked_at is not null)
 order by view, build, position
"""
WAITING = """
select position from views.parked where view = %s and build = %s and stream_id = %s and discarded is null
 order by position
"""
LOCK = "select 1 from views.builds where view = %s and build = %s for update"
FORGET = "delete from views.parked where view = %s and build = %s"
BEGIN_ANEW = f"{FORGET} and discarded is null"
DONE = "delete from views.parked where view = %s and build = %s and position = %s"
DISCARD = """
update views.parked set discarded = %s where view = %s and build = %s and position = %s and discarded is null
"""
RECONSIDER = """
update views.parked set try_again = true where view = %s and build = %s and position = %s and discarded is not null
"""
COPY = """
insert into views.parked (view, build, position, stream_id, topic, reason, parked_at, discarded)
select view, %(to)s, position, stream_id, topic, reason, parked_at, discarded from views.parked p
 where view = %(view)s and {} on conflict do nothing
"""
CARRY = COPY.format(
    "(select state from views.builds b where b.view = p.view and b.build = p.build) = 'live' and discarded is not null"
    " and position <= %(until)s and (%(whole)s or not try_again)"
)
TAKE_OVER = COPY.format("build = %(of)s and discarded is null and not (stream_id = any(%(but)s))")
END = 2**63 - 1


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


class Aside(NamedTuple):
    """What a build does not take now: of these streams nothing, and the events at these positions."""

    streams: set[UUID]
    given_up: set[int]


def aside(connection: psycopg.Connection[Any], builds: Sequence[Build], after: int) -> dict[tuple[str, int], Aside]:
    """By the key of the build, what it is to leave aside of the events that come after a position."""
    found = {build.key: Aside(set(), set()) for build in builds}
    keys = keys_of(builds)
    for name, number, stream_id, position in connection.execute(ASIDE, [*keys, *keys, after], prepare=True):
        if stream_id is not None:
            found[name, number].streams.add(stream_id)
        else:
            found[name, number].given_up.add(position)
    return found


def held(connection: psycopg.Connection[Any], build: Build) -> dict[UUID, int]:
    """The streams of which a build holds events back, each with the position of the first of them."""
    return dict(connection.execute(HELD, [*build.key]).fetchall())


def given_up(connection: psycopg.Connection[Any], build: Build) -> frozenset[int]:
    """The positions of the events that were given up for a build."""
    return frozenset(position for (position,) in connection.execute(GIVEN_UP, [*build.key]).fetchall())


def without(connection: psycopg.Connection[Any], build: Build) -> frozenset[int]:
    """The positions of the events that a build has parked, whether they wait or were given up: just those are not in
    its rows."""
    return frozenset(position for (position,) in connection.execute(WITHOUT, [*build.key]).fetchall())


def carry(connection: psycopg.Connection[Any], made: Build, until: int = END, *, whole: bool = False) -> None:
    """Gives up for a new build what was given up for the live one; part of the caller's transaction. A build of the
    past is to be what the live one was up to a position: `whole` carries also what is to be tried again."""
    connection.execute(CARRY, {"view": made.view.name, "to": made.number, "until": until, "whole": whole})


def take_over(connection: psycopg.Connection[Any], one: Build, made: Build, but: Collection[UUID] = ()) -> None:
    """What waits in a build waits in another too that has its rows, but for some streams; part of the caller's
    transaction."""
    asked = {"view": one.view.name, "of": one.number, "to": made.number, "but": list(but)}
    connection.execute(TAKE_OVER, asked)


def park(connection: psycopg.Connection[Any], build: Build, row: Recorded, reason: str) -> None:
    """Keeps an event aside; part of the caller's transaction."""
    connection.execute(PARK, [*build.key, row.position, row.stream_id, row.topic, reason[:2000]])


def forget(connection: psycopg.Connection[Any], build: Build) -> None:
    """A build that is dropped has nothing parked."""
    connection.execute(FORGET, [*build.key])


def begin_anew(connection: psycopg.Connection[Any], build: Build) -> None:
    """Nothing waits for a build that starts from the beginning; what was given up for it stays so."""
    connection.execute(BEGIN_ANEW, [*build.key])


def listed(
    connection: psycopg.Connection[Any],
    view: str | None = None,
    stream_id: UUID | None = None,
    *,
    build: int | None = None,
    with_discarded: bool = False,
) -> list[Parked]:
    """What is parked, build by build, oldest first."""
    asked = [view, view, stream_id, stream_id, with_discarded, build, build]
    rows = connection.execute(LIST, asked).fetchall()
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


def reconsider(connection: psycopg.Connection[Any], build: Build, position: int) -> None:
    """Lets the next build try an event that was given up. This one stays without it: it has taken later events of the
    stream, and cannot take an earlier one behind them. Raises NothingParked."""
    if connection.execute(RECONSIDER, [*build.key, position]).rowcount == 0:
        message = f"View {build.name} has no discarded event at position {position}."
        raise NothingParked(message)
