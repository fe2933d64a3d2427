"""Archives of logs that tests only read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from eventlog.memory import MemoryRecorder
from replay.archive.reader import ArchiveReader
from replay.archive.writing import ArchiveExport
from tests.projections.ledger import Ledger
from tests.replay.archive.logs import Clock, append, append_odd


class Archived(NamedTuple):
    """A log and its archive."""

    log: MemoryRecorder
    directory: Path
    reader: ArchiveReader


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archived]:
    """Twelve days, rows out of order around every midnight, one day in several row groups; archived in three goes."""
    directory = tmp_path_factory.mktemp("archive")
    log = MemoryRecorder(Clock(1, timedelta(seconds=90)))
    for part, count in enumerate((5_000, 7, 6_000)):
        if part == 0:
            append_odd(log)
        append(log, count, seed=part)
        ArchiveExport(log, directory).run()
    reader = ArchiveReader(directory)
    yield Archived(log, directory, reader)
    reader.close()


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    """Books on a database of the test's own."""
    made = Ledger(database_url)
    yield made
    made.close()
