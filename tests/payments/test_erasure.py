"""Erasure: the key goes, the log says so once, and orders stay as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from domain.ids import NotAUuid
from domain.sealed import SubjectErased
from eventlog.sealing.keys import KeyStore
from eventlog.sealing.seals import KeyedSeals
from payments.checkout import Checkout
from payments.erasure import Erasure, SubjectUnknown
from tests.contracts.key_stores import sqlite_store
from tests.payments.shop import BOOK, Shop

ANNA, BERT = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeyStore]:
    with closing(sqlite_store(tmp_path)) as keys:
        yield keys


@pytest.fixture
def checkout(shop: Shop, keys: KeyStore) -> Checkout:
    return Checkout(shop.log, shop.clock, seals=KeyedSeals(keys))


@pytest.fixture
def erasure(shop: Shop, keys: KeyStore) -> Erasure:
    return Erasure(shop.log, keys, shop.clock)


def place(shop: Shop, checkout: Checkout, subject: str, **texts: str) -> Any:
    return checkout.create_order(shop.body(payer={"subject": subject, **texts})).order


def test_erasing_counts_what_became_unreadable_and_says_so_in_the_log_once(
    shop: Shop, checkout: Checkout, erasure: Erasure
) -> None:
    first = place(shop, checkout, ANNA, name="Anna", email="anna@example.com")
    place(shop, checkout, ANNA, name="Anna")
    kept = place(shop, checkout, BERT, name="Bert")
    told, known = erasure.erase(BOOK, ANNA.upper())
    assert (told.state, told.orders, told.fields, known) == ("erased", 2, 3, False)
    assert erasure.erase(BOOK, ANNA) == (told, True)
    assert shop.topics().count("erased") == 1
    with pytest.raises(SubjectErased):
        checkout.payers.opened(shop.log.repository.get(first.id), BOOK)
    payer = checkout.payers.opened(shop.log.repository.get(kept.id), BOOK)
    assert payer is not None
    assert (payer.name, repr(payer)) == ("Bert", f"Payer({BERT})")
    assert [(one.subject, one.state) for one in erasure.subjects(BOOK)] == [(ANNA, "erased"), (BERT, "readable")]


def test_a_subject_that_nobody_knows_is_named_and_nothing_is_written(shop: Shop, erasure: Erasure) -> None:
    for act in (erasure.erase, erasure.show):
        with pytest.raises(SubjectUnknown):
            act(BOOK, ANNA)
        with pytest.raises(NotAUuid):
            act(BOOK, "anna")
    assert shop.topics() == ["opened"]


def test_an_erasure_that_was_cut_off_before_its_event_is_finished_by_the_next(
    shop: Shop, checkout: Checkout, erasure: Erasure, keys: KeyStore
) -> None:
    place(shop, checkout, ANNA, name="Anna")
    keys.erase(BOOK, ANNA)
    assert "erased" not in shop.topics()
    told, known = erasure.erase(BOOK, ANNA)
    assert (told.state, known) == ("erased", False)
    assert shop.topics().count("erased") == 1


def test_a_key_that_came_back_from_an_old_copy_is_told_and_erased_again(
    shop: Shop, checkout: Checkout, erasure: Erasure, keys: KeyStore, tmp_path: Path
) -> None:
    place(shop, checkout, ANNA, name="Anna")
    path = tmp_path / "keys" / "subjects.sqlite"
    keys.close()
    copy = path.read_bytes()
    erasure.erase(BOOK, ANNA)
    keys.close()
    path.write_bytes(copy)
    assert [one.state for one in erasure.subjects(BOOK)] == ["to be erased again"]
    told, known = erasure.erase(BOOK, ANNA)
    assert (told.state, known) == ("erased", False)
    assert shop.topics().count("erased") == 1


def test_what_the_log_says_is_erased_stays_so_without_any_key_store(
    shop: Shop, checkout: Checkout, erasure: Erasure, tmp_path: Path
) -> None:
    place(shop, checkout, ANNA, name="Anna")
    erasure.erase(BOOK, ANNA)
    with closing(sqlite_store(tmp_path / "empty")) as none:
        told, known = Erasure(shop.log, none, shop.clock).erase(BOOK, ANNA)
    assert (told.state, told.orders, known) == ("erased", 1, True)
