"""Payment orders over HTTP: idempotency, ownership, waiting, captures and cancels."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

import api.moments
from api.order_schemas import OrderSchema
from domain.ids import stream_id
from domain.payment_order import PaymentOrder
from tests.api.support import BOOK, MERCHANT, OTHER_MERCHANT, Shop

ORDERS = "/v1/payment-orders"
GOOD = {"amount_minor": 1234, "currency": "EUR", "merchant_id": MERCHANT}


def test_an_order_is_accepted_located_and_read_back_at_once(shop: Shop) -> None:
    key, client = str(uuid4()), shop.client()
    made = client.post(ORDERS, json=GOOD, headers=shop.headers(Idempotency_Key=key))
    assert made.status_code == 202
    assert made.headers["Location"] == f"{ORDERS}/{key}"
    OrderSchema().load(made.get_json())
    read = client.get(made.headers["Location"], headers=shop.headers())
    assert read.get_json() == made.get_json()


def test_the_same_key_answers_the_same_order_quoted_or_not_and_another_body_is_422(shop: Shop) -> None:
    key, client = str(uuid4()), shop.client()
    first = client.post(ORDERS, json=GOOD, headers=shop.headers(Idempotency_Key=key))
    again = client.post(ORDERS, json=GOOD, headers=shop.headers(Idempotency_Key=f'"{key.upper()}"'))
    assert again.get_json() == first.get_json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    other = client.post(ORDERS, json={**GOOD, "amount_minor": 1}, headers=shop.headers(Idempotency_Key=key))
    assert (other.status_code, other.get_json(force=True)["code"]) == (422, "key_reused")


def test_a_validation_error_does_not_use_the_key_up(shop: Shop) -> None:
    headers, client = shop.headers(Idempotency_Key=str(uuid4())), shop.client()
    assert client.post(ORDERS, json={**GOOD, "amount_minor": 0}, headers=headers).status_code == 422
    assert client.post(ORDERS, json=GOOD, headers=headers).status_code == 202


def fifty_creates_of_one_key(shop: Shop) -> None:
    key, before = str(uuid4()), shop.log.log_recorder.max_notification_id() or 0
    gate = threading.Barrier(50)

    def create(_: int) -> tuple[int, str, str | None]:
        client = shop.client()
        gate.wait()
        answer = client.post(ORDERS, json=GOOD, headers=shop.headers(Idempotency_Key=key))
        return answer.status_code, answer.text, answer.headers.get("Idempotent-Replayed")

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(create, range(50)))
    assert {status for status, _, _ in answers} == {202}
    assert len({text for _, text, _ in answers}) == 1
    assert sorted(replayed or "" for _, _, replayed in answers) == [""] + ["true"] * 49
    rows = shop.services.reader.read(before, 100, topics=["payment-order.created.v1"])
    assert len(rows) == 1


def test_fifty_concurrent_creates_of_one_key_make_one_order_and_fifty_right_answers(shop: Shop) -> None:
    fifty_creates_of_one_key(shop)


def test_fifty_concurrent_creates_of_one_key_on_postgresql_make_one_order(live: Shop) -> None:
    fifty_creates_of_one_key(live)


def test_another_book_and_another_merchant_see_nothing(shop: Shop) -> None:
    client, mine, others = shop.client(), str(uuid4()), str(uuid4())
    client.post(ORDERS, json=GOOD, headers=shop.headers(Idempotency_Key=mine))
    client.post(ORDERS, json={**GOOD, "merchant_id": OTHER_MERCHANT}, headers=shop.headers(Idempotency_Key=others))
    assert client.get(f"{ORDERS}/{mine}", headers=shop.headers("merchant")).status_code == 200
    assert client.get(f"{ORDERS}/{mine}", headers=shop.headers("foreign")).status_code == 404
    for action in ("", "/capture", "/cancel"):
        method = "POST" if action else "GET"
        headers = shop.headers("merchant", Idempotency_Key=str(uuid4()))
        answer = client.open(f"{ORDERS}/{others}{action}", method=method, json={} if action else None, headers=headers)
        assert answer.status_code == 404, action
    assert client.get("/v1/events", headers=shop.headers("foreign")).get_json()["items"][0]["topic"] == "book.opened.v1"
    assert len(client.get("/v1/events", headers=shop.headers("foreign")).get_json()["items"]) == 1


def test_a_merchants_key_owns_what_it_creates(shop: Shop) -> None:
    body = {"amount_minor": 5, "currency": "EUR"}
    made = shop.client().post(ORDERS, json=body, headers=shop.headers("merchant", Idempotency_Key=str(uuid4())))
    assert made.get_json()["merchant_id"] == MERCHANT


def test_prefer_wait_answers_when_the_outcome_is_written(shop: Shop) -> None:
    key = str(uuid4())
    body = {**GOOD, "rail": "simulated", "payment_token": "tok_ok", "capture_mode": "manual"}

    def create() -> tuple[int, str]:
        headers = shop.headers(Idempotency_Key=key, Prefer="respond-async, wait=30")
        answer = shop.client().post(ORDERS, json=body, headers=headers)
        return answer.status_code, answer.get_json()["status"]

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(create)
        reader, horizon = shop.services.reader, shop.log.log_recorder.horizon
        while not (rows := reader.read(0, 10, topics=["payment-order.created.v1"])):
            horizon.wait(horizon.last, 1.0)
        order: PaymentOrder = shop.log.repository.get(UUID(str(rows[0].stream_id)))
        at = datetime.now(UTC)
        order.start_attempt(rail="simulated", method="card", amount_minor=1234, attempt_key="a1", at=at)
        order.authorize(attempt=1, amount_minor=1234, currency="EUR", rail_reference="r1", at=at)
        shop.log.save(order, book=BOOK)
        assert waiting.result(30) == (200, "authorized")


def test_a_capture_has_a_key_of_its_own_and_is_replayed(shop: Shop) -> None:
    key, client = str(uuid4()), shop.client()
    body = {**GOOD, "rail": "simulated", "payment_token": "tok_ok", "capture_mode": "manual"}
    client.post(ORDERS, json=body, headers=shop.headers(Idempotency_Key=key))
    early = client.post(f"{ORDERS}/{key}/capture", json={}, headers=shop.headers(Idempotency_Key=str(uuid4())))
    assert early.status_code == 422
    order: PaymentOrder = shop.log.repository.get(stream_id(BOOK, "payment-order", key))
    at = datetime.now(UTC)
    order.start_attempt(rail="simulated", method="card", amount_minor=1234, attempt_key="a1", at=at)
    order.authorize(attempt=1, amount_minor=1234, currency="EUR", rail_reference="r1", at=at)
    shop.log.save(order, book=BOOK)
    headers = shop.headers(Idempotency_Key=key)  # the order's own id is free in the namespace of captures
    first = client.post(f"{ORDERS}/{key}/capture", json={"amount_minor": 1000}, headers=headers)
    assert first.status_code == 202, first.text
    assert first.get_json()["captures"][0]["capture_id"] == key
    again = client.post(f"{ORDERS}/{key}/capture", json={"amount_minor": 1000}, headers=headers)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = client.post(f"{ORDERS}/{key}/capture", json={"amount_minor": 999}, headers=headers)
    assert (other.status_code, other.get_json(force=True)["code"]) == (422, "key_reused")


def test_a_created_order_is_cancelled_at_once(shop: Shop) -> None:
    key, client = str(uuid4()), shop.client()
    client.post(ORDERS, json=GOOD, headers=shop.headers(Idempotency_Key=key))
    answer = client.post(f"{ORDERS}/{key}/cancel", json={}, headers=shop.headers(Idempotency_Key=str(uuid4())))
    assert (answer.status_code, answer.get_json()["status"]) == (200, "cancelled")


def test_a_list_says_its_position_as_text_and_refuses_to_answer_behind_at_least(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.moments, "WAIT_S", 0.1)
    client = shop.client()
    shop.views.reached = 2**60
    page = client.get(f"{ORDERS}?at_least={2**60}&status=captured", headers=shop.headers()).get_json()
    assert page == {"items": [], "next_cursor": None, "position": str(2**60), "as_of": None}
    behind = client.get(f"{ORDERS}?at_least={2**60 + 1}", headers=shop.headers())
    assert (behind.status_code, behind.get_json(force=True)["code"]) == (503, "view_behind")


def test_events_are_paged_with_positions_as_text(shop: Shop) -> None:
    client = shop.client()
    for _ in range(3):
        client.post(ORDERS, json=GOOD, headers=shop.headers(Idempotency_Key=str(uuid4())))
    query = "/v1/events?topics=payment-order.created.v1&limit=2"
    page = client.get(query, headers=shop.headers("auditor")).get_json()
    assert len(page["items"]) == 2
    rest = client.get(f"{query}&after={page['next_after']}", headers=shop.headers("auditor")).get_json()
    assert len(rest["items"]) == 1
    assert isinstance(rest["items"][0]["position"], str)
    assert rest["items"][0]["data"]["amount_minor"] == 1234
