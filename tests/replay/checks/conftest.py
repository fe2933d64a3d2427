"""One sound history per test process; each test gets a copy of it to spoil."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from projections.registry import views
from projections.view import template
from tests.conftest import create_database, drop_database, fresh_database
from tests.replay.checks import history

NO_COPIES = "truncate log.wallet_snapshots, views.builds, views.parked"
"""What was made from the log before it was spoilt would differ from it as well; so would the rows of the views."""


@pytest.fixture(scope="session")
def sound_template(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a database with the history, which each test's own is a copy of."""
    name = f"daybook_sound_{uuid.uuid4().hex[:12]}"
    create_database(server_url, name, template_database)
    try:
        history.make(make_conninfo(server_url, dbname=name), tmp_path_factory.mktemp("engine"))
        yield name
    finally:
        drop_database(server_url, name)


@pytest.fixture
def sound(server_url: str, sound_template: str) -> Iterator[str]:
    """The connection string of a copy of the sound history, with snapshots and views."""
    with fresh_database(server_url, sound_template) as url:
        yield url


@pytest.fixture
def spoilt(sound: str) -> str:
    """A copy that is to be spoilt in its log: without what was made from the log before."""
    with psycopg.connect(sound, autocommit=True) as connection:
        connection.execute(", ".join([NO_COPIES, *(f"views.{template(view)}" for view in views().values())]))
    return sound
