"""One contract for seals over every store of data keys."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from domain.sealed import KeysUnavailable, Place, SealBroken, Sealed, SubjectErased
from eventlog.sealing.keys import KeyStore
from eventlog.sealing.seals import KeyedSeals
from tests.contracts.key_stores import Opened, openers

ANNA, BERT = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
STREAM, OTHER_STREAM = UUID(int=1), UUID(int=2)
PLACE = Place(1, STREAM, 2, "name")
TEXT = "Änne Öz 😀"


@dataclass
class Keys:
    """A store, and the ways into it that a test has opened."""

    again: Opened
    opened: list[KeyStore] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = self.another()

    def another(self) -> KeyStore:
        """The same store as another process sees it."""
        self.opened.append(self.again())
        return self.opened[-1]


@pytest.fixture(params=["memory", "sqlite"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Keys]:
    keys = Keys(openers(tmp_path)[request.param])
    yield keys
    for store in keys.opened:
        store.close()


@pytest.fixture
def seals(keys: Keys) -> KeyedSeals:
    return KeyedSeals(keys.store)


def test_what_is_sealed_opens_here_and_in_another_process(keys: Keys, seals: KeyedSeals) -> None:
    sealed = seals.seal(ANNA, PLACE, TEXT)
    assert seals.open(sealed, PLACE) == TEXT
    assert KeyedSeals(keys.another()).open(sealed, PLACE) == TEXT
    assert seals.open(seals.seal(ANNA, PLACE, ""), PLACE) == ""


def test_a_sealed_field_is_plain_json_and_shows_nothing_of_the_text(seals: KeyedSeals) -> None:
    sealed = seals.seal(ANNA, PLACE, TEXT)
    stored = msgspec.json.encode(sealed)
    assert TEXT.encode() not in stored
    assert msgspec.json.decode(stored, type=Sealed) == sealed
    assert sealed.subject == ANNA
    again = seals.seal(ANNA, PLACE, TEXT)
    assert again.key_id == sealed.key_id
    assert again.nonce != sealed.nonce
    assert again.ciphertext != sealed.ciphertext


@pytest.mark.parametrize(
    "moved",
    [
        PLACE._replace(book=2),
        PLACE._replace(stream_id=OTHER_STREAM),
        PLACE._replace(version=3),
        PLACE._replace(field="email"),
    ],
    ids=str,
)
def test_two_sealed_fields_that_were_swapped_are_both_refused(seals: KeyedSeals, moved: Place) -> None:
    seals.seal(ANNA, moved, "")  # book 2 has a key of its own for the subject
    here, there = seals.seal(ANNA, PLACE, "here"), seals.seal(ANNA, moved, "there")
    for sealed, place in ((here, moved), (there, PLACE)):
        with pytest.raises(SealBroken):
            seals.open(sealed, place)


@pytest.mark.parametrize(
    "changed",
    [
        {"ciphertext": "A" * 40},
        {"ciphertext": "A"},
        {"ciphertext": ""},
        {"ciphertext": "é"},
        {"nonce": "A" * 16},
        {"nonce": "A" * 12},
        {"key_id": "0" * 32},
        {"subject": BERT},
    ],
    ids=str,
)
def test_a_sealed_field_that_was_changed_is_refused(seals: KeyedSeals, changed: dict[str, str]) -> None:
    seals.seal(BERT, PLACE, "somebody else")
    sealed = seals.seal(ANNA, PLACE, TEXT)
    with pytest.raises(SealBroken):
        seals.open(msgspec.structs.replace(sealed, **changed), PLACE)


def test_what_an_erased_subject_sealed_is_gone_in_every_process_and_nothing_more_is_sealed(keys: Keys) -> None:
    other = keys.another()
    seals = [KeyedSeals(keys.store), KeyedSeals(other)]
    gone, kept = seals[0].seal(ANNA, PLACE, TEXT), seals[0].seal(BERT, PLACE, TEXT)
    assert seals[1].open(gone, PLACE) == TEXT
    first = keys.store.erase(1, ANNA)
    assert first is not None
    assert (first.key_id, first.master) == (gone.key_id, None)
    assert first.erased_at is not None
    assert other.erase(1, ANNA) == first, "erasing again changes nothing"
    for one in seals:
        with pytest.raises(SubjectErased):
            one.open(gone, PLACE)
        with pytest.raises(SubjectErased):
            one.seal(ANNA, PLACE, TEXT)
        with pytest.raises(SubjectErased):
            one.fingerprint(ANNA, 1, TEXT)
        assert one.open(kept, PLACE) == TEXT


def test_a_subject_of_another_book_has_a_key_of_its_own(keys: Keys, seals: KeyedSeals) -> None:
    there = PLACE._replace(book=2)
    here_sealed, there_sealed = seals.seal(ANNA, PLACE, TEXT), seals.seal(ANNA, there, TEXT)
    assert here_sealed.key_id != there_sealed.key_id
    keys.store.erase(1, ANNA)
    assert seals.open(there_sealed, there) == TEXT
    assert [state.book for state in keys.store.states(2)] == [2]


def test_a_key_that_was_never_here_is_missed_and_not_taken_for_erased(keys: Keys, seals: KeyedSeals) -> None:
    assert keys.store.erase(1, ANNA) is None
    assert keys.store.state(1, ANNA) is None
    assert keys.store.states(1) == []
    with pytest.raises(KeysUnavailable):
        seals.open(Sealed(ANNA, "0" * 32, "A" * 16, "A" * 40), PLACE)
    seals.seal(BERT, PLACE, TEXT)
    with pytest.raises(KeysUnavailable):
        seals.open(Sealed(ANNA, "0" * 32, "A" * 16, "A" * 40), PLACE)


def test_a_fingerprint_is_equal_for_equal_texts_of_one_subject_only(keys: Keys, seals: KeyedSeals) -> None:
    with pytest.raises(KeysUnavailable):
        seals.fingerprint(ANNA, 1, TEXT)
    for subject, book in ((ANNA, 1), (ANNA, 2), (BERT, 1)):
        seals.seal(subject, PLACE._replace(book=book), TEXT)
    first = seals.fingerprint(ANNA, 1, TEXT)
    assert KeyedSeals(keys.another()).fingerprint(ANNA, 1, TEXT) == first
    others = {seals.fingerprint(ANNA, 1, "x"), seals.fingerprint(BERT, 1, TEXT), seals.fingerprint(ANNA, 2, TEXT)}
    assert len(others | {first}) == 4
    assert len(first) == 64


def test_the_states_of_keys_are_told_without_the_keys(keys: Keys, seals: KeyedSeals) -> None:
    sealed = [seals.seal(subject, PLACE, TEXT) for subject in (BERT, ANNA)]
    keys.store.erase(1, BERT)
    states = keys.store.states(1)
    assert [(state.subject, state.key_id, state.master) for state in states] == [
        (ANNA, sealed[1].key_id, 1),
        (BERT, sealed[0].key_id, None),
    ]
    assert keys.store.state(1, BERT) == states[1]
    key = keys.store.known_key(1, ANNA)
    assert key.key.hex() not in repr(key)
    assert str(key.key) not in repr(key)


def test_after_a_rotation_everything_opens_as_before_and_the_erased_stays_erased(keys: Keys, seals: KeyedSeals) -> None:
    sealed = [seals.seal(str(UUID(int=number)), PLACE, str(number)) for number in range(5)]
    keys.store.erase(1, str(UUID(int=4)))
    heard: list[int] = []
    done = keys.store.rotate(heard.append)
    assert (done.master, done.rewrapped, done.resumed) == (2, 4, False)
    assert heard == [4]
    assert [state.master for state in keys.store.states(1)] == [2, 2, 2, 2, None]
    assert [seals.open(one, PLACE) for one in sealed[:4]] == ["0", "1", "2", "3"]
    with pytest.raises(SubjectErased):
        seals.open(sealed[4], PLACE)
    assert keys.store.rotate().master == 3


def test_a_store_tells_which_master_key_is_the_current_one_once_there_is_one(keys: Keys, seals: KeyedSeals) -> None:
    assert keys.store.check() is None
    seals.seal(ANNA, PLACE, TEXT)
    assert keys.another().check() == 1
    keys.store.rotate()
    assert keys.another().check() == 2


def test_of_many_who_seal_for_a_new_subject_at_once_all_use_one_key(keys: Keys) -> None:
    doors = [KeyedSeals(keys.another()) for _ in range(8)]
    at_once = threading.Barrier(len(doors))

    def seal(door: KeyedSeals) -> Sealed:
        at_once.wait(30)
        return door.seal(ANNA, PLACE, TEXT)

    with ThreadPoolExecutor(len(doors)) as pool:
        sealed = list(pool.map(seal, doors))
    assert len({one.key_id for one in sealed}) == 1
    assert {doors[0].open(one, PLACE) for one in sealed} == {TEXT}
