"""The record of rebuilds: what each was asked for, how far its parts have come, what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from projections.registry import versions
from projections.view import View, in_parts
from replay import builds
from replay.builds import Build
from replay.fill import Part

BEGIN = """
insert into views.replays (replay_id, view, build, until, parts, scope, state)
values (%s, %s, %s, %s, %s, %s, 'filling')
"""
PART = "insert into views.replay_parts (replay_id, part, relation) values (%s, %s, %s)"
OPEN = """
select r.replay_id, r.build, r.until, r.parts, r.scope, r.state, b.version, b.relation, b.code_version
  from views.replays r join views.builds b on b.view = r.view and b.build = r.build
 where r.view = %s and r.state in ('filling', 'finishing') order by r.started_at desc limit 1
"""
RELATIONS = "select part, relation from views.replay_parts where replay_id = %s order by part"
STATE = """
update views.replays set state = %(state)s, problem = %(problem)s,
       ended_at = case when %(state)s in ('done', 'failed') then clock_timestamp() end
 where replay_id = %(id)s
"""
UNTIL = "update views.replays set until = %s where replay_id = %s"
FORGET = "delete from views.replays where replay_id = %s"
PROGRESS = """
select r.replay_id, r.view, r.build, r.state, r.problem, r.until, r.scope, r.started_at, r.ended_at,
       count(*)::int as parts, sum(p.events)::bigint as events, avg(p.position)::numeric as position,
       extract(epoch from coalesce(r.ended_at, clock_timestamp()) - r.started_at)::float8 as seconds,
       (select coalesce(min(position), 0) from log.events) as first
  from views.replays r join views.replay_parts p using (replay_id)
 where %(id)s::uuid is null or r.replay_id = %(id)s
 group by r.replay_id order by r.started_at desc limit %(limit)s
"""


@dataclass(frozen=True)
class Replay:
    """A rebuild under way: `scope` is empty, or names the wallet or the merchant that alone is rebuilt."""

    replay_id: UUID
    build: Build
    until: int
    parts: tuple[Part, ...]
    scope: dict[str, str]


@dataclass(frozen=True)
class Progress:
    """How far a rebuild is; `percent` is measured along the log, which takes no counting of events."""

    replay_id: UUID
    view: str
    build: int
    state: str
    problem: str | None
    parts: int
    events: int
    percent: float
    seconds: float
    until: int
    scope: dict[str, str]
    started_at: datetime
    ended_at: datetime | None

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; None before there is one, and once it is over."""
        if not 0 < self.percent < 100:
            return None
        return self.seconds * (100 - self.percent) / self.percent


def begin(
    connection: psycopg.Connection[Any],
    build: Build,
    until: int,
    workers: int,
    scope: dict[str, str],
    streams: tuple[UUID, ...] | None = None,
) -> Replay:
    """Records a rebuild into an empty build; part of the caller's transaction. A view that cannot be filled in parts is
    filled by one worker whatever was asked for; parts whose rows must be merged have tables of their own."""
    parts = workers if in_parts(build.view) and streams is None else 1
    replay_id = uuid4()
    connection.execute(BEGIN, [replay_id, build.view.name, build.number, until, parts, Jsonb(scope)])
    for number in range(parts):
        relation = build.relation
        if parts > 1 and build.view.stream_column is None:
            relation = f"{build.relation}_p{number}"
            builds.create_table(connection, build.view, relation)
        connection.execute(PART, [replay_id, number, relation])
    return Replay(replay_id, build, until, _parts(connection, replay_id, build, parts, streams), scope)


def unfinished(connection: psycopg.Connection[Any], view: View) -> Replay | None:
    """The rebuild of a view that was cut off, if it was made with the code that is there now."""
    row = connection.execute(OPEN, [view.name]).fetchone()
    if row is None:
        return None
    replay_id, number, until, parts, scope, _, version, relation, code = row
    made_by = versions().get((view.name, version))
    if made_by is None or version != view.version or code != builds.code_version(view):
        return None
    build = Build(view, number, "filling", 0, relation, code)
    return Replay(replay_id, build, until, _parts(connection, replay_id, build, parts, None), scope)


def give_up(connection: psycopg.Connection[Any], view: View) -> None:
    """Drops whatever an earlier rebuild of the view left half-done; part of the caller's transaction."""
    query = "select build, version, relation from views.builds where view = %s and state = 'filling'"
    for number, _, relation in connection.execute(query, [view.name]).fetchall():
        discard(connection, Build(view, number, "filling", 0, relation))


def discard(connection: psycopg.Connection[Any], build: Build) -> None:
    """Drops a build that never was complete, with its parts; its replay's record stays, as failed."""
    found = connection.execute(
        "select replay_id from views.replays where view = %s and build = %s", [*build.key]
    ).fetchall()
    for (replay_id,) in found:
        drop_parts(connection, replay_id, build)
        problem = "given up"
        connection.execute(
            "update views.replays set state = 'failed', problem = coalesce(problem, %s), ended_at = clock_timestamp()"
            " where replay_id = %s and state <> 'failed'", [problem, replay_id],
        )  # fmt: skip
    connection.execute(sql.SQL("drop table if exists {}").format(sql.Identifier("views", build.relation)))
    connection.execute("delete from views.parked where view = %s and build = %s", [*build.key])
    connection.execute("delete from views.builds where view = %s and build = %s", [*build.key])


def drop_parts(connection: psycopg.Connection[Any], replay_id: UUID, build: Build) -> None:
    """The tables of parts go once their rows are merged."""
    for _, relation in connection.execute(RELATIONS, [replay_id]).fetchall():
        if relation != build.relation:
            connection.execute(sql.SQL("drop table if exists {}").format(sql.Identifier("views", relation)))


def set_state(connection: psycopg.Connection[Any], replay_id: UUID, state: str, problem: str | None = None) -> None:
    """Says what a rebuild does now, or how it ended."""
    connection.execute(STATE, {"id": replay_id, "state": state, "problem": problem})


def set_until(connection: psycopg.Connection[Any], replay_id: UUID, until: int) -> None:
    """The next pass goes on to here."""
    connection.execute(UNTIL, [until, replay_id])


def progress(connection: psycopg.Connection[Any], replay_id: UUID | None = None, limit: int = 50) -> list[Progress]:
    """Of one rebuild, or of the latest ones, newest first."""
    rows = connection.execute(PROGRESS, {"id": replay_id, "limit": limit}).fetchall()
    return [_progress(*row) for row in rows]


def _progress(
    replay_id: UUID, view: str, build: int, state: str, problem: str | None, until: int, scope: dict[str, str],
    started_at: datetime, ended_at: datetime | None, parts: int, events: int, position: Any, seconds: float, first: int,
) -> Progress:  # fmt: skip
    reach = until - first
    done = state in {"following", "done"} or reach <= 0
    percent = 100.0 if done else max(0.0, min(100.0, 100.0 * (float(position) - first) / reach))
    return Progress(
        replay_id, view, build, state, problem, parts, events, percent, seconds, until, scope, started_at, ended_at
    )


def _parts(
    connection: psycopg.Connection[Any], replay_id: UUID, build: Build, parts: int, streams: tuple[UUID, ...] | None
) -> tuple[Part, ...]:
    rows = connection.execute(RELATIONS, [replay_id]).fetchall()
    return tuple(
        Part(replay_id, Build(build.view, build.number, "filling", 0, relation, build.code_version), n, parts, streams)
        for n, relation in rows
    )
