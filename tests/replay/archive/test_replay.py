"""Views that are filled or rebuilt from an archive, and from the log behind it, are the views of the log."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.follower import LogReader
from eventlog.horizon import Horizon
from eventlog.mapper import LogMapper
from projections.registry import view, views
from replay.archive.errors import ArchiveDamaged, ArchiveDiffers
from replay.archive.reader import ArchiveReader, ArchiveThenLog
from replay.archive.writing import ArchiveExport
from replay.builds import find, listed
from replay.digest import digest
from replay.machine import ViewMachine
from replay.rebuild import Wanted, rebuild
from replay.scopes import ScopeRefused
from tests.conftest import fresh_database
from tests.projections.ledger import BEGIN, Ledger
from tests.replay.archive.logs import parquet_files
from tests.replay.history import MERCHANT, History, catch_up, digest_of


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


UNREAD = "update log.events set state = '' where position > %s and position <= %s"
"""So that whoever reads these events from the log fails."""


@pytest.fixture
def history(log: EventLog, database_url: str) -> History:
    made = History(log, seed=9)
    made.open_wallets(6)
    made.write(60)
    made.write_each(3)
    return made


@pytest.fixture
def archive(history: History, log: EventLog, database_url: str, tmp_path: Path) -> Path:
    """Of the middle of the log, and those events are in the log no more; views have read all of it before."""
    begin = log.log_recorder.max_notification_id()
    history.write(60)
    history.write_each(3)
    ArchiveExport(log.log_recorder, tmp_path, after=begin).run()
    end = log.log_recorder.max_notification_id()
    history.write(20)
    catch_up(log, database_url)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("alter table log.events disable trigger all")
        assert owner.execute(UNREAD, [begin, end]).rowcount > 100
    return tmp_path


@pytest.mark.parametrize("name", views())
def test_a_view_is_rebuilt_from_an_archive_and_from_the_log_before_and_behind_it(
    name: str, archive: Path, log: EventLog, database_url: str
) -> None:
    live = digest_of(database_url, name, "live")
    for workers, batch in ((1, 500_000), (3, 40)):
        sizes = {"batch_events": batch, "page_events": 30, "side_by_side_events": 1}
        told = rebuild(database_url, Wanted(view(name), workers, fresh=True, archive=archive, **sizes))
        assert digest_of(database_url, name, "shadow") == live
        assert told.events == len(log.log_recorder.read(0, 10**6, topics=view(name).topics))


@pytest.mark.parametrize(("name", "workers"), [("balances", 1), ("balances", 2), ("wallet_entries", 2)])
def test_a_file_that_is_cut_in_half_ends_the_rebuild_by_name_and_leaves_the_live_build(
    name: str, workers: int, archive: Path, database_url: str
) -> None:
    live = digest_of(database_url, name, "live")
    (file,) = parquet_files(archive)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        ArchiveDamaged, match=rf"{file.name} has \d+ bytes and not the \d+ of the manifest: put it back"
    ):
        rebuild(database_url, Wanted(view(name), workers, archive=archive, side_by_side_events=1))
    assert digest_of(database_url, name, "live") == live
    file.write_bytes(whole)
    told = rebuild(database_url, Wanted(view(name), workers, archive=archive, side_by_side_events=1))
    assert told.resumed_at is not None
    assert digest_of(database_url, name, "shadow") == live


def test_what_cannot_be_rebuilt_from_is_refused_before_anything_is_begun(
    history: History, log: EventLog, database_url: str, tmp_path: Path, server_url: str, template_database: str
) -> None:
    catch_up(log, database_url)
    ArchiveExport(log.log_recorder, tmp_path / "one", book=1).run()
    ArchiveExport(log.log_recorder, tmp_path / "all").run()
    with pytest.raises(ArchiveDiffers, match="holds book 1 alone, and views are filled from all books"):
        rebuild(database_url, Wanted(view("balances"), archive=tmp_path / "one"))
    with pytest.raises(ScopeRefused, match="--archive"):
        rebuild(database_url, Wanted(view("balances"), archive=tmp_path / "all", scope={"merchant": MERCHANT}))
    with pytest.raises(ArchiveDamaged, match=r"_manifest\.json cannot be read"):
        rebuild(database_url, Wanted(view("balances"), archive=tmp_path))
    of_another = pytest.raises(ArchiveDiffers, match="it is the archive of another log")
    with fresh_database(server_url, template_database) as other, of_another:
        rebuild(other, Wanted(view("balances"), archive=tmp_path / "all"))
    with connect(database_url) as connection:
        assert {row["state"] for row in listed(connection)} == {"live"}
