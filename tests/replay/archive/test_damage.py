"""A damaged archive says so, names the file, and gives no row of it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from eventlog.memory import MemoryRecorder
from replay.archive.errors import ArchiveDamaged, ArchiveDiffers
from replay.archive.manifest import Manifest, load, save
from replay.archive.reader import ArchiveReader
from replay.archive.writing import ArchiveExport
from tests.replay.archive.logs import Clock, append, every_row, parquet_files


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[MemoryRecorder, Path]:
    log, directory = MemoryRecorder(Clock(6, timedelta(minutes=4))), tmp_path_factory.mktemp("whole")
    append(log, 2_000)
    ArchiveExport(log, directory).run()
    return log, directory


@pytest.fixture
def copy(whole: tuple[MemoryRecorder, Path], tmp_path: Path) -> Path:
    """An archive to be damaged."""
    return Path(shutil.copytree(whole[1], tmp_path / "archive"))


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_by_a_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    text = bytearray(path.read_bytes())
    text[random.Random(str(path)).randrange(len(text))] ^= 4
    path.write_bytes(text)


def put_another_in_its_place(path: Path) -> None:
    other = next(one for one in parquet_files(path.parents[1]) if one != path)
    path.write_bytes(other.read_bytes())


def make_a_directory_of_it(path: Path) -> None:
    path.unlink()
    path.mkdir()


def read_all(archive: ArchiveReader, given: list[Any]) -> None:
    while page := archive.read(len(given), 50):
        given += page


DAMAGES = [cut_in_half, cut_by_a_byte, flip_a_bit, put_another_in_its_place, Path.unlink, make_a_directory_of_it]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
@pytest.mark.parametrize("index", [0, 3, -1])
def test_no_row_of_a_damaged_file_is_given(
    whole: tuple[MemoryRecorder, Path], copy: Path, damage: Callable[[Path], Any], index: int
) -> None:
    path = parquet_files(copy)[index]
    damage(path)
    entry = next(file for file in load(copy).files if path.match(file.path))
    rows = every_row(whole[0])
    given: list[Any] = []
    with closing(ArchiveReader(copy)) as archive:
        with pytest.raises(ArchiveDamaged, match="put it back from a copy") as told:
            read_all(archive, given)
        assert told.value.path == path
        assert str(path) in str(told.value)
        assert given == rows[: len(given)]
        assert len(given) < entry.first
        with pytest.raises(ArchiveDamaged):
            archive.read(entry.first - 1, 1)
        assert [one.path for one in archive.damages()] == [path]


def test_a_file_that_is_damaged_while_it_is_read_is_noticed_before_it_is_opened_again(copy: Path) -> None:
    path = parquet_files(copy)[0]
    with closing(ArchiveReader(copy)) as archive:
        assert archive.read(0, 1)
        flip_a_bit(path)
        with pytest.raises(ArchiveDamaged, match="sha256"):
            archive.read(0, 1)


@pytest.mark.parametrize("text", [b"", b"{}", b"\x00\xff", b'{"manifest": {}, "sha256": ""}', b"[1, 2"])
def test_a_manifest_that_is_none_is_no_archive(copy: Path, text: bytes) -> None:
    (copy / "_manifest.json").write_bytes(text)
    with pytest.raises(ArchiveDamaged, match=r"_manifest\.json"):
        ArchiveReader(copy)


def test_a_manifest_that_was_cut_off_or_is_missing_is_no_archive(copy: Path) -> None:
    cut_in_half(copy / "_manifest.json")
    with pytest.raises(ArchiveDamaged, match="is no manifest"):
        ArchiveReader(copy)
    (copy / "_manifest.json").unlink()
    with pytest.raises(ArchiveDamaged, match="No such file"):
        ArchiveReader(copy)


def without_a_file(manifest: dict[str, Any]) -> None:
    del manifest["files"][1]


def with_fewer_rows(manifest: dict[str, Any]) -> None:
    manifest["files"][0]["rows"] -= 1


def further(manifest: dict[str, Any]) -> None:
    manifest["through"] += 1


def elsewhere(manifest: dict[str, Any]) -> None:
    manifest["files"][0]["path"] = "../../etc/passwd"


@pytest.mark.parametrize("change", [without_a_file, with_fewer_rows, further, elsewhere], ids=lambda one: one.__name__)
def test_a_manifest_that_was_changed_is_no_archive(copy: Path, change: Callable[[Any], None]) -> None:
    path = copy / "_manifest.json"
    document = json.loads(path.read_bytes())
    change(document["manifest"])
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ArchiveDamaged, match=r"_manifest\.json"):
        ArchiveReader(copy)


def test_the_manifest_of_a_later_format_asks_for_a_newer_program(tmp_path: Path) -> None:
    save(tmp_path, Manifest(format=2))
    with pytest.raises(ArchiveDiffers, match="newer"):
        ArchiveReader(tmp_path)


def test_an_export_does_not_go_on_from_a_file_that_was_changed(whole: tuple[MemoryRecorder, Path], copy: Path) -> None:
    """Of the others only the size is looked at: `damages` reads them all."""
    path = copy / load(copy).files[-1].path
    flip_a_bit(path)
    with pytest.raises(ArchiveDamaged, match="sha256 of the manifest: put it back"):
        ArchiveExport(whole[0], copy).run()


@pytest.mark.parametrize("damage", [cut_in_half, Path.unlink], ids=lambda one: one.__name__)
def test_an_export_does_not_go_on_with_a_file_that_lacks_a_part(
    whole: tuple[MemoryRecorder, Path], copy: Path, damage: Callable[[Path], Any]
) -> None:
    path = parquet_files(copy)[1]
    damage(path)
    with pytest.raises(ArchiveDamaged, match="put it back"):
        ArchiveExport(whole[0], copy).run()
