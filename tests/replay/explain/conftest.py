"""The history that the checks find nothing in, to be explained; nothing is written to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from eventlog.mapper import LogMapper
from eventlog.postgres import PostgresRecorder
from projections.queries import Queries
from replay.explain.history import History
from tests.replay.checks.conftest import sound_template

__all__ = ["sound_template"]

HistoryAt = Callable[..., History]


@pytest.fixture(scope="session")
def books(server_url: str, sound_template: str) -> str:
    """The connection string of the history."""
    return make_conninfo(server_url, dbname=sound_template)


@pytest.fixture(scope="session")
def positions(books: str) -> list[int]:
    """Every position of the log."""
    with psycopg.connect(books) as connection:
        return [row[0] for row in connection.execute("select position from log.events order by position")]


@pytest.fixture
def history(books: str, positions: list[int]) -> Iterator[HistoryAt]:
    """The log of a book (1) up to a position (the last one)."""
    recorder = PostgresRecorder(books)
    queries = Queries(recorder.readers.read)
    yield lambda as_of=positions[-1], book=1: History(queries, LogMapper(), book, as_of)
    recorder.close()
