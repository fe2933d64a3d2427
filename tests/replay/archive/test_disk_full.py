"""The disk is full in the middle of an export: it says so, and the archive is what it was."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from eventlog.memory import MemoryRecorder
from replay.archive.reader import ArchiveReader
from replay.archive.writing import ArchiveExport
from tests.replay.archive.logs import Clock, append, every_row

ROOT = Path(__file__).resolve().parents[3]
ROWS, BEFORE = 6_000, 1_000
EXPORT = f"""
import resource, signal, sys
from pathlib import Path
from replay.archive.errors import ArchiveNotWritten
from replay.archive.writing import ArchiveExport
from tests.replay.archive.test_disk_full import a_log
if int(sys.argv[2]):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    ArchiveExport(a_log({ROWS}, int(sys.argv[3])), Path(sys.argv[1])).run()
except ArchiveNotWritten as full:
    sys.exit(str(full))
"""
IN_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size=$3 tmpfs "$1"
cp -r "$2/." "$1"
status=0
"$4" -c "$5" "$1" 0 1 || status=$?
rm -r "$2"
cp -r "$1" "$2"
exit $status
"""


def a_log(count: int, step_minutes: int = 1) -> MemoryRecorder:
    log = MemoryRecorder(Clock(8, timedelta(minutes=step_minutes)))
    append(log, count)
    return log


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The beginning of the log."""
    directory = tmp_path / "archive"
    ArchiveExport(a_log(ROWS), directory, until=BEFORE).run()
    return directory


def run(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def check_goes_on(directory: Path, log: MemoryRecorder, at_least: int = BEFORE) -> None:
    """All that was there is there, nothing else is, and with room the export is done."""
    with closing(ArchiveReader(directory)) as reader:
        found = every_row(reader)
        assert found == every_row(log)[: len(found)]
        assert len(found) >= at_least
        assert list(reader.damages()) == []
        assert len(list(directory.glob("day=*/.*"))) == 0
        assert len(list(directory.glob("day=*/*"))) == len(reader.manifest.files)
    ArchiveExport(log, directory).run()
    with closing(ArchiveReader(directory)) as reader:
        assert every_row(reader) == every_row(log)


@pytest.mark.parametrize("limit", [512, 1_500, 3_000, 30_000])
def test_an_export_that_finds_no_room_leaves_the_archive_valid_and_says_what_to_do(archive: Path, limit: int) -> None:
    """The kernel refuses a write behind `limit` bytes of a file."""
    done = run(sys.executable, "-c", EXPORT, str(archive), str(limit), "1")
    assert done.returncode == 1, done.stdout
    assert "there is no room left" in done.stderr
    assert f"up to position {BEFORE} as before; make room and export again" in done.stderr
    assert "Traceback" not in done.stderr
    check_goes_on(archive, a_log(ROWS))


def test_files_whose_manifest_found_no_room_are_taken_away_again(tmp_path: Path) -> None:
    """Three rows a day: the files stay small while the manifest grows beyond the limit."""
    log = a_log(ROWS, 480)
    ArchiveExport(log, tmp_path, until=BEFORE // 100).run()
    done = run(sys.executable, "-c", EXPORT, str(tmp_path), "4500", "480")
    assert done.returncode == 1, done.stdout
    assert "there is no room left" in done.stderr
    with closing(ArchiveReader(tmp_path)) as reader:
        assert reader.manifest.through > BEFORE // 100, "what was in the manifest before is kept"
    check_goes_on(tmp_path, a_log(100, 480), BEFORE // 100)


@pytest.mark.parametrize("size", ["48k", "100k", "148k"])
def test_a_full_file_system_leaves_the_archive_valid(archive: Path, tmp_path: Path, size: str) -> None:
    """A file system of a few pages, in a mount namespace of its own: full at once, in the middle, near the end."""
    small = tmp_path / "small"
    small.mkdir()
    if run("unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(small)).returncode != 0:
        pytest.skip("mounting is not allowed here")
    command = ("bash", "-c", IN_A_SMALL_DISK, "-", str(small), str(archive), size, sys.executable, EXPORT)
    done = run("unshare", "-rm", *command)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "there is no room left" in done.stderr
    check_goes_on(archive, a_log(ROWS))
