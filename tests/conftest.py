"""What tests share: one PostgreSQL per test process, and a fresh, migrated database for each test that asks for one."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from daybook.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresFailed
from daybook.migrate import migrate

pytest_plugins = ["replay.testing"]
ROOT = Path(__file__).resolve().parent.parent
# Begun first, so that no test process is left with one of these at the end while the others have nothing to do.
LONGEST = ("tests/faults/test_processes_killed.py", "tests/e2e/", "tests/docs/")
# A page's tests share one running copy, as those of the drill do, the tests of a family of commands one engine.
SHARING = ("tests/docs/", "tests/e2e/test_planted_bug_drill", "tests/e2e/test_ledger_", "tests/e2e/test_question_")
RECORDER_THREADS = {"horizon", "notifier", "group-commit"}
MEMORY = Path("/dev/shm")  # noqa: S108 - directories in it get names of their own, as in any other
MEMORY_ENOUGH_BYTES = 4 << 30


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first."""

    def rank(item: pytest.Item) -> int:
        name = item.path.relative_to(ROOT).as_posix()
        return next((place for place, start in enumerate(LONGEST) if name.startswith(start)), len(LONGEST))

    items.sort(key=rank)


class OneProcessForWhatIsShared(LoadScopeScheduling):
    """Gives whichever process is free the next test, or all tests that share what takes seconds to start.

    xdist's own groups are not used: they are lost on the way with this version of pytest, and nothing says so.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((start for start in SHARING if nodeid.startswith(start)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneProcessForWhatIsShared:
    """Asked when the tests run in several processes."""
    config.option.loadscopereorder = False
    return OneProcessForWhatIsShared(config, log)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A server to create databases on: the one of DAYBOOK_TEST_DATABASE_URL, else an embedded one for this process."""
    external = os.environ.get("DAYBOOK_TEST_DATABASE_URL")
    if external:
        yield external
        return
    with temporary_server_directory() as directory:
        server = EmbeddedPostgres(Path(directory))
        try:
            server.start()
        except EmbeddedPostgresFailed as problem:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"no PostgreSQL for this test: {problem}")
        try:
            yield server.conninfo()
        finally:
            server.stop()


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """A recorder that is not closed asks for its dropped database several times a second for the rest of the run."""
    before = set(threading.enumerate())
    yield
    left = {thread.name for thread in set(threading.enumerate()) - before} & RECORDER_THREADS
    assert not left, "close the recorder, or the log, that the test has opened"


@pytest.fixture
def server_directory() -> Iterator[Path]:
    """A directory for a test that starts a server of its own.

    Not under pytest's own directory: for root the server runs under another account, and each start of pytest closes
    that directory to all other accounts, also for the runs that are going on beside it.
    """
    with temporary_server_directory() as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """The name of a database migrated once, which each test's own is a copy of."""
    name = f"daybook_template_{uuid.uuid4().hex[:12]}"
    create_database(server_url, name)
    try:
        migrate(make_conninfo(server_url, dbname=name))
        yield name
    finally:
        drop_database(server_url, name)


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """The connection string of a fresh, migrated database of this test's own."""
    with fresh_database(server_url, template_database) as url:
        yield url


def temporary_server_directory() -> tempfile.TemporaryDirectory[str]:
    """In DAYBOOK_TEST_DIRECTORY, else in memory where there is plenty.

    The servers' settings stay what they are in production, and SIGKILL loses nothing there either; tests of nothing but
    the disk's speed do not exist, and one that waits for it says less per minute.
    """
    chosen = os.environ.get("DAYBOOK_TEST_DIRECTORY")
    if chosen is None and MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        chosen = str(MEMORY) if shutil.disk_usage(MEMORY).free >= MEMORY_ENOUGH_BYTES else None
    return tempfile.TemporaryDirectory(prefix="daybook-test-", dir=chosen, ignore_cleanup_errors=True)


@contextmanager
def fresh_database(server_url: str, template: str) -> Iterator[str]:
    """The connection string of a copy of `template`; for fixtures that live longer than a test."""
    name = f"daybook_test_{uuid.uuid4().hex[:12]}"
    create_database(server_url, name, template)
    try:
        yield make_conninfo(server_url, dbname=name)
    finally:
        drop_database(server_url, name)


def create_database(server_url: str, name: str, template: str = "template0") -> None:
    """A database of that name; for fixtures that live longer than a test."""
    command = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(command)


def drop_database(server_url: str, name: str) -> None:
    """Away with it."""
    # FORCE: a test that was killed in the middle may have left a connection behind.
    command = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(command)
