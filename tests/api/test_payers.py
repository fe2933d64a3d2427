"""Payers over HTTP: who sees them, what a repeated request may say, and that nothing of a person is in the log."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from domain.ids import stream_id
from domain.sealed import KeysUnavailable
from payments.checkout import Checkout
from tests.api.support import BOOK, MERCHANT, OTHER_MERCHANT, Shop

ORDERS = "/v1/payment-orders"
SUBJECT = "00000000-0000-0000-0000-0000000000e1"
PAYER = {"subject": SUBJECT, "name": "Änne Öz", "email": "anne@example.com", "iban": "de89 3704 0044 0532 0130 00"}
SHOWN = {**PAYER, "iban": "DE89370400440532013000", "mandate": None, "erased": False}
GOOD: dict[str, Any] = {"amount_minor": 1234, "currency": "EUR", "merchant_id": MERCHANT, "payer": PAYER}


def create(shop: Shop, key: str | None = None, role: str = "operator", **changes: Any) -> TestResponse:
    headers = shop.headers(role, Idempotency_Key=key or str(uuid4()))
    return shop.client().post(ORDERS, json=GOOD | changes, headers=headers)


def payer_of(shop: Shop, order_id: str, role: str = "operator", **query: str) -> Any:
    client: FlaskClient = shop.client()
    answer = client.get(f"{ORDERS}/{order_id}", headers=shop.headers(role), query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.get_json()["payer"]


def test_a_payer_is_answered_as_given_and_stored_in_the_same_save_as_the_order(shop: Shop) -> None:
    key = str(uuid4())
    made = create(shop, key)
    assert made.status_code == 202
    assert made.get_json()["payer"] == SHOWN
    assert (payer_of(shop, key), made.get_json()["version"]) == (SHOWN, 2)
    rows = [row for row in shop.services.reader.read(0, 100) if row.stream_id == stream_id(BOOK, "payment-order", key)]
    assert [row.topic for row in rows] == ["payment-order.created.v1", "payment-order.payer-given.v1"]
    assert [row.meta for row in rows] == [rows[0].meta] * 2
    assert rows[1].position == rows[0].position + 1


def test_nothing_of_the_person_is_in_the_log_as_it_is_stored_or_shown(shop: Shop) -> None:
    create(shop)
    stored = b"".join(row.state for row in shop.services.reader.read(0, 100))
    shown = shop.client().get("/v1/events", headers=shop.headers("auditor")).text
    for text in ("Änne", "anne@", "example.com", "DE8937", "de89", "0532"):
        assert text.encode() not in stored
        assert text not in shown
    assert SUBJECT.encode() in stored


@pytest.mark.parametrize(
    ("role", "shown"),
    [("merchant", SHOWN), ("operator", SHOWN), ("admin", SHOWN), ("auditor", {"subject": SUBJECT})],
)
def test_who_may_create_an_order_sees_its_payer_and_an_auditor_the_subject_alone(
    shop: Shop, role: str, shown: dict[str, Any]
) -> None:
    key = str(uuid4())
    create(shop, key)
    assert payer_of(shop, key, role) == shown


def test_another_merchant_sees_neither_order_nor_payer(shop: Shop) -> None:
    key = str(uuid4())
    create(shop, key, merchant_id=OTHER_MERCHANT)
    answer = shop.client().get(f"{ORDERS}/{key}", headers=shop.headers("merchant"))
    assert answer.status_code == 404
    assert "nne" not in answer.text


def test_an_order_without_a_payer_has_none_and_a_payer_without_a_subject_gets_one_of_the_order(shop: Shop) -> None:
    first, second = create(shop, payer=None).get_json(), create(shop, payer={"name": "A"}).get_json()
    third = create(shop, payer={"name": "A"}).get_json()
    assert first["payer"] is None
    assert second["payer"]["name"] == "A"
    assert second["payer"]["email"] is None
    assert second["payer"]["subject"] != third["payer"]["subject"]


def test_a_repeated_request_is_the_same_only_with_the_same_payer(shop: Shop) -> None:
    key = str(uuid4())
    first = create(shop, key)
    again = create(shop, key, payer={**PAYER, "iban": PAYER["iban"].upper()})
    assert (again.headers.get("Idempotent-Replayed"), again.get_json()) == ("true", first.get_json())
    others: list[Any] = [
        None,
        {**PAYER, "name": "Anne Oz"},
        {**PAYER, "subject": str(uuid4())},
        {**PAYER, "email": None},
        {name: text for name, text in PAYER.items() if name != "subject"},
    ]
    for payer in others:
        refused = create(shop, key, payer=payer)
        assert (refused.status_code, refused.get_json(force=True)["code"]) == (422, "key_reused")
    assert [state.subject for state in shop.people.states(BOOK)] == [SUBJECT], "a refused request makes no key"
    without = str(uuid4())
    create(shop, without, payer=None)
    assert create(shop, without).get_json(force=True)["code"] == "key_reused"


def test_of_many_racing_creates_with_a_payer_one_makes_the_order_and_all_get_the_same_answer(live: Shop) -> None:
    key, gate = str(uuid4()), threading.Barrier(24)

    def race(_: int) -> TestResponse:
        gate.wait(30)
        return create(live, key)

    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(race, range(24)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 23
    assert answers[0].get_json()["payer"] == SHOWN


def test_after_an_erasure_the_order_stays_and_its_payer_is_a_subject_alone(shop: Shop) -> None:
    key, other = str(uuid4()), str(uuid4())
    create(shop, key)
    create(shop, other, payer={**PAYER, "subject": other})
    shop.people.erase(BOOK, SUBJECT)
    gone = {"subject": SUBJECT, "erased": True}
    assert payer_of(shop, key) == gone
    assert payer_of(shop, other)["name"] == PAYER["name"]
    again = create(shop, key)
    assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (202, "true")
    assert again.get_json()["payer"] == gone
    cancelled = shop.client().post(f"{ORDERS}/{key}/cancel", json={}, headers=shop.headers(Idempotency_Key=key))
    assert (cancelled.status_code, cancelled.get_json()["payer"]) == (200, gone)
    refused = create(shop)
    assert (refused.status_code, refused.get_json(force=True)["code"]) == (422, "subject_erased")
    assert refused.get_json(force=True)["errors"][0]["field"] == "payer.subject"


@pytest.mark.parametrize(
    ("payer", "field", "words"),
    [
        ({}, "payer", "must have a name"),
        ({"subject": SUBJECT}, "payer", "must have a name"),
        ({"name": ""}, "payer.name", "Length"),
        ({"name": "x" * 141}, "payer.name", "Length"),
        ({"email": "anne.example.com"}, "payer.email", "must be an email address"),
        ({"email": "anne@example"}, "payer.email", "must be an email address"),
        ({"email": "a" * 250 + "@example.com"}, "payer.email", "must be an email address"),
        ({"iban": "DE89370400440532013001"}, "payer.iban", "check digits"),
        ({"iban": "DE8937040044053201300"}, "payer.iban", "length and structure"),
        ({"iban": "XX89370400440532013000"}, "payer.iban", "country"),
        ({"iban": "370400440532013000"}, "payer.iban", "must be an IBAN"),
        ({"subject": "anne", "name": "A"}, "payer.subject", "must be a UUID"),
        ({"name": "A", "phone": "1"}, "payer.phone", "Unknown"),
        ({"iban": "4111111111111111"}, "payer.iban", "card number"),
        ({"name": "4111 1111 1111 1111"}, "payer.name", "card number"),
        ("Anne", "payer", "Invalid"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_payer_is_named_and_never_quoted(shop: Shop, payer: Any, field: str, words: str) -> None:
    answer = create(shop, payer=payer)
    problem = answer.get_json(force=True)
    assert answer.status_code == 422
    assert [error["field"] for error in problem["errors"]] == [field]
    assert words in problem["errors"][0]["message"] + problem["detail"]
    for text in payer.values() if isinstance(payer, dict) else [payer]:
        assert len(text) < 3 or text not in answer.text
    assert shop.people.states(BOOK) == []


def test_an_iban_in_which_a_card_number_seems_to_stand_is_an_iban_all_the_same(shop: Shop) -> None:
    iban = "LT68 4111 1111 1111 1111"
    assert payer_in(create(shop, payer={"iban": iban}))["iban"] == iban.replace(" ", "")
    elsewhere = create(shop, reference=iban)
    assert elsewhere.get_json(force=True)["code"] == "card_number"


def payer_in(answer: TestResponse) -> Any:
    assert answer.status_code == 202, answer.text
    return answer.get_json()["payer"]


class _Lost:
    """A key store that cannot be reached."""

    def __getattr__(self, name: str) -> Any:
        def unreachable(*_: object) -> None:
            raise KeysUnavailable("it is gone")

        return unreachable


def test_without_its_keys_an_order_is_read_and_cancelled_and_only_what_needs_them_waits(shop: Shop) -> None:
    key = str(uuid4())
    create(shop, key)
    lost = Checkout(shop.log, shop.services.clock, seals=_Lost())
    services = dataclasses.replace(shop.services, checkout=lost)
    shop.app.extensions["daybook"] = services
    assert payer_of(shop, key) == {"subject": SUBJECT, "unreadable": True}
    assert payer_of(shop, key, "auditor") == {"subject": SUBJECT}
    refused = create(shop)
    assert (refused.status_code, refused.get_json(force=True)["code"]) == (503, "keys_unavailable")
    assert refused.get_json(force=True)["retryable"]
    assert create(shop, payer=None).status_code == 202
    cancel = shop.client().post(f"{ORDERS}/{key}/cancel", json={}, headers=shop.headers(Idempotency_Key=key))
    assert (cancel.status_code, cancel.get_json()["status"]) == (200, "cancelled")


def test_a_field_that_was_moved_in_the_log_is_not_shown(shop: Shop) -> None:
    first, second = str(uuid4()), str(uuid4())
    create(shop, first)
    create(shop, second, payer={**PAYER, "name": "Bert"})
    orders = [shop.services.checkout.order(BOOK, key) for key in (first, second)]
    given = [order.payer for order in orders]
    assert given[0] is not None
    assert given[1] is not None
    swapped = dataclasses.replace(given[0], name=given[1].name)
    orders[0].payer = swapped
    shop.services.checkout.order = lambda *_: orders[0]  # type: ignore[method-assign]
    assert payer_of(shop, first) == {"subject": SUBJECT, "unreadable": True}


def test_a_mandate_is_shown_to_who_gave_it_and_a_wrong_one_named(shop: Shop) -> None:
    mandate = {"reference": "M-2026/1", "signed_on": "2026-01-02"}
    made = create(shop, payer={**PAYER, "mandate": mandate})
    assert made.get_json()["payer"] == {**SHOWN, "mandate": mandate}
    for wrong, field in (
        ({**mandate, "reference": "€"}, "payer.mandate.reference"),
        ({**mandate, "signed_on": "yesterday"}, "payer.mandate.signed_on"),
        ({"reference": "M-1"}, "payer.mandate.signed_on"),
    ):
        refused = create(shop, payer={**PAYER, "mandate": wrong})
        assert refused.status_code == 422
        assert refused.get_json(force=True)["errors"][0]["field"] == field
