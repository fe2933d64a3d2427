"""Views that are filled from an archive, or from an archive and the log behind it, are the views of the log."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from eventlog.connections import connect
from eventlog.follower import LogReader
from eventlog.horizon import Horizon
from eventlog.mapper import LogMapper
from projections.registry import views
from replay.archive.reader import ArchiveReader, ArchiveThenLog
from replay.archive.writing import ArchiveExport
from replay.builds import find
from replay.digest import digest
from replay.machine import ViewMachine
from tests.conftest import fresh_database
from tests.projections.ledger import BEGIN, Ledger


def some_business(ledger: Ledger, days: int) -> None:
    for number in range(days):
        for book in (1, 2):
            at = BEGIN + timedelta(days=number)
            ledger.post(book, "bank:main:cash", f"wallet:{number % 5}", 100 + number, at)
            ledger.post(
                book, f"wallet:{number % 5}", "rev:fees", number + 1, at - timedelta(days=3), metadata={"n": "é"}
            )


def filled(database_url: str, reader: LogReader, horizon: Horizon) -> dict[str, str]:
    """What the views are after they have been filled anew from `reader`."""
    machine = ViewMachine(database_url, reader, horizon, LogMapper().decode, list(views().values()), batch_events=50)
    with closing(machine):
        machine.catch_up()
        for view in views().values():
            machine.reset(view)
        machine.catch_up()
    with connect(database_url) as connection:
        return {name: digest(connection, find(connection, name, "live")) for name in views()}


def test_views_filled_from_an_archive_and_the_live_tail_equal_those_of_the_log(ledger: Ledger, tmp_path: Path) -> None:
    some_business(ledger, 20)
    ArchiveExport(ledger.recorder, tmp_path).run()
    some_business(ledger, 5)
    expected = filled(ledger.url, ledger.recorder, ledger.recorder.horizon)
    assert expected["balances"] != "empty"
    with closing(ArchiveReader(tmp_path)) as archive:
        both = ArchiveThenLog(archive, ledger.recorder)
        assert filled(ledger.url, both, ledger.recorder.horizon) == expected


def test_an_empty_database_is_filled_from_an_archive_alone(
    ledger: Ledger, tmp_path: Path, server_url: str, template_database: str
) -> None:
    some_business(ledger, 20)
    ArchiveExport(ledger.recorder, tmp_path).run()
    expected = filled(ledger.url, ledger.recorder, ledger.recorder.horizon)
    with fresh_database(server_url, template_database) as empty, closing(ArchiveReader(tmp_path)) as archive:
        assert filled(empty, archive, archive.horizon) == expected
