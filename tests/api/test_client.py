"""The client against the OpenAPI document, call by call, and what it does when answers are late, lost or refused."""

from __future__ import annotations

import inspect
import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from daybook.client import Client, NoAnswer, NotFound, Problem, Refused, Retries, Unavailable, UnexpectedAnswer
from tests.api.openapi import Document
from tests.api.proxy import CuttingProxy, serving
from tests.api.support import MERCHANT, Shop

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RESOURCES = (
    "merchants", "wallets", "transfers", "postings", "holds", "bulks", "periods", "monitors", "adjustments", "sums",
    "payment_orders", "events", "replays", "rails", "probes",
)  # fmt: skip
LINES = [
    {"wallet": "wallet:a", "currency": "EUR", "amount_minor": 5},
    {"wallet": "wallet:b", "currency": "EUR", "amount_minor": -5},
]
WHOLE = ("amount_minor", "limit", "overdraft_limit_minor", "balance_from", "balance_below", "threshold_minor", "wait_s")
TRUE = ("dry_run", "atomic", "final", "frozen", "closed", "open", "removed", "at_effective_date")
VALUES: dict[str, Any] = {
    "lines": LINES, "conditions": [{"wallet": "wallet:a", "currency": "EUR", "at_least_minor": 1}],
    "metadata": {"a": "b"}, "currency": "EUR", "address": "wallet:a", "through": date(2026, 1, 1),
    "items": [{"action": "transfer", "key": "k", "source": "wallet:a", "destination": "wallet:b", "amount_minor": 1,
               "currency": "EUR"}],
    "splits": [{"seller_id": MERCHANT, "amount_minor": 5}], "topics": ("a.b.v1",),
    "payer": {"subject": MERCHANT, "name": "Anna", "email": "anna@example.com", "iban": "DE89370400440532013000",
              "mandate": {"reference": "M-1", "signed_on": "2026-01-02"}},
    **dict.fromkeys(WHOLE, 5), "min_amount_minor": 1, "max_amount_minor": 9, **dict.fromkeys(TRUE, True),
    **dict.fromkeys(("at_least", "after", "as_of"), "7"),
    **dict.fromkeys(("merchant_id", "posting_id", "hold_id", "monitor_id", "adjustment_id", "order_id"), MERCHANT),
    "replay_id": MERCHANT, "method": "card", "return_url": "https://shop.example/3",
    "key": MERCHANT,
}  # fmt: skip
FOLLOWED = ("GET", "/v1/payment-orders/{order_id}/events")
STEP = {
    "order_id": MERCHANT, "version": 4, "status": "captured", "next_action": None, "amount_minor": 5,
    "customer": {"word": "paid", "message": "The payment has been made.", "reason": None}, "captured_minor": 5,
    "currency": "EUR",
}  # fmt: skip
ADJUSTED = [{"address": "wallet:a", "currency": "EUR", "amount_minor": 5}]
MUTATING = ("POST", "PATCH", "DELETE")
# Their identity is in the body or in the path, so that repeating them is safe without a key.
WITHOUT_KEY = {("POST", "/v1/merchants"), ("POST", "/v1/wallets"), ("DELETE", "/v1/monitors/{monitor_id}")}


def value_of(resource: str, name: str) -> Any:
    """A value for the parameter of a client method."""
    if (resource, name) == ("adjustments", "lines"):
        return ADJUSTED
    if name.endswith(("_at", "_from", "_to", "_before")) and name not in VALUES:
        return MOMENT
    return VALUES.get(name, name)


def call_everything(client: Client) -> None:
    """Every method of every resource, with every parameter given."""
    for resource in RESOURCES:
        owner = getattr(client, resource)
        for name, method in inspect.getmembers(owner, inspect.ismethod):
            if name.startswith("_"):
                continue
            arguments = {one: value_of(resource, one) for one in inspect.signature(method).parameters}
            found = method(**arguments)
            if isinstance(found, Iterator):
                next(found)


def test_the_client_and_the_openapi_document_say_the_same(shop: Shop) -> None:
    document = Document(shop.client().get("/openapi.json").get_json())
    asked: dict[tuple[str, str], set[str]] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        operation = document.operation(request.method, request.url.path)
        names = {re.sub(r"^metadata\..*", "metadata", name) for name in request.url.params}
        body = json.loads(request.content) if request.content else None
        wrong = document.unknown(operation, names, body)
        assert wrong == [], f"{request.method} {request.url.path}: {wrong}"
        if request.method in MUTATING and operation not in WITHOUT_KEY:
            assert request.headers["Idempotency-Key"], operation
        sent = names | set(body or {}) | ({"Prefer"} if "Prefer" in request.headers else set())
        asked.setdefault(operation, set()).update(sent)
        if operation == FOLLOWED:
            return httpx.Response(200, text=f"id: 4\nevent: order\ndata: {json.dumps(STEP)}\n\n")
        return httpx.Response(200, json=document.sample(operation))

    with Client("http://api", "k", http=httpx.Client(transport=httpx.MockTransport(answer))) as client:
        call_everything(client)
    assert set(asked) == set(document.operations())
    missing = {operation: document.offered(operation) - sent for operation, sent in asked.items()}
    # Cursors are sent from the second page on.
    assert {operation: names - {"cursor"} for operation, names in missing.items() if names - {"cursor"}} == {}


