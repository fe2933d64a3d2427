"""The record of rebuilds: what each was asked for, how far its parts have come, what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from projections.registry import versions
from projections.view import View, in_parts
from replay import builds
from replay.builds import Build
from replay.part import Part

BEGIN = """
insert into views.replays (replay_id, view, build, version, code_version, until, parts, scope, state, book)
values (%(id)s, %(view)s, %(build)s, %(version)s, %(code)s, %(until)s, %(parts)s, %(scope)s, 'filling',
        (select book from log.events where stream_id = any(%(streams)s) limit 1))
"""
PART = "insert into views.replay_parts (replay_id, part, relation) values (%s, %s, %s)"
OPEN = """
select r.replay_id, r.build, r.until, r.parts, r.scope, b.version, b.relation, b.code_version
  from views.replays r join views.builds b on b.view = r.view and b.build = r.build
 where r.view = %s and r.state in ('filling', 'finishing') order by r.started_at desc limit 1
"""
RELATIONS = "select part, relation from views.replay_parts where replay_id = %s order by part"
STATE = """
update views.replays set state = %(state)s, problem = %(problem)s, refused_at = %(refused_at)s,
       ended_at = case when %(state)s in ('done', 'failed') then clock_timestamp() end
 where replay_id = %(id)s
"""
UNTIL = "update views.replays set until = %s where replay_id = %s"
FORGET = "delete from views.replays where replay_id = %s"
# What it has worked is not what has passed: it may have been cut off, and gone on the day after.
RESUME = """
update views.replays r set resumed_at = clock_timestamp(), worked_s = r.worked_s + greatest(0, extract(epoch from
       (select max(p.updated_at) from views.replay_parts p where p.replay_id = r.replay_id)
       - coalesce(r.resumed_at, r.started_at)))
 where r.replay_id = %s
"""


@dataclass(frozen=True)
class Replay:
    """A rebuild under way: `scope` is empty, or names the wallet or the merchant that alone is rebuilt."""

    replay_id: UUID
    build: Build
    until: int
    parts: tuple[Part, ...]
    scope: dict[str, str]


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
    record = {
        "id": replay_id, "view": build.view.name, "build": build.number, "version": build.view.version,
        "code": build.code_version, "until": until, "parts": parts, "scope": Jsonb(scope),
        "streams": [] if streams is None else list(streams),
    }  # fmt: skip
    connection.execute(BEGIN, record)
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
    replay_id, number, until, parts, scope, version, relation, code = row
    made_by = versions().get((view.name, version))
    if made_by is None or version != view.version or code != builds.code_version(view):
        return None
    build = Build(view, number, "filling", 0, relation, code)
    return Replay(replay_id, build, until, _parts(connection, replay_id, build, parts, None), scope)


def resume(connection: psycopg.Connection[Any], replay: Replay) -> None:
    """It goes on now: the time since it was cut off is no work."""
    connection.execute(RESUME, [replay.replay_id])


def give_up(connection: psycopg.Connection[Any], view: View) -> None:
    """Drops whatever an earlier rebuild of the view left half-done; part of the caller's transaction."""
    query = "select build, relation from views.builds where view = %s and state = 'filling'"
    for number, relation in connection.execute(query, [view.name]).fetchall():
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
            " where replay_id = %s and ended_at is null", [problem, replay_id],
        )  # fmt: skip
    connection.execute(sql.SQL("drop table if exists {}").format(sql.Identifier("views", build.relation)))
    connection.execute("delete from views.parked where view = %s and build = %s", [*build.key])
    connection.execute("delete from views.builds where view = %s and build = %s", [*build.key])


def drop_parts(connection: psycopg.Connection[Any], replay_id: UUID, build: Build) -> None:
    """The tables of parts go once their rows are merged."""
    for _, relation in connection.execute(RELATIONS, [replay_id]).fetchall():
        if relation != build.relation:
            connection.execute(sql.SQL("drop table if exists {}").format(sql.Identifier("views", relation)))


def set_state(
    connection: psycopg.Connection[Any],
    replay_id: UUID,
    state: str,
    problem: str | None = None,
    refused_at: int | None = None,
) -> None:
    """Says what a rebuild does now, or how it ended; `refused_at` is the position of an event that ended it."""
    connection.execute(STATE, {"id": replay_id, "state": state, "problem": problem, "refused_at": refused_at})


def set_until(connection: psycopg.Connection[Any], replay_id: UUID, until: int) -> None:
    """The next pass goes on to here."""
    connection.execute(UNTIL, [until, replay_id])


def _parts(
    connection: psycopg.Connection[Any], replay_id: UUID, build: Build, parts: int, streams: tuple[UUID, ...] | None
) -> tuple[Part, ...]:
    rows = connection.execute(RELATIONS, [replay_id]).fetchall()
    return tuple(
        Part(replay_id, Build(build.view, build.number, "filling", 0, relation, build.code_version), n, parts, streams)
        for n, relation in rows
    )
