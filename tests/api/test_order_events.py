"""An order is followed as it happens, from wherever a connection was lost, by those who may; and by its payer alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

import api.order_events
from api.payer_secrets import PREFIX, PayerSecrets, told_by
from daybook.client import Client, Retries
from domain.ids import stream_id
from domain.payment_order import PaymentOrder
from tests.api.ledger import problem
from tests.api.proxy import serving
from tests.api.support import BOOK, MERCHANT, OTHER_MERCHANT, Shop

ORDERS = "/v1/payment-orders"
CAPTURE = "c0000000-0000-4000-8000-000000000001"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of an order that goes on would last a minute."""
    monkeypatch.setattr(api.order_events, "STREAM_S", 0.3)


def create(shop: Shop, **changes: Any) -> dict[str, Any]:
    body = {"amount_minor": 1_234, "currency": "EUR", "merchant_id": MERCHANT, **changes}
    headers = shop.headers(Idempotency_Key=str(uuid4()))
    answer = shop.client().post(ORDERS, json=body, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    document: dict[str, Any] = answer.get_json()
    return document


def changed(shop: Shop, order_id: str, *names: str) -> None:
    """What a rail does with an order."""
    order: PaymentOrder = shop.log.repository.get(stream_id(BOOK, "payment-order", order_id))
    at = datetime.now(UTC)
    for name in names:
        {
            "start": lambda: order.start_attempt(
                rail="simulated", method="token", amount_minor=1_234, attempt_key="k", at=at
            ),
            "action": lambda: order.require_action(
                attempt=1, rail_reference="r", url="https://rail.example/3ds/r", instructions={}, expires_at=at, at=at
            ),
            "decline": lambda: order.decline(attempt=1, code="stolen_card", decline_class="hard", at=at),
            "capture": lambda: order.capture(
                capture_id=CAPTURE, attempt=1, amount_minor=1_234, currency="EUR", rail_reference="r", at=at
            ),
            "return": lambda: order.return_payment(
                capture_id=CAPTURE, amount_minor=1_234, reason="MD06", booking_key="b/1", effective_at=at, at=at
            ),
        }[name]()
    shop.log.save(order, book=BOOK)


def messages(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Ids and data of the messages of a stream."""
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            assert fields["event"] == "order"
            yield int(fields["id"]), json.loads(fields["data"])


def follow(shop: Shop, order_id: str, role: str = "admin", **headers: str) -> Any:
    return shop.client().get(f"{ORDERS}/{order_id}/events", headers=shop.headers(role, **headers))


def test_every_event_is_told_in_the_words_for_people_until_the_order_is_over(shop: Shop) -> None:
    order_id = create(shop)["order_id"]
    changed(shop, order_id, "start", "action", "capture")
    answer = follow(shop, order_id)
    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (
        200, "text/event-stream", "no-store",
    )  # fmt: skip
    assert answer.text.startswith("retry: 2000\n\n")
    told = list(messages(answer.text))
    assert [version for version, _ in told] == [1, 2, 3, 4]
    assert [data["customer"]["word"] for _, data in told] == ["waiting", "processing", "action_needed", "paid"]
    assert told[2][1]["next_action"]["url"] == "https://rail.example/3ds/r"
    assert told[3][1]["next_action"] is None
    assert (told[3][1]["captured_minor"], told[3][1]["status"]) == (1_234, "captured")


def test_a_connection_that_was_lost_goes_on_after_the_last_message(shop: Shop) -> None:
    order_id = create(shop)["order_id"]
    changed(shop, order_id, "start", "capture")
    assert [version for version, _ in messages(follow(shop, order_id, Last_Event_ID="2").text)] == [3]
    assert list(messages(follow(shop, order_id, Last_Event_ID="3").text)) == []
    for wrong in ("x", "-1", "1.0", str(2**40), "٣"):
        problem(follow(shop, order_id, Last_Event_ID=wrong), 422, "invalid_request", "Last-Event-ID")


def test_a_payment_that_went_back_is_over(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.order_events, "STREAM_S", 600.0)
    order_id = create(shop)["order_id"]
    changed(shop, order_id, "start", "capture", "return")
    told = list(messages(follow(shop, order_id).text))
    assert [data["customer"]["word"] for _, data in told] == ["waiting", "processing", "paid", "returned"]


def test_what_happens_meanwhile_is_told_when_it_happens(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.order_events, "STREAM_S", 30.0)
    order_id = create(shop)["order_id"]
    answer = shop.client().get(f"{ORDERS}/{order_id}/events", headers=shop.headers(), buffered=False)
    stream = iter(answer.response)
    read = "".join(part if isinstance(part, str) else part.decode() for _, part in zip(range(2), stream, strict=False))
    assert [data["status"] for _, data in messages(read)] == ["created"]
    later = threading.Thread(target=changed, args=(shop, order_id, "start", "decline"))
    later.start()
    rest = "".join(part if isinstance(part, str) else part.decode() for part in stream)
    later.join()
    told = list(messages(rest))
    assert [version for version, _ in told] == [2, 3]
    assert told[-1][1]["customer"] == {
        "word": "failed",
        "message": "The payment was not accepted, and nothing was taken.",
        "reason": "Please use another way to pay, or ask your bank.",
    }
    assert "stolen" not in rest, "the person at the checkout need not be the card's owner"


def test_a_payer_follows_their_order_and_reaches_nothing_else(shop: Shop) -> None:
    mine, other = create(shop), create(shop)
    assert mine["payer_secret"].startswith(f"{PREFIX}{BOOK}_")
    bearer = {"Authorization": f"Bearer {mine['payer_secret']}"}
    client = shop.client()
    answer = client.get(f"{ORDERS}/{mine['order_id']}/events", headers=bearer)
    assert [data["order_id"] for _, data in messages(answer.text)] == [mine["order_id"]]
    for path in (f"{ORDERS}/{other['order_id']}/events", f"{ORDERS}/{uuid4()}/events", f"{ORDERS}/x/events"):
        problem(client.get(path, headers=bearer), 401, "unauthenticated")
    for path in (f"{ORDERS}/{mine['order_id']}", ORDERS, "/v1/events", "/v1/wallets"):
        problem(client.get(path, headers=bearer), 401, "unauthenticated")
    cancel = client.post(
        f"{ORDERS}/{mine['order_id']}/cancel", json={}, headers={**bearer, "Idempotency-Key": str(uuid4())}
    )
    problem(cancel, 401, "unauthenticated")


def test_whose_order_it_is_not_is_told_that_there_is_none(shop: Shop) -> None:
    mine, foreign = create(shop)["order_id"], create(shop, merchant_id=OTHER_MERCHANT)["order_id"]
    assert follow(shop, mine, "merchant").status_code == 200
    problem(follow(shop, foreign, "merchant"), 404, "not_found")
    problem(follow(shop, mine, "foreign"), 404, "not_found")
    problem(follow(shop, "x"), 404, "not_found")
    problem(shop.client().get(f"{ORDERS}/{mine}/events"), 401, "unauthenticated")


def test_an_auditor_is_given_no_payers_secret(shop: Shop) -> None:
    order_id = create(shop)["order_id"]
    shown = {
        role: shop.client().get(f"{ORDERS}/{order_id}", headers=shop.headers(role)).get_json()
        for role in ("auditor", "merchant")
    }
    assert (shown["auditor"]["payer_secret"], shown["merchant"]["payer_secret"] is None) == (None, False)


def test_a_secret_is_of_one_order_of_one_book_under_one_key() -> None:
    secrets = PayerSecrets(bytes(range(32)))
    told = told_by(f"Bearer {secrets.of(1, 'a')}")
    assert told is not None
    assert [secrets.opens(told, "a"), secrets.opens(told, "b"), PayerSecrets(bytes(32)).opens(told, "a")] == [
        True, False, False,
    ]  # fmt: skip
    assert not secrets.opens(told._replace(book=2), "a")
    for header in (
        None,
        "",
        "Bearer",
        "Bearer dbk_test_x",
        f"Basic {secrets.of(1, 'a')}",
        f"Bearer {secrets.of(1, 'a')}x",
    ):
        assert told_by(header) is None
    with pytest.raises(ValueError, match="32 bytes"):
        PayerSecrets(b"short")


def test_the_client_takes_a_stream_up_where_it_ended(shop: Shop) -> None:
    order_id = create(shop)["order_id"]
    changed(shop, order_id, "start")
    paused: list[float] = []

    def pause(seconds: float) -> None:
        paused.append(seconds)
        changed(shop, order_id, "capture")

    with serving(shop.app) as port:
        http = httpx.Client(timeout=20, trust_env=False)
        url, retries = f"http://127.0.0.1:{port}", Retries(sleep=pause, chance=lambda: 1.0)
        with Client(url, shop.keys["merchant"], retries=retries, http=http) as client:
            steps = list(client.payment_orders.follow(order_id, after=1))
    assert [(step.version, step.customer.word) for step in steps] == [(2, "processing"), (3, "paid")]
    assert paused == [2.0]
