"""Spoils a log behind the program's back, event by event: what plants faults for checks to find."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg

from tests.replay.checks.verifying import spoil

STATE = "convert_from(state, 'utf8')::jsonb"
EDIT = f"""
update log.events set state = convert_to(({STATE} || %s::jsonb)::text, 'utf8') where stream_id = %s and version = %s
"""
SHIFT = f"""
update log.events
   set state = convert_to(jsonb_set({STATE}, array[%s], to_jsonb(({STATE} ->> %s)::bigint + %s))::text, 'utf8')
 where stream_id = %s and version >= %s and topic in ('wallet.posted.v1', 'wallet.held.v1')
"""
BECOMES = """
update log.events set topic = %s, state = convert_to(%s, 'utf8') where stream_id = %s and topic = %s
"""
REMOVE = "delete from log.events where stream_id = %s and version = %s"
RENUMBER = "update log.events set version = version - 1 where stream_id = %s and version = %s"
INSERT = """
insert into log.events (position, book, stream_id, version, topic, meta, state)
select max(position) + 1, 1, %s, %s, %s, '{}', convert_to(%s, 'utf8') from log.events
"""
LINE = """
select stream_id, version from log.events where topic = %s and convert_from(state, 'utf8')::jsonb @> %s::jsonb
 order by position
"""

Plant = Callable[[str], Any]
"""Spoils the database at this address; answers what the finding must hold: expected, found."""
NOW = "2026-01-01T00:00:00Z"


def edit(url: str, stream: UUID, version: int, **fields: Any) -> None:
    """Change fields of one event."""
    assert spoil(url, EDIT, json.dumps(fields), stream, version) == 1


def state_of(url: str, stream: UUID, version: int) -> dict[str, Any]:
    """An event's fields."""
    with psycopg.connect(url) as connection:
        query = f"select {STATE} from log.events where stream_id = %s and version = %s"
        found: tuple[dict[str, Any]] | None = connection.execute(query, [stream, version]).fetchone()
    assert found is not None
    return found[0]


def where(url: str, topic: str, **fields: Any) -> tuple[UUID, int]:
    """Stream and version of the last event of a topic with these fields."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(LINE, [topic, json.dumps(fields)]).fetchall()
    stream, version = rows[-1]
    return stream, version


def insert(url: str, stream: UUID, version: int, topic: str, **fields: Any) -> None:
    """Write an event that nobody caused at the end of the log."""
    assert spoil(url, INSERT, stream, version, topic, json.dumps({"timestamp": NOW, **fields})) == 1


def becomes(url: str, stream: UUID, topic: str, other: str, **fields: Any) -> None:
    """Make the event of a topic in a stream another one."""
    assert spoil(url, BECOMES, other, json.dumps({"timestamp": NOW, **fields}), stream, topic) == 1


def last_numbers(url: str, wallet: UUID) -> dict[str, Any]:
    """The last event of a wallet that carries its numbers, with its version."""
    with psycopg.connect(url) as connection:
        query = f"select version, {STATE} from log.events where stream_id = %s and topic = any(%s) order by version"
        rows = connection.execute(query, [wallet, ["wallet.posted.v1", "wallet.held.v1"]]).fetchall()
    version, state = rows[-1]
    assert version == versions(url, wallet), "the wallet's last event is another one"
    return {**state, "version": version}


def versions(url: str, stream: UUID) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select max(version) from log.events where stream_id = %s", [stream]).fetchone()
    assert row is not None
    return int(row[0])


def shift(url: str, wallet: UUID, version: int, field: str, amount: int) -> None:
    """Change the numbers that a wallet carries from a version on."""
    spoil(url, SHIFT, field, field, amount, wallet, version)
