"""What a command with a payer keeps to itself, and what its fingerprint holds of it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from domain.payment_rules import KeyReused
from domain.sealed import KeysUnavailable
from eventlog.sealing.memory_keys import MemoryKeyStore
from eventlog.sealing.seals import KeyedSeals
from payments.checkout import Checkout
from payments.commands import CaptureOrder, CreateOrder, fingerprint
from payments.payers import subject_of
from rails.port import Payer
from tests.payments.shop import BOOK, Shop

ID = "00000000-0000-0000-0000-0000000000a1"
PAYER = {"name": "Anna Secret", "email": "anna@secret.example.com", "iban": "DE89370400440532013000"}
BODY: dict[str, Any] = {"book": 1, "order_id": ID, "amount_minor": 5, "currency": "EUR", "merchant_id": ID}


def command(payer: dict[str, str] | None = None, **changes: Any) -> CreateOrder:
    return CreateOrder.model_validate({**BODY, "payer": payer, **changes})


def test_a_body_without_a_payer_has_the_fingerprint_that_it_had_before_there_were_payers() -> None:
    old = command(metadata={"a": "b"})
    assert fingerprint(old) == "6ecc375b32d96e9bdc3836412ce7f19b39f6e665c82fe5a0311874b420eaeff5"
    capture = CaptureOrder(book=1, order_id=ID, capture_id=ID, amount_minor=5)
    assert fingerprint(capture) == "762b5390a8dada952d19d620194c8afd6c9f880e51b8bfe9babf4e4909f26e84"


def test_the_fingerprint_of_a_body_depends_on_the_subject_and_on_no_text_of_the_person() -> None:
    same = {fingerprint(command(payer)) for payer in (PAYER, {"name": "Somebody else"}, {**PAYER, "name": "x"})}
    assert len(same) == 1
    assert fingerprint(command({**PAYER, "subject": ID})) not in same
    assert fingerprint(command(None)) not in same


def test_a_command_shows_nothing_of_the_person_when_it_is_printed() -> None:
    printed = f"{command(PAYER)!r} {command(PAYER)}"
    for text in PAYER.values():
        assert text not in printed
    with pytest.raises(ValidationError) as wrong:
        command({**PAYER, "iban": "DE00370400440532013000", "email": "nothing"})
    for text in ("DE00370400440532013000", "Anna"):
        assert text not in str(wrong.value)


def test_the_keyed_fingerprint_in_the_log_is_of_the_subject_s_key(shop: Shop) -> None:
    keys = MemoryKeyStore()
    checkout = Checkout(shop.log, shop.clock, seals=KeyedSeals(keys))
    orders = [checkout.create_order(shop.body(payer=PAYER)).order for _ in range(2)]
    first, second = (order.payer for order in orders)
    assert first is not None
    assert second is not None
    assert first.fingerprint != second.fingerprint, "each order has a subject, and so a key, of its own"
    assert first.subject == subject_of(BOOK, orders[0].order_id, command(PAYER).payer)  # type: ignore[arg-type]


def test_a_rail_is_told_of_the_payer_for_a_call_and_of_nobody_once_erased(shop: Shop) -> None:
    keys = MemoryKeyStore()
    checkout = Checkout(shop.log, shop.clock, seals=KeyedSeals(keys))
    order, without = (checkout.create_order(shop.body(payer=payer)).order for payer in (PAYER, None))
    told = checkout.payers.for_call(order, BOOK)
    assert told == Payer(**PAYER)
    assert PAYER["name"] not in repr(told)
    assert checkout.payers.for_call(without, BOOK) is None
    assert order.payer is not None
    keys.erase(BOOK, order.payer.subject)
    assert checkout.payers.for_call(order, BOOK) is None


def test_a_program_without_keys_takes_orders_without_payers_only(shop: Shop) -> None:
    assert not shop.checkout.create_order(shop.body()).replayed
    with pytest.raises(KeysUnavailable):
        shop.checkout.create_order(shop.body(payer=PAYER))
    assert shop.topics() == ["opened", "created"]


def test_a_mandate_is_sealed_told_to_the_rail_and_gone_with_the_person(shop: Shop) -> None:
    keys = MemoryKeyStore()
    checkout = Checkout(shop.log, shop.clock, seals=KeyedSeals(keys))
    mandate = {"reference": "M-2026/1", "signed_on": "2026-01-02"}
    asked = shop.body(payer={**PAYER, "mandate": mandate})
    order = checkout.create_order(asked).order
    told = checkout.payers.for_call(order, BOOK)
    assert told == Payer(**PAYER, mandate_reference="M-2026/1", mandate_signed_on="2026-01-02")
    assert b"M-2026/1" not in b"".join(row.state for row in shop.recorder.read(0, 100))
    assert checkout.create_order(asked).replayed
    other = asked.model_dump() | {"payer": {**PAYER, "mandate": {**mandate, "reference": "M-2026/2"}}}
    with pytest.raises(KeyReused):
        checkout.create_order(CreateOrder.model_validate(other))
    assert order.payer is not None
    keys.erase(BOOK, order.payer.subject)
    assert checkout.payers.for_call(order, BOOK) is None
