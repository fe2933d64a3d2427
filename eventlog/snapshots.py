"""Wallet snapshots: one disposable row per wallet, so that an engine starts without folding all of history.

A snapshot is never evidence: it can be deleted at any time and is made again from the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import psycopg

SAVE = """
insert into log.wallet_snapshots as s (stream_id, book, version, position, state)
select u.stream_id, u.book, u.version, u.position, u.state::jsonb
  from unnest(%b::uuid[], %b::int[], %b::int[], %b::bigint[], %b::text[]) u(stream_id, book, version, position, state)
on conflict (stream_id) do update set version = excluded.version, position = excluded.position, state = excluded.state
 where s.version < excluded.version
"""
LOAD = """
select stream_id, book, version, position, state::text from log.wallet_snapshots
 where book = any(%b) order by stream_id
"""


class WalletSnapshot(NamedTuple):
    """Where a wallet stood after event `version`, which was at `position`; `state` is the fold's own business."""

    stream_id: UUID
    book: int
    version: int
    position: int
    state: dict[str, Any]


def save(connection: psycopg.Connection[Any], snapshots: Sequence[WalletSnapshot]) -> None:
    """Writes snapshots; an older one never replaces a newer one."""
    states = [msgspec.json.encode(snapshot.state).decode() for snapshot in snapshots]
    columns = [[snapshot[column] for snapshot in snapshots] for column in range(4)]
    connection.execute(SAVE, [*columns, states], prepare=True, binary=True)


def load(connection: psycopg.Connection[Any], books: Sequence[int]) -> list[WalletSnapshot]:
    """All snapshots of the books."""
    rows = connection.execute(LOAD, [list(books)], prepare=True, binary=True).fetchall()
    return [WalletSnapshot(row[0], row[1], row[2], row[3], msgspec.json.decode(row[4])) for row in rows]
