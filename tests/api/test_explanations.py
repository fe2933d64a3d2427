"""Explanations over HTTP: the same as at the command line, and of what is the caller's own."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from domain.ids import stream_id
from domain.payment_order import PaymentOrder
from domain.splitting import Split
from eventlog.recorded import Meta
from tests.api.ledger import lines, ok, open_wallet, problem, send
from tests.api.reading import Reading
from tests.api.support import MERCHANT, OTHER_MERCHANT
from tests.api.test_ledger_reads import stocked

__all__ = ["stocked"]

ALICE = "/wallets/wallet:alice/explanation?currency=EUR"


def _paid_order(reading: Reading, merchant: str) -> str:
    """An order of two sellers, paid on the recorded rail and posted by the engine."""
    shop, at = reading.shop, reading.shop.services.clock.now()
    posted = ok(send(shop, "GET", "/v1/wallets/bank:main:cash?currency=EUR"))
    book = _book_of(reading, UUID(posted["wallet_id"]))
    order = PaymentOrder.create(
        book=book, order_id=str(uuid4()), merchant_id=merchant, amount_minor=300, currency="EUR", commission_bps=1_000,
        splits=[Split(MERCHANT, 200), Split(OTHER_MERCHANT, 100)], at=at,
    )  # fmt: skip
    meta = Meta(actor="key:someone", correlation="request-7")
    shop.log.save(order, book=book, meta=meta)
    order.start_attempt(rail="recorded", method="card", amount_minor=300, attempt_key="1", at=at)
    order.capture(capture_id=order.order_id, attempt=1, amount_minor=300, currency="EUR", rail_reference="r", at=at)
    shop.log.save(order, book=book, meta=meta)
    posting = stream_id(book, "posting", f"payment-order/{order.id}/3")
    for _ in range(1_000):
        if shop.log.log_recorder.select_events(posting):
            break
        send(shop, "GET", "/v1/wallets/bank:main:cash?currency=EUR")
    return order.order_id


def _book_of(reading: Reading, wallet: UUID) -> int:
    rows = reading.shop.log.log_recorder.read(0, 10_000, topics=["wallet.opened.v1"])
    return next(row.book for row in rows if row.stream_id == wallet)


def test_a_wallet_is_explained_as_of_any_moment(stocked: Reading) -> None:
    found = ok(stocked.get(f"{ALICE}&limit=1"))
    assert (found["opening_minor"], found["shown_minor"], found["posted_minor"]) == (1_000, 200, 1_200)
    (entry,) = found["entries"]
    assert (entry["rule"], entry["cause"]["kind"], entry["posting"]["actor"]) == ("posting", "request", "engine")
    first = ok(stocked.get(ALICE))["entries"][1]["source"]["position"]
    assert ok(stocked.get(f"{ALICE}&as_of={first}"))["posted_minor"] == 1_000
    problem(stocked.get(f"{ALICE}&as_of={2**62}"), 422, "moment_not_reached", "as_of")
    problem(stocked.get(f"{ALICE}&as_of=1"), 404, "not_found")
    problem(stocked.get("/wallets/wallet:nobody/explanation?currency=EUR"), 404, "not_found")


def test_an_order_is_explained_step_by_step(stocked: Reading) -> None:
    order = _paid_order(stocked, MERCHANT)
    found = ok(stocked.get(f"/payment-orders/{order}/explanation"))
    assert [step["status"] for step in found["steps"]] == ["created", "submitting", "captured"]
    captured = found["steps"][2]
    assert (captured["source"]["actor"], captured["source"]["correlation"]) == ("key:someone", "request-7")
    assert captured["shares"][0]["commission_words"] == "200 x 1,000 / 10,000 = 20"
    assert len(captured["postings"][0]["lines"]) == 4
    earlier = ok(stocked.get(f"/payment-orders/{order}/explanation?as_of={found['steps'][0]['source']['position']}"))
    assert (earlier["status"], len(earlier["steps"])) == ("created", 1)
    for unknown in (str(uuid4()), "seven"):
        problem(stocked.get(f"/payment-orders/{unknown}/explanation"), 404, "not_found")


def test_a_merchant_is_told_of_its_own_and_not_who_wrote_it(stocked: Reading) -> None:
    mine, theirs = _paid_order(stocked, MERCHANT), _paid_order(stocked, OTHER_MERCHANT)
    found = ok(stocked.get(f"/payment-orders/{mine}/explanation", "merchant"))
    (posting,) = found["steps"][2]["postings"]
    assert [line["address"] for line in posting["lines"]] == [f"merchant:{MERCHANT}:pending"]
    problem(stocked.get(f"/payment-orders/{theirs}/explanation", "merchant"), 404, "not_found")
    problem(stocked.get(ALICE, "merchant"), 404, "not_found")
    own = ok(stocked.get(f"/wallets/merchant:{MERCHANT}:pending/explanation?currency=EUR", "merchant"))
    assert own["posted_minor"] == 360
    assert "actor" not in _names(found) | _names(own)
    problem(stocked.get(f"/payment-orders/{mine}/explanation", "foreign"), 404, "not_found")


def _names(document: Any) -> set[str]:
    if isinstance(document, dict):
        return set(document).union(*map(_names, document.values()))
    return set().union(*map(_names, document)) if isinstance(document, list) else set()


def test_a_moment_before_a_wallet_was_opened_knows_nothing_of_it(stocked: Reading) -> None:
    position = ok(stocked.get(ALICE))["entries"][0]["source"]["position"]
    later = open_wallet(stocked.shop, "wallet:later")
    ok(send(stocked.shop, "POST", "/v1/postings", {"lines": lines("bank:main:cash", later, 1)}))
    assert ok(stocked.get(f"/wallets/{later}/explanation"))["posted_minor"] == 1
    problem(stocked.get(f"/wallets/{later}/explanation?as_of={position}"), 404, "not_found")
