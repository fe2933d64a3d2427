"""Doubt is asked about step by step and shown to people in the end; what was never sent is no doubt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.payment_order import PaymentOrder
from payments.attempts import Attempts
from payments.commands import CaptureOrder
from payments.ladder import AFTERWARDS, STEPS, next_inquiry, used_up
from payments.routes import Routes
from rails.port import AuthoriseReply, AuthoriseRequest, InquiryReply, InquiryRequest, Rail
from rails.registry import open_rail
from rails.simulator import magic
from tests.payments.shop import BOOK, TOKEN, Shop
from tests.payments.test_attempts import advance, place

HOUR = timedelta(hours=1)


def asked(shop: Shop, order: PaymentOrder) -> list[float]:
    """Seconds since the doubt began at which the rail was asked in vain."""
    doubt, *inquiries = [
        event
        for event in shop.log.events.get(order.id)
        if type(event).__name__ in ("AttemptOutcomeUnknown", "AttemptInquired")
    ]
    return [(event.timestamp - doubt.timestamp).total_seconds() for event in inquiries]


def let_pass(shop: Shop, order: PaymentOrder, time: timedelta, step: timedelta) -> PaymentOrder:
    """Looks at the order every `step`, as a poller does that does not know the ladder."""
    until = shop.clock.now() + time
    while shop.clock.now() < until:
        shop.clock.pass_(step)
        order = advance(shop, order)
    return order


def test_the_ladder_is_the_references_and_goes_on_once_a_day(shop: Shop) -> None:
    begun, moment, waits = shop.clock.now(), shop.clock.now(), []
    for count in range(9):
        moment = next_inquiry(count, moment)
        waits.append((moment - begun).total_seconds())
        begun = moment
    assert waits == [2, 10, 30, 120, 600, 3_600, 21_600, 86_400, 86_400]
    assert [used_up(count) for count in (0, 6, 7)] == [False, False, True]
    assert STEPS[-1] < AFTERWARDS


def test_a_doubt_that_asking_does_not_end_climbs_the_ladder_and_is_shown_to_people_once(rail_shop: Shop) -> None:
    order = advance(rail_shop, place(rail_shop, magic.NO_REPLY_BEFORE_EFFECT))
    order = let_pass(rail_shop, order, timedelta(seconds=45), timedelta(seconds=1))
    assert asked(rail_shop, order) == [2, 12, 42]
    order = let_pass(rail_shop, order, 9 * HOUR, timedelta(minutes=1))
    assert rail_shop.topics().count("doubt-escalated") == 1
    assert len(asked(rail_shop, order)) == len(STEPS)
    order = let_pass(rail_shop, order, 50 * HOUR, HOUR)
    assert (order.status, order.attempts[0].escalated) == ("unknown", True)
    assert len(asked(rail_shop, order)) == len(STEPS) + 2
    assert rail_shop.topics().count("doubt-escalated") == 1
    assert order.captured_minor == 0


def test_a_capture_in_doubt_is_asked_about_by_the_same_ladder(rail_shop: Shop) -> None:
    order = advance(rail_shop, place(rail_shop, 100_000, mode="manual"))
    command = CaptureOrder(
        book=BOOK, order_id=order.order_id, capture_id=order.order_id, amount_minor=magic.SERVER_ERROR_BEFORE_EFFECT
    )
    rail_shop.checkout.request_capture(command)
    order = advance(rail_shop, order)
    assert order.status == "unknown"
    order = let_pass(rail_shop, order, timedelta(seconds=45), timedelta(seconds=1))
    assert asked(rail_shop, order) == [2, 12, 42]
    assert order.captured_minor == 0


@pytest.fixture
def away_shop(rail_shop: Shop) -> Shop:
    """A shop whose rail is not there: nobody listens on its port."""
    assert rail_shop.rail is not None
    nobody = open_rail("simulated", {"url": "http://127.0.0.1:9"})
    rail_shop.attempts = Attempts(rail_shop.log, {nobody.name: nobody}, rail_shop.clock)
    return rail_shop


def test_what_was_never_sent_is_no_doubt_and_is_sent_when_the_rail_is_back(away_shop: Shop) -> None:
    rail = away_shop.rail
    assert rail is not None
    order = advance(away_shop, place(away_shop))
    assert (order.status, order.attempts[0].state) == ("created", "not_received")
    assert away_shop.topics()[-3:] == ["attempt-started", "attempt-not-received", "attempt-deferred"]
    away_shop.attempts = Attempts(away_shop.log, {rail.name: rail}, away_shop.clock)
    order = advance(away_shop, order)
    assert (order.status, len(order.attempts), order.captured_minor) == ("captured", 2, 10_000)


def test_a_rail_that_is_held_to_be_down_is_not_asked_and_the_order_says_so_once(rail_shop: Shop) -> None:
    rail, down = rail_shop.rail, ["held to be down"]
    assert rail is not None
    rails = {rail.name: rail}
    routes = Routes(rails, lambda _: down[0] if down else None)
    rail_shop.attempts = Attempts(rail_shop.log, rails, rail_shop.clock, routes)
    order = place(rail_shop)
    for _ in range(3):
        order = advance(rail_shop, order)
    assert rail_shop.topics()[-1] == "attempt-deferred"
    assert rail_shop.topics().count("attempt-deferred") == 1
    assert (order.status, order.deferred, order.attempts) == ("created", "simulated", [])
    down.clear()
    assert advance(rail_shop, order).captured_minor == 10_000


def test_a_rail_that_goes_away_between_start_and_answer_leaves_a_doubt(away_shop: Shop) -> None:
    """The process died, and whether it had sent anything nobody knows: that the rail is away now tells nothing."""
    order = place(away_shop)
    order.start_attempt(
        rail="simulated", method="token", amount_minor=10_000, attempt_key="k", at=away_shop.clock.now()
    )
    away_shop.log.save(order, book=BOOK)
    order = advance(away_shop, order)
    assert order.status == "unknown"
    order = let_pass(away_shop, order, 7 * HOUR, HOUR)
    assert asked(away_shop, order) == [], "a rail that could not be asked has not been"
    order = let_pass(away_shop, order, 5 * HOUR, HOUR)
    assert (order.status, order.attempts[0].escalated) == ("unknown", True)
    assert away_shop.topics().count("doubt-escalated") == 1


def test_an_order_that_nobody_could_be_asked_for_can_be_cancelled(away_shop: Shop) -> None:
    order = advance(away_shop, place(away_shop))
    order.cancel(reason="asked", at=away_shop.clock.now())
    away_shop.log.save(order, book=BOOK)
    before = away_shop.topics()
    assert advance(away_shop, order).status == "cancelled"
    assert away_shop.topics() == before
    assert order.payment_token == TOKEN


class Forgetful:
    """The simulated rail as one that keeps keys for an hour, and finds nothing by them."""

    def __init__(self, rail: Rail) -> None:
        self._rail, self.sent = rail, 0
        self.name = rail.name
        self.capabilities = replace(rail.capabilities, inquiry_needs_reference=True, keys_kept_s=3_600.0)

    def authorise(self, request: AuthoriseRequest) -> AuthoriseReply:
        self.sent += 1
        return self._rail.authorise(request)

    def inquire(self, request: InquiryRequest) -> InquiryReply:
        assert request.rail_reference is not None, "it would find nothing, which is not the same as nothing being there"
        return self._rail.inquire(request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rail, name)


def test_nothing_is_sent_again_to_a_rail_that_may_have_forgotten_its_key(rail_shop: Shop) -> None:
    assert rail_shop.rail is not None
    rail = Forgetful(rail_shop.rail)
    rail_shop.attempts = Attempts(rail_shop.log, {rail.name: rail}, rail_shop.clock)
    order = advance(rail_shop, place(rail_shop, magic.NO_REPLY_BEFORE_EFFECT))
    order = let_pass(rail_shop, order, timedelta(minutes=50), timedelta(seconds=30))
    sent = rail.sent
    assert sent > 3, "while it keeps keys it is asked by them"
    order = let_pass(rail_shop, order, 30 * HOUR, HOUR)
    assert (rail.sent, order.status, order.attempts[0].escalated) == (sent, "unknown", True)
