"""Reports on rails: written when there is something new, now and then when there is not, and readable by others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from eventlog.connections import connect
from projections.queries.reading import fetch
from rails.guarded import GuardedRail
from rails.port import Authorised, AuthoriseRequest, Unknown
from rails.recorded import RecordedRail
from rails.reports import SIGN_OF_LIFE_SECONDS, STALE_AFTER_SECONDS, Reports, reported
from tests.rails.answering import WITHOUT_KEYS, Answering

REQUEST = AuthoriseRequest("order", 1, "key", 100, "EUR", "tok_visa", capture=False)
HELD, LOST = Authorised("ref", 100, None), Unknown("no reply")
END_SESSIONS = """
select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
"""


class Clock:
    """Seconds that a test counts."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def guard() -> GuardedRail:
    return GuardedRail(Answering(HELD, capabilities=WITHOUT_KEYS), failures=1, timeouts={"authorise": 30.0})


@pytest.fixture
def reader(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(database_url) as connection:
        yield connection


def read(connection: psycopg.Connection[Any]) -> dict[str, dict[str, Any]]:
    return reported(lambda query, parameters: fetch(connection, query, parameters))


def test_a_report_is_written_when_something_has_changed_and_as_a_sign_of_life(
    database_url: str, reader: psycopg.Connection[Any], guard: GuardedRail
) -> None:
    clock = Clock()
    with closing(Reports({"scripted": guard}, lambda: connect(database_url), clock)) as reports:
        assert reports.report() == ["scripted"]
        first = read(reader)["scripted"]
        assert reports.report() == []
        assert read(reader)["scripted"] == first
        guard.authorise(REQUEST)
        assert reports.report() == ["scripted"]
        clock.now += SIGN_OF_LIFE_SECONDS - 1
        assert reports.report() == []
        clock.now += 1
        assert reports.report() == ["scripted"]
    assert read(reader)["scripted"]["reported_at"] > first["reported_at"]


def test_what_was_written_is_what_the_guard_knows(
    database_url: str, reader: psycopg.Connection[Any], guard: GuardedRail
) -> None:
    guard.authorise(REQUEST)
    guard._rail.replies = [LOST]  # type: ignore[attr-defined]
    guard.authorise(REQUEST)
    with closing(Reports({"scripted": guard}, lambda: connect(database_url))) as reports:
        reports.report()
    told = read(reader)["scripted"]
    assert told["stale"] is False
    assert told["capabilities"]["capabilities"][:4] == ["authorise", "capture", "void", "inquire"]
    assert (told["capabilities"]["methods"], told["capabilities"]["currencies"]) == (["card"], None)
    first = told["operations"][0]
    assert [first[name] for name in ("operation", "state", "calls", "failures", "retries", "timeout_ms")] == [
        "authorise", "down", 2, 1, 0, 30_000.0,
    ]  # fmt: skip
    assert 0 < first["p50_ms"] <= first["p99_ms"] <= first["p999_ms"]


def test_rails_that_call_nobody_or_are_there_no_more_are_not_reported(
    database_url: str, reader: psycopg.Connection[Any], guard: GuardedRail
) -> None:
    with closing(Reports({"scripted": guard, "other": guard}, lambda: connect(database_url))) as reports:
        reports.report()
    rails = {"scripted": guard, "recorded": GuardedRail(RecordedRail())}
    with closing(Reports(rails, lambda: connect(database_url))) as reports:
        assert reports.report() == ["scripted"]
    assert set(read(reader)) == {"scripted"}


def test_a_report_that_nobody_has_renewed_says_so(
    database_url: str, reader: psycopg.Connection[Any], guard: GuardedRail
) -> None:
    with closing(Reports({"scripted": guard}, lambda: connect(database_url))) as reports:
        reports.report()
    later = "update rails.health set reported_at = reported_at - make_interval(secs => %s)"
    for seconds, stale in ((STALE_AFTER_SECONDS - 30, False), (60, True)):
        reader.execute(later, [seconds])
        assert read(reader)["scripted"]["stale"] is stale


def test_reports_go_on_after_the_database_was_away(
    database_url: str, reader: psycopg.Connection[Any], guard: GuardedRail
) -> None:
    stop, tries = threading.Event(), []

    def again() -> psycopg.Connection[Any]:
        tries.append(len(tries))
        if len(tries) in (2, 3):
            raise psycopg.OperationalError("away")
        if len(tries) == 4:
            stop.set()
        return connect(database_url)

    with closing(Reports({"scripted": guard}, again, Clock())) as reports, capture_logs() as logs:
        reports.report()
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute(END_SESSIONS)
            admin.execute("truncate rails.health")
        guard.authorise(REQUEST)
        reports.run(stop, 0.01)
    assert len(tries) == 4
    assert [line["event"] for line in logs] == ["rails.health_not_reported"], "told once, not at every try"
    with connect(database_url) as connection:
        assert read(connection)["scripted"]["operations"][0]["calls"] == 1
