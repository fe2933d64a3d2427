"""Verifies a database as the command does, and spoils one as only its owner can."""

from __future__ import annotations

from typing import Any

import psycopg

from eventlog.mapper import LogMapper
from eventlog.postgres import PostgresRecorder
from replay.checks.check import Finding
from replay.verify import Report, chosen_checks, scope_of, verify


def report_of(database_url: str, *names: str, until: int | None = None) -> Report:
    """A pass over the whole log, or up to a position, by all checks or those named."""
    recorder, mapper = PostgresRecorder(database_url), LogMapper()
    try:
        scope = scope_of(recorder, mapper, until)
        return verify(recorder, mapper, scope, chosen_checks(names), partial=until is not None)
    finally:
        recorder.close()


def findings_of(database_url: str, *names: str, until: int | None = None) -> dict[str, list[Finding]]:
    """What was found, by the check that found it."""
    results = report_of(database_url, *names, until=until).results
    return {result.check: result.findings for result in results if result.count}


def spoil(database_url: str, statement: str, *parameters: Any) -> int:
    """Change rows behind the program's back, as the owner; answers how many."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        return connection.execute(statement, parameters).rowcount
