"""The key store's files: who may read them, what an erasure leaves of a key, and rotations that are disturbed."""

from __future__ import annotations

import itertools
import json
import os
import random
import sqlite3
import stat
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from domain.sealed import KeysUnavailable, Place, Sealed, SubjectErased
from eventlog.sealing import sqlite_keys
from eventlog.sealing.master_keys import MasterKeys, MasterKeysUnsafe
from eventlog.sealing.seals import KeyedSeals
from tests.contracts.key_stores import sqlite_store

ROOT = Path(__file__).parents[2]
ANNA, BERT = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
PLACE = Place(1, UUID(int=9), 2, "name")
PATIENCE_S = 120.0


class Cut(Exception):
    """Stands for the end of the process."""


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((directory / "keys").iterdir())}


def wrapped(directory: Path, subject: str) -> bytes:
    """The data key as it stands in the file."""
    with closing(sqlite3.connect(directory / "keys" / "subjects.sqlite")) as connection:
        (found,) = connection.execute("select wrapped from data_keys where subject = ?", (subject,)).fetchone()
    return bytes(found)


def master_keys(directory: Path) -> dict[str, bytes]:
    text = (directory / "keys" / "master-keys.json").read_bytes()
    return {version: b64decode(key) for version, key in json.loads(text)["keys"].items()}


def test_a_store_that_nothing_was_sealed_with_has_no_files(server_directory: Path) -> None:
    with closing(sqlite_store(server_directory)) as store:
        assert store.states(1) == []
        assert store.erase(1, ANNA) is None
        assert store.check() is None
        with pytest.raises(KeysUnavailable, match="there is no key store"):
            store.rotate()
    assert list(server_directory.iterdir()) == []


def test_all_files_are_readable_by_their_owner_alone(server_directory: Path) -> None:
    with closing(sqlite_store(server_directory)) as store:
        store.data_key(1, ANNA)
        store.rotate()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (server_directory / "keys").iterdir()}
    assert len(modes) == 4, modes
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((server_directory / "keys").stat().st_mode) == 0o700


def test_master_keys_that_others_may_read_are_refused_until_they_are_put_right(server_directory: Path) -> None:
    with closing(sqlite_store(server_directory)) as store:
        sealed = KeyedSeals(store).seal(ANNA, PLACE, "text")
    path = server_directory / "keys" / "master-keys.json"
    path.chmod(0o640)
    with closing(sqlite_store(server_directory)) as store:
        with pytest.raises(MasterKeysUnsafe, match="make it mode 600"):
            KeyedSeals(store).open(sealed, PLACE)
        path.chmod(0o600)
        assert KeyedSeals(store).open(sealed, PLACE) == "text"


@pytest.mark.parametrize("damage", ["gone", "empty", "another copy's"])
def test_a_lost_or_wrong_file_of_master_keys_is_said_and_never_made_anew(server_directory: Path, damage: str) -> None:
    with closing(sqlite_store(server_directory)) as store:
        KeyedSeals(store).seal(ANNA, PLACE, "text")
    with closing(sqlite_store(server_directory / "other")) as other:
        other.data_key(1, ANNA)
    path = server_directory / "keys" / "master-keys.json"
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes((server_directory / "other/keys/master-keys.json").read_bytes() if damage != "empty" else b"")
    with closing(sqlite_store(server_directory)) as store:
        for act in (lambda: store.known_key(1, ANNA), store.rotate, store.check):
            with pytest.raises(KeysUnavailable):
                act()
        if damage == "gone":
            with pytest.raises(KeysUnavailable):
                store.data_key(1, BERT)
            assert not path.exists()


def test_an_erased_key_is_in_no_file_any_more_neither_plain_nor_wrapped(server_directory: Path) -> None:
    subjects = [str(UUID(int=number)) for number in range(200)]
    gone = subjects[100]
    with closing(sqlite_store(server_directory)) as store:
        keys = {subject: store.data_key(1, subject).key for subject in subjects}
    before = wrapped(server_directory, gone)
    assert any(before in content for content in files(server_directory).values()), "it was there to be erased"
    with closing(sqlite_store(server_directory)) as store:
        store.erase(1, gone)
    for name, content in files(server_directory).items():
        assert keys[gone] not in content, name
        for start in range(0, len(before) - 8, 4):
            assert before[start : start + 8] not in content, f"{name} holds a piece of it"
    assert wrapped(server_directory, subjects[99]) in files(server_directory)["subjects.sqlite"]
    with closing(sqlite_store(server_directory)) as store:
        assert all(store.known_key(1, subject).key == keys[subject] for subject in subjects if subject != gone)


