"""Bring the database's schema up to date before anything reads or writes; refuse one that is unsafe to append to.

The migrations are plain SQL files of the folder ``migrations/`` run by yoyo; code never imports them.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict
from yoyo import get_backend, read_migrations
from yoyo.backends.base import DatabaseBackend

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
# One number for every process that migrates: "daybook" as the ASCII bytes of a bigint.
MIGRATION_LOCK = int.from_bytes(b"daybook", "big")


class LogAboveHorizon(RuntimeError):
    """The log holds positions that new events would fall below, so followers would miss them: do not write."""


class MigrationsMissing(RuntimeError):
    """The database lacks migrations that this version of the program needs."""


def migrate(database_url: str) -> list[str]:
    """Apply the migrations that are missing; gives their ids. Raises `LogAboveHorizon` when appending is unsafe.

    Safe to call from many processes at once: a session's advisory lock lets one through at a time. yoyo keeps a lock
    row as well, which a killed process leaves behind; whoever holds our lock knows that such a row is stale.
    """
    with psycopg.connect(database_url, autocommit=True) as guard:
        guard.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        backend = _backend(database_url)
        try:
            backend.break_lock()
            with backend.lock():
                missing = backend.to_apply(read_migrations(str(MIGRATIONS)))
                applied = [migration.id for migration in missing]
                backend.apply_migrations(missing)
        finally:
            backend.connection.close()
        check_horizon(guard)
    return applied


def pending(database_url: str) -> list[str]:
    """Give the ids of the migrations that the database lacks, changing nothing but yoyo's own tables."""
    backend = _backend(database_url)
    try:
        return [migration.id for migration in backend.to_apply(read_migrations(str(MIGRATIONS)))]
    finally:
        backend.connection.close()


def check_horizon(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Raise `LogAboveHorizon` unless every stored position lies below the point where new ones begin.

    That point is the snapshot's xmax and not the horizon: a writer under way holds the horizon back below events that
    others have committed since, and a process that starts beside it must not take that for a damaged log.

    After a logical restore transaction ids start again from a small number and positions made from them would land in
    the past, where no follower looks. The cure is to raise ``log.base()`` above the greatest position.
    """
    row = connection.execute(
        "SELECT max(position) >= log.base() + (pg_snapshot_xmax(pg_current_snapshot())::text::bigint << 20),"
        " max(position) FROM log.events"
    ).fetchone()
    if row is not None and row[0]:
        raise LogAboveHorizon(
            f"the log ends at position {row[1]}, at or above its horizon; after a restore raise log.base() above "
            "((max(position) >> 20) + 1) << 20 before starting"
        )


def _backend(database_url: str) -> DatabaseBackend:
    # Everything goes into the query part: yoyo lower-cases a host name and does not unquote a database name.
    settings = {name: str(value) for name, value in conninfo_to_dict(database_url).items() if value is not None}
    return get_backend(f"postgresql+psycopg:///?{urlencode(settings)}")
