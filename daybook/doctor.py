"""Findings about the database under the books, and about the keys of the people in them: what would lose money, history
or what may still be read, said before it happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import psycopg
import psycopg.errors

from daybook.migrate import LogAboveHorizon, check_horizon, pending
from domain.sealed import KeysUnavailable
from eventlog.sealing.keys import KeyStore

SUPPORTED = range(15, 19)
# Settings whose other values lose acknowledged events in a crash, or hide a damaged page.
REQUIRED = {
    "fsync": "a crash of the machine loses acknowledged events; set fsync = on",
    "full_page_writes": "a torn page after a crash damages the books; set full_page_writes = on",
    "synchronous_commit": "a commit is acknowledged before it is on disk; set synchronous_commit = on",
    "data_checksums": "a damaged page goes unnoticed; run pg_checksums --enable on the stopped server",
}
STRONG_ENOUGH = {"synchronous_commit": ("on", "remote_apply")}


@dataclass(frozen=True)
class Finding:
    """One check and its answer; `detail` says what was seen and, unless `ok`, what to do."""

    check: str
    ok: bool
    detail: str


Verdict = Literal["healthy", "unhealthy", "unreachable"]


def examine(database_url: str) -> tuple[Verdict, list[Finding]]:
    """Run every check. A database that cannot be reached is a verdict of its own, not an error."""
    try:
        with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as connection:
            findings = [_version(connection), *_settings(connection), *_schema(connection, database_url)]
    except psycopg.OperationalError as problem:
        return "unreachable", [Finding("connection", False, str(problem).strip())]
    return ("healthy" if all(finding.ok for finding in findings) else "unhealthy"), findings


def examine_keys(store: KeyStore) -> Finding:
    """Whether personal data can be sealed and opened. A store that is not there yet is none that is lost."""
    try:
        version = store.check()
    except KeysUnavailable as problem:
        return Finding("keys", False, str(problem))
    return Finding("keys", True, "nothing was sealed yet" if version is None else f"master key {version}")


def _version(connection: psycopg.Connection[tuple[object, ...]]) -> Finding:
    major = connection.info.server_version // 10_000
    if major in SUPPORTED:
        return Finding("server_version", True, f"PostgreSQL {major}")
    return Finding("server_version", False, f"PostgreSQL {major}; use {SUPPORTED[0]} to {SUPPORTED[-1]}")


def _settings(connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[Finding]:
    for name, danger in REQUIRED.items():
        row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
        value = str(row[0]) if row else ""
        ok = value in STRONG_ENOUGH.get(name, ("on",))
        yield Finding(name, ok, value if ok else f"{value}: {danger}")


def _schema(connection: psycopg.Connection[tuple[object, ...]], database_url: str) -> Iterator[Finding]:
    missing = pending(database_url)
    yield Finding(
        "migrations", not missing, f"missing: {', '.join(missing)}; run daybook run" if missing else "applied"
    )
    try:
        check_horizon(connection)
    except LogAboveHorizon as problem:
        yield Finding("horizon", False, str(problem))
    except psycopg.errors.UndefinedTable:
        yield Finding("horizon", False, "there is no event log yet; run daybook run")
    else:
        yield Finding("horizon", True, "above the last event")
