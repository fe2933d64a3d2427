"""An archive grows at its end, file by file, and never by a change of what it holds."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from eventlog.connections import connect
from eventlog.memory import MemoryRecorder
from eventlog.postgres import PostgresRecorder
from replay.archive.errors import ArchiveBusy, ArchiveDamaged, ArchiveDiffers, ArchiveNotWritten
from replay.archive.manifest import load
from replay.archive.reader import ArchiveReader
from replay.archive.writing import ArchiveExport
from tests.replay.archive.logs import Clock, append, every_row, parquet_files

ROOT = Path(__file__).resolve().parents[3]


def a_log(count: int = 3_000) -> MemoryRecorder:
    log = MemoryRecorder(Clock(4, timedelta(minutes=3)))
    append(log, count)
    return log


def rows_of(directory: Path) -> list[object]:
    with closing(ArchiveReader(directory)) as archive:
        return list(every_row(archive))


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in parquet_files(directory)}


def test_each_row_is_in_the_file_of_its_own_day_and_a_day_has_one_unless_rows_are_late(tmp_path: Path) -> None:
    log = a_log()
    ArchiveExport(log, tmp_path).run()
    days = {f"day={row.recorded_at.astimezone(UTC).date()}": 0 for row in log.read(0, 10_000)}
    for file in load(tmp_path).files:
        days[file.path.partition("/")[0]] += file.rows
    assert sum(days.values()) == 3_000
    assert min(days.values()) > 0
    assert len(parquet_files(tmp_path)) < 1.5 * len(days)


def test_another_export_adds_what_is_new_and_leaves_every_file_as_it_was(tmp_path: Path) -> None:
    log = a_log(0)
    assert ArchiveExport(log, tmp_path).run().files_in_all == 0
    for number in range(4):
        append(log, 500, seed=number)
        before = contents(tmp_path)
        archived = ArchiveExport(log, tmp_path).run()
        assert (archived.rows, archived.through) == (500, (number + 1) * 500)
        assert before.items() <= contents(tmp_path).items()
        assert rows_of(tmp_path) == every_row(log)
    manifest = (tmp_path / "_manifest.json").stat()
    assert ArchiveExport(log, tmp_path).run().rows == 0
    assert (tmp_path / "_manifest.json").stat() == manifest, "nothing was new"


def test_any_cut_into_exports_gives_the_same_log(tmp_path: Path) -> None:
    log = a_log(400)
    for until in (1, 2, 150, 151, 399, 10_000):
        ArchiveExport(log, tmp_path, until=until).run()
    assert rows_of(tmp_path) == every_row(log)


def test_an_archive_of_one_book_goes_on_behind_events_of_others(tmp_path: Path) -> None:
    log = a_log(100)
    ArchiveExport(log, tmp_path, book=99).run()
    assert (load(tmp_path).through, load(tmp_path).files) == (100, ())
    ArchiveExport(log, tmp_path / "two", book=2).run()
    append(log, 100, seed=5)
    ArchiveExport(log, tmp_path / "two", book=2).run()
    with closing(ArchiveReader(tmp_path / "two")) as archive:
        assert archive.read(0, 1_000, books=[2]) == log.read(0, 1_000, books=[2])


@pytest.mark.parametrize(("book", "after"), [(2, None), (None, None), (1, 9), (1, 101)])
def test_what_would_not_join_an_archive_is_refused(tmp_path: Path, book: int | None, after: int | None) -> None:
    log = a_log(100)
    ArchiveExport(log, tmp_path, book=1, after=10).run()
    append(log, 50, seed=9)
    with pytest.raises(ArchiveDiffers, match="another directory"):
        ArchiveExport(log, tmp_path, book=book, after=after).run()
    assert ArchiveExport(log, tmp_path, book=1, after=100).run().through == 150


def test_an_archive_does_not_begin_where_the_log_has_not_come_to(tmp_path: Path) -> None:
    log = a_log(100)
    with pytest.raises(ArchiveDiffers, match="the log has come to position 100: there is nothing after 101"):
        ArchiveExport(log, tmp_path, after=101).run()
    assert not list(tmp_path.iterdir())
    assert ArchiveExport(log, tmp_path, after=100).run().rows == 0


def test_the_archive_of_another_log_is_not_gone_on_with(tmp_path: Path) -> None:
    ArchiveExport(a_log(200), tmp_path).run()
    other = MemoryRecorder(Clock(1, timedelta(minutes=1)))
    append(other, 300, seed=50)
    for log in (other, a_log(199)):
        with pytest.raises(ArchiveDiffers, match="another log"):
            ArchiveExport(log, tmp_path).run()


def test_two_exports_at_once_do_not_mix(tmp_path: Path) -> None:
    number = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        with pytest.raises(ArchiveBusy):
            ArchiveExport(a_log(10), tmp_path).run()
    finally:
        os.close(number)
    assert ArchiveExport(a_log(10), tmp_path).run().rows == 10


def test_what_an_export_left_that_was_cut_off_is_written_anew_and_nothing_else_is_touched(tmp_path: Path) -> None:
    log = a_log()
    ArchiveExport(log, tmp_path, until=600).run()
    ArchiveExport(log, tmp_path / "whole").run()
    for path in parquet_files(tmp_path / "whole")[-1:]:  # durable, and its manifest was never written
        left = tmp_path / path.relative_to(tmp_path / "whole")
        left.parent.mkdir(exist_ok=True)
        left.write_bytes(path.read_bytes())
        left.with_name(f".{left.name}.part").write_bytes(b"PAR1")
    note = tmp_path / "README.txt"
    note.write_text("ours", encoding="utf-8")
    ArchiveExport(log, tmp_path).run()
    assert rows_of(tmp_path) == every_row(log)
    assert {file.path for file in load(tmp_path).files} == {
        str(path.relative_to(tmp_path)) for path in tmp_path.glob("day=*/*")
    }
    assert note.exists()


def test_parquet_files_that_no_manifest_names_are_not_written_over(tmp_path: Path) -> None:
    log = a_log(500)
    ArchiveExport(log, tmp_path).run()
    for name in (f"from-{7:019d}.parquet", "from-elsewhere.parquet"):
        stray = parquet_files(tmp_path)[0].with_name(name)
        stray.write_bytes(b"PAR1")
        with pytest.raises(ArchiveDamaged, match="not in its manifest"):
            ArchiveExport(log, tmp_path).run()
        stray.unlink()
    (tmp_path / "_manifest.json").unlink()
    with pytest.raises(ArchiveDamaged, match="is missing beside Parquet files"):
        ArchiveExport(log, tmp_path).run()


def test_a_directory_that_is_none_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ArchiveNotWritten, match="File exists"):
        ArchiveExport(a_log(10), tmp_path / "file").run()


def test_rows_at_and_above_the_horizon_wait_for_the_next_export(database_url: str, tmp_path: Path) -> None:
    with closing(PostgresRecorder(database_url)) as log:
        append(log, 20)
        with connect(database_url) as writer, writer.transaction():
            writer.execute("select log.open()")
            append(log, 20, seed=1)
            assert ArchiveExport(log, tmp_path).run().rows == 20
        assert ArchiveExport(log, tmp_path).run().rows == 20
        assert rows_of(tmp_path) == every_row(log)


KILLED = """
import sys
from datetime import timedelta
from pathlib import Path
from eventlog.memory import MemoryRecorder
from replay.archive.writing import ArchiveExport
from tests.replay.archive.logs import Clock, append
log = MemoryRecorder(Clock(4, timedelta(minutes=3)))
append(log, 12_000)
ArchiveExport(log, Path(sys.argv[1])).run(lambda count: print(count, flush=True))
"""


@pytest.mark.parametrize("pages", [1, 3, 5])
def test_an_export_that_was_killed_is_gone_on_with(tmp_path: Path, pages: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        for _ in range(pages):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    survived, log = rows_of(tmp_path), a_log(12_000)
    whole = every_row(log)
    assert survived == whole[: len(survived)]
    ArchiveExport(log, tmp_path).run()
    assert rows_of(tmp_path) == whole
    assert not list(tmp_path.glob("**/*.part"))
