"""A payer who must confirm is waited for, by the simulator's own 3-D Secure step; nothing is taken before, or twice."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from domain.payment_order import PaymentOrder
from domain.told import told
from payments.recording import attempt_key
from rails.port import Authorised, InquiryRequest, Voided
from rails.simulated import SimulatedRail
from tests.payments.shop import BOOK, Shop
from tests.payments.test_attempts import advance

CHALLENGED = "tok_3ds"


def place(shop: Shop, mode: str = "automatic") -> PaymentOrder:
    body = shop.body(rail="simulated", payment_token=CHALLENGED, capture_mode=mode)
    return advance(shop, shop.checkout.create_order(body).order)


def decide(order: PaymentOrder, decision: str) -> None:
    """What the payer presses on the page that the order sends them to."""
    url = order.attempts[-1].action_url
    assert url is not None
    assert httpx.post(f"{url}/{decision}", trust_env=False).status_code == 200


def test_the_payer_is_sent_to_confirm_and_nothing_is_taken_before(rail_shop: Shop) -> None:
    order = place(rail_shop)
    assert (order.status, told(order).word, order.captured_minor) == ("requires_action", "action_needed", 0)
    before = rail_shop.topics()
    assert advance(rail_shop, order).status == "requires_action"
    assert rail_shop.topics() == before, "looking at somebody who waits leaves no trace"
    assert rail_shop.topics()[-2:] == ["attempt-started", "action-required"]


@pytest.mark.parametrize(("mode", "status"), [("automatic", "captured"), ("manual", "authorized")])
def test_what_the_payer_confirms_is_paid_once(rail_shop: Shop, mode: str, status: str) -> None:
    order = place(rail_shop, mode)
    decide(order, "approve")
    for _ in range(2):
        order = advance(rail_shop, order)
    assert (order.status, len(order.attempts)) == (status, 1)
    assert order.captured_minor + order.held_minor == 10_000


def test_what_the_payer_refuses_is_not(rail_shop: Shop) -> None:
    order = place(rail_shop)
    decide(order, "decline")
    order = advance(rail_shop, order)
    assert order.status in ("declined", "failed")
    assert (told(order).word, order.captured_minor) == ("failed", 0)


def test_a_payer_who_does_not_act_in_time_has_not_paid_and_cannot_any_more(rail_shop: Shop) -> None:
    order = place(rail_shop)
    until = order.attempts[0].waits_until
    assert until is not None
    rail_shop.clock.pass_(until - rail_shop.clock.now() + timedelta(seconds=1))
    order = advance(rail_shop, order)
    assert (order.status, order.attempts[0].decline_code) == ("declined", "action_expired")
    assert told(order).reason == "The payment was not confirmed in time."
    rail = rail_shop.rail
    assert isinstance(rail, SimulatedRail)
    at_the_rail = rail.inquire(InquiryRequest(attempt_key(order.id, 1)))
    assert isinstance(at_the_rail, Voided), "it was closed there first"
    url = order.attempts[0].action_url
    assert httpx.post(f"{url}/approve", trust_env=False).status_code == 409
    assert advance(rail_shop, order).captured_minor == 0


def test_what_a_rail_holds_for_an_order_that_was_given_up_goes_back_to_the_payer(rail_shop: Shop) -> None:
    """The payer confirms at the last moment, when the order has been told that they did not."""
    order = place(rail_shop, "manual")
    order.decline(attempt=1, code="action_expired", decline_class="soft", at=rail_shop.clock.now())
    order.cancel(reason="asked", at=rail_shop.clock.now())
    decide(order, "approve")
    rail = rail_shop.rail
    assert rail is not None
    held = rail.inquire(InquiryRequest(attempt_key(order.id, 1)))
    assert isinstance(held, Authorised)
    order.authorize(
        attempt=1, amount_minor=held.amount_minor, currency="EUR", rail_reference=held.rail_reference,
        at=rail_shop.clock.now(),
    )  # fmt: skip
    rail_shop.log.save(order, book=BOOK)
    for _ in range(2):
        order = advance(rail_shop, order)
    assert (order.status, order.held_minor, order.late_voided) == ("conflicted", 0, [held.rail_reference])
    assert rail_shop.topics()[-1] == "late-success-voided"
    assert isinstance(rail.inquire(InquiryRequest(attempt_key(order.id, 1))), Voided)
