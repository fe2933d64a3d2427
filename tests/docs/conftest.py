"""One running copy for all pages, and the README's commands on a home where nothing runs, beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from daybook.settings import Settings
from tests.docs.blocks import ROOT, blocks
from tests.docs.reader import Reader, RunningCopy, need_curl


@pytest.fixture(scope="session")
def copies() -> Iterator[Path]:
    """A directory for homes; not under pytest's own, for the reason that tests/conftest.py gives."""
    with tempfile.TemporaryDirectory(prefix="daybook-test-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def readme_on_a_cold_home(copies: Path) -> Iterator[Future[None]]:
    """The README's commands where nothing runs; most of their time is waiting, so other pages go on meanwhile."""
    reader = Reader(copies / "cold", Settings(home=copies / "cold" / "home"))
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(reader.run, blocks(ROOT / "README.md"))


@pytest.fixture(scope="session")
def running_copy(copies: Path) -> Iterator[RunningCopy]:
    """The one copy that all pages are tried on."""
    need_curl()
    with RunningCopy(copies / "running") as copy:
        yield copy


@pytest.fixture(scope="module")
def running_reader(running_copy: RunningCopy, readme_on_a_cold_home: Future[None]) -> Iterator[Reader]:
    """The reader of all pages; the README is tried at the same time. When the last page is read the copy begins to
    stop, while other tests go on."""
    yield running_copy.reader
    running_copy.begin_to_stop()