def test_an_erasure_that_was_cut_off_before_it_overwrote_anything_is_finished_by_the_next(
    server_directory: Path,
) -> None:
    with closing(sqlite_store(server_directory)) as store:
        store.data_key(1, ANNA)
    before = wrapped(server_directory, ANNA)
    with closing(sqlite3.connect(server_directory / "keys" / "subjects.sqlite", isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = persist").fetchall()
        connection.execute("update data_keys set wrapped = null, master = null, erased_at = made_at")
    assert any(before in content for content in files(server_directory).values())
    with closing(sqlite_store(server_directory)) as store:
        store.erase(1, ANNA)
    assert [name for name, content in files(server_directory).items() if before in content] == []


def test_erasures_and_rotations_at_once_do_not_get_into_each_others_way(server_directory: Path) -> None:
    subjects = [str(UUID(int=number)) for number in range(1_500)]
    with closing(sqlite_store(server_directory)) as store:
        keys = {subject: store.data_key(1, subject).key for subject in subjects}
    gone = {subject: wrapped(server_directory, subject) for subject in subjects[::400]}
    with worker(server_directory, "use", 5) as using:
        for number, subject in enumerate(gone):
            with worker(server_directory, "rotate"), closing(sqlite_store(server_directory)) as store:
                if number % 2:
                    store.rotate()
                store.erase(1, subject)
        assert int(finish(using)) > 0
    with closing(sqlite_store(server_directory)) as store:
        store.rotate()
        for subject in gone:
            with pytest.raises(SubjectErased):
                store.known_key(1, subject)
        assert all(store.known_key(1, subject).key == keys[subject] for subject in subjects if subject not in gone)
    for name, content in files(server_directory).items():
        assert [subject for subject in gone if keys[subject] in content or gone[subject] in content] == [], name


def test_a_rotation_leaves_neither_the_old_master_key_nor_what_it_wrapped(server_directory: Path) -> None:
    with closing(sqlite_store(server_directory)) as store:
        key = store.data_key(1, ANNA).key
    old, before = master_keys(server_directory)["1"], wrapped(server_directory, ANNA)
    with closing(sqlite_store(server_directory)) as store:
        assert store.rotate().master == 2
        assert store.known_key(1, ANNA).key == key
    assert list(master_keys(server_directory)) == ["2"]
    for name, content in files(server_directory).items():
        assert before not in content, name
        assert old not in content, name


@contextmanager
def worker(directory: Path, work: str, seed: int = 0) -> Iterator[subprocess.Popen[str]]:
    """A process at work on the store, which has said that it is ready."""
    command = [sys.executable, "-m", "tests.eventlog.key_worker", str(directory), work, str(seed)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
            yield process
        finally:
            process.kill()


def finish(process: subprocess.Popen[str]) -> str:
    """What the process says at its end, which is a good one."""
    told, complaints = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, complaints
    return told.strip()


def test_no_read_or_write_fails_while_master_keys_rotate_again_and_again(server_directory: Path) -> None:
    with closing(sqlite_store(server_directory)) as store:
        for number in range(1_500):  # several batches
            store.data_key(2, str(UUID(int=number)))
    with worker(server_directory, "use", 1) as first, worker(server_directory, "use", 2) as second:
        with closing(sqlite_store(server_directory)) as store:
            versions = [store.rotate().master for _ in range(8)]
        assert versions == list(range(2, 10))
        used = [int(finish(process)) for process in (first, second)]
    assert min(used) > 0
    assert list(master_keys(server_directory)) == ["9"]


@pytest.mark.parametrize("seed", range(3))
def test_a_rotation_that_is_killed_is_finished_by_the_next_and_nothing_is_lost(
    server_directory: Path, seed: int
) -> None:
    rng = random.Random(seed)
    with closing(sqlite_store(server_directory)) as store:
        keys = {str(UUID(int=number)): store.data_key(1, str(UUID(int=number))).key for number in range(1_500)}
    with worker(server_directory, "use", seed) as reader:
        for _ in range(6):
            with worker(server_directory, "rotate") as rotating:
                try:
                    rotating.wait(rng.uniform(0, 0.05))
                except subprocess.TimeoutExpired:
                    rotating.kill()
        with closing(sqlite_store(server_directory)) as store:
            store.rotate()
            assert {subject: store.known_key(1, subject).key for subject in keys} == keys
            assert {state.master for state in store.states(1)} == {int(max(master_keys(server_directory)))}
        assert int(finish(reader)) > 0
    assert len(master_keys(server_directory)) == 1


CUTS = {
    "the file has the new key, the store does not know": (sqlite_keys, "target", 0),
    "the store knows, nothing is wrapped anew": (sqlite_keys, "rewrapped", 0),
    "a part is": (sqlite_keys, "rewrapped", 1),
    "all is": (sqlite_keys, "finished", 0),
    "and nobody needs the old key": (MasterKeys, "retire", 0),
}


@pytest.mark.parametrize("point", CUTS)
def test_at_whichever_step_a_rotation_is_cut_off_the_next_resumes_it(
    server_directory: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    owner, name, calls = CUTS[point]
    subjects = [str(UUID(int=number)) for number in range(1_200)]
    with closing(sqlite_store(server_directory)) as store:
        sealed = {subject: KeyedSeals(store).seal(subject, PLACE, subject) for subject in subjects}
    real, left = getattr(owner, name), itertools.count(calls, -1)

    def cut(*values: object, **named: object) -> object:
        if name == "target":
            real(*values, **named)
        if next(left) == 0:
            raise Cut
        return real(*values, **named)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, cut)
        with closing(sqlite_store(server_directory)) as store, pytest.raises(Cut):
            store.rotate()
    with closing(sqlite_store(server_directory)) as store:
        seals = KeyedSeals(store)
        new = seals.seal(ANNA, PLACE, "new")
        assert all(seals.open(one, PLACE) == subject for subject, one in sealed.items())
        done = store.rotate()
        assert (done.master, done.resumed) == (2, True)
        assert all(seals.open(one, PLACE) == subject for subject, one in sealed.items())
        assert seals.open(new, PLACE) == "new"
    assert list(master_keys(server_directory)) == ["2"]


def test_a_file_that_is_no_key_store_is_refused(server_directory: Path) -> None:
    with closing(sqlite_store(server_directory)) as store:
        store.data_key(1, ANNA)
    (server_directory / "keys" / "subjects.sqlite").write_bytes(os.urandom(4096))
    with (
        closing(sqlite_store(server_directory)) as store,
        pytest.raises(KeysUnavailable, match=r"key store .* cannot be used"),
    ):
        KeyedSeals(store).open(Sealed(ANNA, "0" * 32, "A" * 16, "A" * 40), PLACE)
