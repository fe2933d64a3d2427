"""The Stripe rail against localstripe, beyond the contract: the payer acts, parts are taken, keys are forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rails.port import (
    ActionRequired,
    Authorised,
    AuthoriseRequest,
    Captured,
    CaptureRequest,
    Declined,
    InquiryRequest,
    Unknown,
    Voided,
    VoidRequest,
)
from rails.registry import open_rail
from tests.api.proxy import CuttingProxy, serving
from tests.rails.localstripe import KEY, OMIT, LocalStripe, running_localstripe
from tests.rails.stripe_front import StripeFront

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rails.port import Rail

REQUEST = AuthoriseRequest("order-1", 1, "attempt-1", 10_000, "EUR", "pm_card_visa", capture=False)

DECLINED_CARD, NO_CARD = "pm_card_chargeCustomerFail", "pm_none"


@pytest.fixture(scope="module")
def running() -> Iterator[LocalStripe]:
    with running_localstripe() as stripe:
        yield stripe


@pytest.fixture
def stripe(running: LocalStripe) -> LocalStripe:
    running.reset()
    return running


@pytest.fixture
def rail(stripe: LocalStripe) -> Iterator[Rail]:
    yield from rail_at(stripe.url)


def rail_at(url: str) -> Iterator[Rail]:
    rail = open_rail("stripe", {"key": KEY, "url": url, "omit": OMIT, "read_timeout": "10"})
    yield rail
    rail.close()


def test_a_payment_says_at_stripe_which_order_and_attempt_it_is_of(stripe: LocalStripe, rail: Rail) -> None:
    reply = rail.authorise(replace(REQUEST, capture=True))
    assert isinstance(reply, Captured)
    payment = stripe.payment(reply.rail_reference)
    assert payment["metadata"] == {"order_id": "order-1", "attempt_key": "attempt-1"}
    assert (payment["status"], payment["amount"], payment["currency"]) == ("succeeded", 10_000, "eur")
    assert stripe.totals() == {"held": 0, "captured": 10_000, "released": 0, "cost": 0}


def test_a_declined_card_leaves_a_payment_that_took_nothing(stripe: LocalStripe, rail: Rail) -> None:
    declined = rail.authorise(replace(REQUEST, payment_token=DECLINED_CARD))
    assert declined == Declined("card_declined", "soft")
    assert [payment["status"] for payment in stripe.payments()] == ["requires_payment_method"]
    assert set(stripe.totals().values()) == {0}


def test_a_card_that_does_not_exist_is_refused_and_makes_nothing(stripe: LocalStripe, rail: Rail) -> None:
    assert rail.authorise(replace(REQUEST, payment_token=NO_CARD)) == Declined("invalid_request", "hard", "rail")
    assert stripe.payments() == []


def test_a_part_is_captured_and_the_rest_given_back(stripe: LocalStripe, rail: Rail) -> None:
    held = rail.authorise(REQUEST)
    assert isinstance(held, Authorised)
    captured = rail.capture(CaptureRequest("capture-1", held.rail_reference, 4_000, "EUR", final=True))
    assert captured == Captured(held.rail_reference, 4_000, 0)
    assert stripe.totals() == {"held": 0, "captured": 4_000, "released": 6_000, "cost": 0}
    # localstripe does not say how much was received, and of a manual payment nothing else tells.
    assert isinstance(rail.inquire(InquiryRequest("attempt-1", None, held.rail_reference)), Unknown)


@pytest.mark.parametrize("number", ["4000002500003155", "4000000000003220"])
def test_a_payer_who_proves_to_be_the_holder_pays(stripe: LocalStripe, rail: Rail, number: str) -> None:
    waits = rail.authorise(replace(REQUEST, payment_token=stripe.card(number), capture=True))
    assert isinstance(waits, ActionRequired)
    stripe.authenticate(waits.rail_reference, success=True)
    told = rail.inquire(InquiryRequest("attempt-1", None, waits.rail_reference))
    assert told == Captured(waits.rail_reference, 10_000, 0)


def test_a_payer_who_does_not_is_declined_softly(stripe: LocalStripe, rail: Rail) -> None:
    waits = rail.authorise(replace(REQUEST, payment_token=stripe.card("4000000000003220")))
    assert isinstance(waits, ActionRequired)
    stripe.authenticate(waits.rail_reference, success=False)
    told = rail.inquire(InquiryRequest("attempt-1", None, waits.rail_reference))
    assert told == Declined("payment_intent_authentication_failure", "soft", "rail")


def test_a_payment_that_waits_for_its_payer_is_called_off_and_gives_nothing_back(
    stripe: LocalStripe, rail: Rail
) -> None:
    waits = rail.authorise(replace(REQUEST, payment_token=stripe.card("4000000000003220")))
    assert isinstance(waits, ActionRequired)
    assert rail.void(VoidRequest("void-1", waits.rail_reference)) == Voided(waits.rail_reference, 0)
    told = rail.inquire(InquiryRequest("attempt-1", None, waits.rail_reference))
    assert told == Declined("canceled", "soft", "rail")


def test_a_reply_that_was_lost_on_the_way_is_told_again_under_the_same_key(stripe: LocalStripe) -> None:
    front = StripeFront(stripe.url)
    with serving(front) as port, CuttingProxy(port) as proxy:
        for rail in rail_at(proxy.url):
            proxy.cut_next(1)
            assert isinstance(rail.authorise(REQUEST), Unknown)
            held = rail.authorise(REQUEST)
            assert isinstance(held, Authorised)
    assert [seen.key for seen in front.seen] == ["attempt-1", "attempt-1"]
    assert stripe.totals()["held"] == 10_000


def test_a_key_that_was_forgotten_pays_twice_which_is_why_the_rail_says_for_how_long_it_keeps_them(
    stripe: LocalStripe,
) -> None:
    front = StripeFront(stripe.url)
    with serving(front) as port:
        for rail in rail_at(f"http://127.0.0.1:{port}"):
            assert rail.capabilities.keys_kept_s == 24 * 3600
            first = rail.authorise(REQUEST)
            assert rail.authorise(REQUEST) == first
            front.forget_keys()
            assert rail.authorise(REQUEST) != first
    assert stripe.totals()["held"] == 20_000
