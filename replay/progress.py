"""How far rebuilds are, and what became of them, by the record that they leave: for the terminal, the API and metrics.

What is told is read from the database at the moment it is asked for, so that every process can tell it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from projections.queries.reading import Page, Reader, Row, conditions, decoded, page
from replay.builds import FOLLOWED

# A process that works on a rebuild holds the lock of its view (replay/rebuild.py): where nobody does, it was cut off.
_AT_WORK = """
exists (select 1 from pg_locks l
         where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
           and l.database = (select oid from pg_database where datname = current_database())
           and (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('daybook replay of ' || r.view, 0))
"""
_RECORD = f"""
select r.replay_id, r.view, r.build, r.version, r.code_version, r.state, r.problem, r.until, r.scope, r.started_at,
       r.resumed_at, r.ended_at, r.worked_s, r.book, p.parts, p.events, p.position, p.moved_at,
       (select e.book from log.events e where e.position = r.refused_at) as refused_book,
       (select coalesce(min(e.position), 0) from log.events e) as first,
       a.streams_set_aside, a.events_given_up,
       r.ended_at is null and {_AT_WORK} as at_work
  from views.replays r cross join lateral (
       select jsonb_agg(jsonb_build_object('part', part, 'position', position, 'events', events, 'moved_at', updated_at)
                        order by part) as parts,
              coalesce(sum(events), 0)::bigint as events, coalesce(avg(position), 0) as position,
              coalesce(max(updated_at), r.started_at) as moved_at
         from views.replay_parts where replay_id = r.replay_id) p
       cross join lateral (
       select count(distinct stream_id) filter (where discarded is null) as streams_set_aside,
              count(*) filter (where discarded is not null) as events_given_up
         from views.parked where view = r.view and build = r.build) a
"""  # noqa: S608 - texts of ours
# Time that passed while it was cut off is no time that it worked.
_WORKED = """
select told.*, greatest(0, worked_s + extract(epoch from
       coalesce(ended_at, case when at_work then clock_timestamp() else moved_at end)
       - coalesce(resumed_at, started_at)))::float8 as seconds
  from ({record}) told order by started_at desc, replay_id desc
"""
_NEWEST = f"{_RECORD} where true{{where}} order by r.started_at desc, r.replay_id desc limit %(limit)s"
_LATEST = f"""
{_RECORD} where r.replay_id in (
    select distinct on (view) replay_id from views.replays order by view, started_at desc, replay_id desc)
"""  # noqa: S608 - texts of ours
_CONDITIONS = {
    "replay_id": "r.replay_id = %(replay_id)s",
    "view": "r.view = %(view)s",
    "book": "(r.book is null or r.book = %(book)s)",
    "at": "(r.started_at, r.replay_id) < (%(at)s, %(id)s)",
}
EVENTS_READ = """
select r.view, sum(p.events)::bigint as events
  from views.replays r join views.replay_parts p using (replay_id) group by r.view order by r.view
"""
# The age of the first event that a build has not read: 0 once there is none.
STANDING = """
select b.view, b.build, b.state, b.position, coalesce(
       (select greatest(0, extract(epoch from clock_timestamp() - e.recorded_at))
          from log.events e where e.position > b.position order by e.position limit 1), 0)::float8 as lag_s
  from views.builds b where b.state = any(%s) order by b.view, b.build
"""
FOUND = _WORKED.replace("{record}", _NEWEST)
LATEST = _WORKED.replace("{record}", _LATEST)

Status = Literal["running", "interrupted", "done", "failed"]


class PartProgress(NamedTuple):
    """One worker's share: how far along the log it is, and how many events it has read."""

    part: int
    position: int
    events: int
    moved_at: str


@dataclass(frozen=True)
class Progress:
    """How far a rebuild is; `percent` is measured along the log, which takes no counting of events. `seconds` is how
    long it has worked, `first` and `until` the part of the log that it reads, `book` whose rows alone it is about;
    `streams_set_aside` and `events_given_up` are what its build is without now."""

    replay_id: UUID
    view: str
    build: int
    version: int | None
    code_version: str
    state: str
    problem: str | None
    parts: tuple[PartProgress, ...]
    events: int
    percent: float
    seconds: float
    first: int
    until: int
    scope: dict[str, str]
    started_at: datetime
    resumed_at: datetime | None
    ended_at: datetime | None
    at_work: bool
    book: int | None
    refused_book: int | None
    streams_set_aside: int
    events_given_up: int

    @property
    def status(self) -> Status:
        """What a person calls its state: one that nobody works on, and that has not ended, was interrupted."""
        if self.state in ("done", "failed"):
            return "done" if self.state == "done" else "failed"
        return "running" if self.at_work else "interrupted"

    @property
    def events_per_second(self) -> float:
        """Over all the time that it has worked."""
        return self.events / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; None before there is one, and while nobody works on it."""
        if self.status != "running" or not 0 < self.percent < 100:
            return None
        return self.seconds * (100 - self.percent) / self.percent

    @property
    def facts(self) -> dict[str, Any]:
        """All of it in plain values, as the terminal and the API tell it; positions as text."""
        left = self.seconds_left
        return {
            "replay_id": str(self.replay_id),
            "view": self.view,
            "build": self.build,
            "version": self.version,
            "code_version": self.code_version,
            "state": self.status,
            "problem": self.problem,
            "scope": self.scope,
            "from_position": str(self.first),
            "position": str(min((part.position for part in self.parts), default=0)),
            "until": str(self.until),
            "events": self.events,
            "percent": round(self.percent, 2),
            "seconds": round(self.seconds, 3),
            "events_per_second": round(self.events_per_second),
            "streams_set_aside": self.streams_set_aside,
            "events_given_up": self.events_given_up,
            "seconds_left": None if left is None else round(left),
            "parts": [{**part._asdict(), "position": str(part.position)} for part in self.parts],
            "started_at": self.started_at.isoformat(),
            "resumed_at": self.resumed_at and self.resumed_at.isoformat(),
            "ended_at": self.ended_at and self.ended_at.isoformat(),
        }


def progress(connection: psycopg.Connection[Any], replay_id: UUID | None = None, limit: int = 50) -> list[Progress]:
    """Of one rebuild, or of the latest ones, newest first."""
    asked = {"replay_id": replay_id, "limit": limit}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_found(asked), asked).fetchall()
    return [_progress(row) for row in rows]


def replays_page(reader: Reader, book: int, limit: int, cursor: str | None = None, view: str | None = None) -> Page:
    """A page of the rebuilds that a book's people may see, newest first, in plain values. Raises CursorUnreadable."""
    at, last_id = decoded(cursor, tuple[datetime, UUID]) if cursor else (None, None)
    asked = {"book": book, "view": view, "at": at, "id": last_id, "limit": limit + 1}
    found = page(reader.rows(_found(asked), asked, prepare=False, shown=False), limit, _place)
    return Page([_shown(row, book) for row in found.items], found.next_cursor)


def replay_of(reader: Reader, book: int, replay_id: UUID) -> dict[str, Any] | None:
    """One rebuild in plain values; None where there is none that the book's people may see."""
    asked = {"book": book, "replay_id": replay_id, "limit": 1}
    rows = reader.rows(_found(asked), asked, shown=False)
    return _shown(rows[0], book) if rows else None


def latest(reader: Reader) -> list[Progress]:
    """The newest rebuild of each view."""
    return [_progress(row) for row in reader.rows(LATEST, [], shown=False)]


def events_read(reader: Reader) -> dict[str, int]:
    """How many events rebuilds have read, by view, since its first one."""
    return {row["view"]: row["events"] for row in reader.rows(EVENTS_READ, [], shown=False)}


def standing(reader: Reader) -> list[Row]:
    """Where the builds stand that are kept up, with `lag_s`: how long the first event they have not read has waited."""
    return reader.rows(STANDING, [list(FOLLOWED)], shown=False)


def _found(asked: Mapping[str, Any]) -> str:
    return FOUND.replace("{where}", conditions(_CONDITIONS, asked))


def _place(row: Row) -> tuple[datetime, UUID]:
    return row["started_at"], row["replay_id"]


def _shown(row: Row, book: int) -> dict[str, Any]:
    """What ended a rebuild of all books may be an event of another one: then neither stream nor contents are told."""
    told = _progress(row)
    if told.refused_book in (None, book):
        return told.facts
    return {**told.facts, "problem": f"view {told.view} cannot take an event of another book"}


def _progress(row: Row) -> Progress:
    """`until` and the parts are places of the log: so is the average of the parts, and percent lies between."""
    places = {name: row.pop(name) for name in ("position", "moved_at", "worked_s", "parts")}
    reach = row["until"] - row["first"]
    done = row["state"] in {"following", "done"} or reach <= 0
    percent = 100.0 if done else max(0.0, min(100.0, 100.0 * (float(places["position"]) - row["first"]) / reach))
    parts = tuple(PartProgress(**part) for part in places["parts"] or ())
    return Progress(**row, parts=parts, percent=percent)
