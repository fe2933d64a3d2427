"""A log on a database of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eventlog.application import EventLog
from eventlog.postgres import PostgresRecorder
from projections import registry


@pytest.fixture
def log(database_url: str) -> Iterator[EventLog]:
    made = EventLog(PostgresRecorder(database_url))
    yield made
    made.close()


@pytest.fixture
def planted() -> Iterator[None]:
    """Views of outside the tree may be added during a test; none of them stays."""
    yield
    registry.forget_modules()
