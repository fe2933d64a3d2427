"""Checkpoints of the past: builds that end at a position of old, so that a question about then is near to one.

A question folds what lies between a checkpoint and its own position, which is never more than a step of the log. Where
there is no checkpoint so near, one is made of the nearest before it and stays, for the next page and the next question;
of those that were made like this only the last that were asked for are kept. A build that somebody made by
`daybook replay` as of a position is as good a checkpoint, and is never dropped from here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from eventlog.connections import connect
from eventlog.recorded import Recorded
from projections.queries.reading import PastUnderWay
from projections.registry import versions
from replay import builds, parked, replays, tables
from replay.builds import Build
from replay.fill import PartFill
from replay.pages import LogPages
from replay.part import FillOptions

STEP_EVENTS = 10_000
"""The most events of the log that a question folds by itself: what one holds in memory, and what each page costs."""
# One from which other events were left out than from the live build is of no use: the past would not lead to now.
NEAREST = """
select view, build, version, state, relation, position, code_version from views.builds b
 where view = %(view)s and version = %(version)s and code_version = %(code)s and state = 'past'
   and position > 0 and position <= %(position)s and not exists (
       select from views.parked p
        where p.view = b.view and p.build in (b.build, %(live)s) and p.position <= b.position and discarded is not null
        group by p.position having count(*) = 1)
 order by position desc limit 1 for key share
"""
FAR = """
select count(*) > %(step)s
  from (select 1 from log.events where position > %(after)s and position <= %(until)s limit %(step)s + 1) e
"""
# Half a step before the question, so that questions about a little earlier and a little later find it too.
PLACE = "select position from log.events where position <= %s order by position desc offset %s limit 1"
LOCK = "select pg_advisory_lock(hashtextextended('daybook past of ' || %s, 0))"
LEAST_WANTED = """
select view, build, version, state, relation, position, code_version from views.builds
 where view = %s and state = 'past' and asked_at is not null and build <> %s
 order by code_version = %s desc, position > 0 desc, asked_at desc offset %s for update skip locked
"""
BEGINS_AT = "update views.replay_parts set position = %s where replay_id = %s"
ASKED_FOR = "update views.builds set asked_at = clock_timestamp() where view = %s and build = %s"
ENDS_AT = "update views.builds set position = %s, asked_at = clock_timestamp() where view = %s and build = %s"
ASKED_AGAIN = f"{ASKED_FOR} and asked_at < clock_timestamp() - interval '10 seconds'"


def nearest(connection: psycopg.Connection[Any], live: Build, position: int) -> Build | None:
    """The last checkpoint at or before a position that the code of the live build has made, of the events that were not
    given up for that; it is not dropped before the caller's transaction ends."""
    asked = {
        "view": live.view.name, "version": live.view.version, "code": builds.code_version(live.view),
        "position": position, "live": live.number,
    }  # fmt: skip
    row = connection.execute(NEAREST, asked).fetchone()
    return None if row is None else builds.build_of(row, versions())


def is_far(connection: psycopg.Connection[Any], base: Build | None, position: int, step_events: int) -> bool:
    """Whether more of the log than a step lies between a checkpoint, or the beginning, and a position."""
    after = 0 if base is None else base.position
    row = connection.execute(FAR, {"step": step_events, "after": after, "until": position}).fetchone()
    return bool(row and row[0])


def asked_again(connection: psycopg.Connection[Any], build: Build) -> None:
    """It was of use, and is dropped the later; one that was not made from here is left as it is."""
    connection.execute(ASKED_AGAIN, [*build.key])


class Checkpoints:
    """Makes checkpoints, one at a time for each view whatever the number of processes, and drops those that were not
    asked for longest. `kept_max` is how many of each view."""

    def __init__(
        self, database_url: str, decode: Callable[[Recorded], Any], kept_max: int, step_events: int = STEP_EVENTS
    ) -> None:
        self._url, self._decode = database_url, decode
        self._kept_max, self.step_events = kept_max, step_events

    def bring_near(self, live: Build, position: int) -> None:
        """Makes a checkpoint that is near to a position, unless somebody did so meanwhile. Raises PastUnderWay when
        another process is at it for longer than a caller can be left waiting."""
        with connect(self._url) as read, connect(self._url) as write:
            # Between two batches of a long log the transaction is idle, and nobody waits for it: it writes no event.
            write.execute("set idle_in_transaction_session_timeout = 0")
            try:
                write.execute(LOCK, [live.view.name])
            except psycopg.errors.LockNotAvailable:
                raise PastUnderWay(f"view {live.view.name} is being folded to about that moment; ask again") from None
            base = nearest(write, live, position)
            if not is_far(write, base, position, self.step_events):
                return
            row = write.execute(PLACE, [position, self.step_events // 2]).fetchone()
            if row is not None:
                self._fill(read, write, live, self._room_for(write, live, base), int(row[0]))

    def _room_for(self, write: psycopg.Connection[Any], live: Build, base: Build | None) -> Build:
        """An empty build, for the price of those that were not asked for longest, of which the base is none. Of its own
        commit, because its number is taken under a lock that the machine waits for; until it is filled it is at
        position 0 and nobody's base."""
        with write.transaction():
            kept_max = self._kept_max - (1 if base is None else 2)
            number = 0 if base is None else base.number
            parameters = [live.view.name, number, builds.code_version(live.view), max(kept_max, 0)]
            for row in write.execute(LEAST_WANTED, parameters).fetchall():
                unwanted = builds.build_of(row, versions()) or Build(live.view, row[1], row[3], 0, row[4])
                parked.forget(write, unwanted)
                write.execute("delete from views.builds where view = %s and build = %s", [*unwanted.key])
                builds.drop_table(write, unwanted)
            made = builds.create(write, live.view, "past")
            write.execute(ASKED_FOR, [*made.key])
        return made

    def _fill(
        self,
        read: psycopg.Connection[Any],
        write: psycopg.Connection[Any],
        live: Build,
        made: Build,
        position: int,
    ) -> None:
        """The base's rows, and what happened since; in one transaction, so that nobody sees half of it, or drops the
        base meanwhile."""
        with write.transaction():
            base = nearest(write, live, position)
            if base is not None:
                tables.copy(write, base, made)
                parked.take_over(write, base, made)
            replay = replays.begin(write, made, position, 1, {})
            write.execute(BEGINS_AT, [0 if base is None else base.position, replay.replay_id])
            parked.carry(write, made, position, whole=True)
            (part,), options = replay.parts, FillOptions(park=True)
            pages = LogPages(read, part.share, options.page_of(live.view))
            PartFill(pages, write, part, self._decode, options).run(position)
            write.execute(replays.FORGET, [replay.replay_id])
            builds.add_indexes(write, made)
            write.execute(ENDS_AT, [position, *made.key])