class Answers:
    """A server that answers what it is told, one after the other, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def client(self, **more: Any) -> Client:
        retries = Retries(sleep=self.slept.append, chance=lambda: 1.0, **more)
        return Client("http://api", "k", retries=retries, http=httpx.Client(transport=httpx.MockTransport(self)))


PROBLEM = {"code": "unavailable", "detail": "not now", "retryable": True, "request_id": "r-1", "status": 503}
CLOSED = {"posting_id": MERCHANT, "status": "closed", "position": "3", "through": "2026-01-01", "new_field": 1}
DAY = date(2026, 1, 1)


def test_a_call_is_repeated_with_its_key_until_an_answer_comes() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    server = Answers(
        httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut"),
        httpx.Response(503, json=PROBLEM, headers={"Retry-After": "7"}),
        httpx.Response(503, json=PROBLEM, headers={"Retry-After": later}), httpx.Response(201, json=CLOSED),
    )  # fmt: skip
    answer = server.client(first_s=0.5, longest_s=1.5).periods.close(DAY)
    assert (answer.through, answer.position, answer.model_extra) == (DAY, "3", {"new_field": 1})
    assert server.slept[:4] == [0.5, 1.0, 1.5, 7.0]
    assert 90 < server.slept[4] <= 100
    assert len({request.headers["Idempotency-Key"] for request in server.requests}) == 1
    assert len({request.content for request in server.requests}) == 1


def test_what_never_answers_says_with_which_key_to_go_on() -> None:
    key = str(uuid4())
    silent = Answers(*[httpx.ReadTimeout("slow")] * 3)
    with pytest.raises(NoAnswer) as unknown:
        silent.client(attempts=3).periods.close(DAY, key=key)
    assert (unknown.value.key, unknown.value.retryable, len(silent.slept)) == (key, True, 2)
    busy = Answers(*[httpx.Response(503, json=PROBLEM)] * 2)
    with pytest.raises(Unavailable) as refused:
        busy.client(attempts=2).periods.close(DAY)
    assert (refused.value.code, refused.value.request_id, refused.value.retryable) == ("unavailable", "r-1", True)


@pytest.mark.parametrize("status", [500, 422, 401])
def test_what_is_no_is_not_asked_again(status: int) -> None:
    errors = [{"field": "through", "message": "is not over"}]
    server = Answers(httpx.Response(status, json={**PROBLEM, "errors": errors, "retryable": False}))
    with pytest.raises(Problem) as refused:
        server.client().periods.close(DAY)
    assert (refused.value.status, refused.value.errors[0].field, server.slept) == (status, "through", [])


@pytest.mark.parametrize("text", ["<html>", '{"posting_id": 1}', '{"posting_id": "x", "status": "closed"}'])
def test_an_answer_of_somebody_else_is_no_answer(text: str) -> None:
    with pytest.raises(UnexpectedAnswer):
        Answers(httpx.Response(200, text=text)).client().periods.close(DAY)


def test_a_readiness_probe_that_says_no_is_an_answer() -> None:
    server = Answers(httpx.Response(503, json={"status": "unavailable", "checks": {"views": "views wait"}}))
    assert server.client().probes.ready().checks == {"views": "views wait"}


def test_lists_follow_their_cursors_and_moments_need_an_offset() -> None:
    pages = [
        {"items": [{"posting_id": "a"}, {"posting_id": "b"}], "next_cursor": "c1", "position": "9"},
        {"items": [{"posting_id": "c"}], "next_cursor": None, "position": "9"},
    ]
    server = Answers(*[httpx.Response(200, json=page) for page in pages])
    found = [row.model_extra for row in server.client().postings.list(rule="transfer", limit=2)]
    assert found == [{"posting_id": "a"}, {"posting_id": "b"}, {"posting_id": "c"}]
    assert [request.url.params.get("cursor") for request in server.requests] == [None, "c1"]
    with pytest.raises(ValueError, match="offset"):
        server.client().postings.list(effective_from=datetime(2026, 1, 1)).__next__()  # noqa: DTZ001 - the point


@pytest.fixture
def proxy(live: Shop) -> Iterator[CuttingProxy]:
    with serving(live.app) as port, CuttingProxy(port) as proxy:
        yield proxy


@pytest.fixture
def daybook(live: Shop, proxy: CuttingProxy) -> Iterator[Client]:
    http = httpx.Client(timeout=20, trust_env=False)
    with Client(proxy.url, live.keys["admin"], retries=Retries(first_s=0.01), http=http) as client:
        yield client


def opened(daybook: Client) -> tuple[str, str]:
    """A bank and Alice, who has 1,000 of its money."""
    bank = daybook.wallets.open("bank:main:cash", "EUR", overdraft_limit_minor=None)
    alice = daybook.wallets.open("wallet:alice", "EUR")
    daybook.transfers.create(source=bank.wallet_id, destination=alice.wallet_id, amount_minor=1_000, currency="EUR")
    return str(bank.wallet_id), str(alice.wallet_id)


def test_an_answer_that_is_lost_after_the_commit_has_one_effect(daybook: Client, proxy: CuttingProxy) -> None:
    bank, alice = opened(daybook)
    proxy.cut_next(2)
    moved = daybook.transfers.create(source=alice, destination=bank, amount_minor=300, currency="EUR")
    assert proxy.cuts == 2
    assert (moved.status, moved.replayed) == ("posted", True)
    assert daybook.wallets.show("wallet:alice", "EUR").posted_minor == 700


def test_money_moves_through_the_client_as_through_the_api(daybook: Client) -> None:
    bank, alice = opened(daybook)
    lines: Any = [
        {"wallet": alice, "currency": "EUR", "amount_minor": 400},
        {"wallet": bank, "currency": "EUR", "amount_minor": -400},
    ]
    tried = daybook.postings.create(lines, dry_run=True)
    assert (tried.dry_run, tried.position) == (True, "0")
    posted = daybook.postings.create(lines, reference="r-1", metadata={"why": "rent"})
    back = daybook.postings.revert(posted.posting_id, amount_minor=100)
    daybook.postings.change_metadata(posted.posting_id, {"why": None, "paid": "yes"})
    shown = daybook.postings.show(posted.posting_id)
    assert (shown.state, shown.reversals, shown.metadata) == ("partially_reverted", (back.posting_id,), {"paid": "yes"})
    hold = daybook.holds.place(lines, expires_at=datetime.now(UTC) + timedelta(hours=1))
    daybook.holds.commit(hold.hold_id, amount_minor=50, final=False)
    daybook.holds.void(hold.hold_id)
    assert daybook.holds.show(hold.hold_id).state == "voided"
    assert daybook.wallets.show(alice).available_minor == 650
    daybook.wallets.freeze(alice, reason="asked")
    with pytest.raises(Refused) as frozen:
        daybook.postings.create(lines)
    assert frozen.value.code == "wallet_frozen"
    with pytest.raises(NotFound):
        daybook.wallets.show("wallet:nobody", "EUR")
    items = [
        {"action": "unfreeze", "wallet": alice, "reason": "asked"},
        {"action": "transfer", "source": alice, "destination": bank, "amount_minor": 5_000, "currency": "EUR"},
    ]
    assert [item.status for item in daybook.bulks.create(items).items] == ["changed", "refused"]


def test_the_rest_of_the_book_answers_the_client(daybook: Client) -> None:
    _, alice = opened(daybook)
    monitor = daybook.monitors.create(alice, measure="posted", threshold_minor=10)
    assert daybook.monitors.remove(monitor.monitor_id).monitor_id == monitor.monitor_id
    assert daybook.monitors.show(monitor.monitor_id).removed
    assert daybook.periods.close(DAY).through == daybook.periods.show().closed_through == DAY
    lines = [
        {"address": "wallet:alice", "currency": "EUR", "amount_minor": 5},
        {"address": "bank:main:cash", "currency": "EUR", "amount_minor": -5},
    ]
    proposed = daybook.adjustments.propose(lines, reason="counted again")
    with pytest.raises(Refused):
        daybook.adjustments.approve(proposed.adjustment_id)
    assert daybook.adjustments.reject(proposed.adjustment_id, reason="no").state == "rejected"
    merchant = daybook.merchants.register(reference="m-1")
    order = daybook.payment_orders.create(amount_minor=500, currency="EUR", merchant_id=merchant.merchant_id)
    assert daybook.payment_orders.cancel(order.order_id, reason="asked").status == "cancelled"
    assert daybook.payment_orders.show(order.order_id).order_id == order.order_id
    topics = [event.topic for event in daybook.events.list(limit=3, topics=["wallet.opened.v1"])]
    assert topics == ["wallet.opened.v1"] * 2
    assert "daybook" in daybook.probes.metrics()
    assert daybook.probes.alive().status == "ok"


def test_one_client_serves_many_threads(daybook: Client) -> None:
    bank, alice = opened(daybook)

    def pay() -> None:
        for _ in range(5):
            daybook.transfers.create(source=alice, destination=bank, amount_minor=1, currency="EUR")

    threads = [threading.Thread(target=pay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert daybook.wallets.show(alice).posted_minor == 980
