"""An order that leaves the rail to us is tried where it may succeed, and elsewhere only where nothing was taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from domain.attempts import AUTO
from domain.payment_order import PaymentOrder
from domain.told import told
from payments.attempts import Attempts
from payments.ladder import STEPS
from payments.routes import ATTEMPTS_MAX, Routes
from rails.port import AuthoriseReply, AuthoriseRequest, Declined, Rail
from rails.registry import open_rail
from rails.routing import Cost
from rails.simulator import magic
from rails.simulator.process import RunningSimulator, running_simulator
from tests.payments.shop import TOKEN, Shop
from tests.payments.test_attempts import advance
from tests.payments.test_due import kinds

COSTS = {"first": Cost(bps=10), "second": Cost(bps=20)}


class Named:
    """A rail under another name, which may be told to decline."""

    def __init__(self, rail: Rail, name: str) -> None:
        self._rail, self.name = rail, name
        self.capabilities = rail.capabilities
        self.declines: Declined | None = None

    def authorise(self, request: AuthoriseRequest) -> AuthoriseReply:
        return self.declines or self._rail.authorise(request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rail, name)


@pytest.fixture(scope="session")
def other_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with running_simulator(tmp_path_factory.mktemp("other-simulator") / "books.sqlite") as simulator:
        yield simulator


@pytest.fixture
def rails(rail_shop: Shop, other_simulator: RunningSimulator) -> Iterator[dict[str, Named]]:
    """Two providers with books of their own; the first one is cheaper."""
    assert rail_shop.rail is not None
    second = open_rail("simulated", {"url": other_simulator.url, "read_timeout": "5"})
    found = {"first": Named(rail_shop.rail, "first"), "second": Named(second, "second")}
    use(rail_shop, found)
    yield found
    second.close()


def use(shop: Shop, rails: dict[str, Any], down: dict[str, str] | None = None) -> None:
    shop.attempts = Attempts(shop.log, rails, shop.clock, Routes(rails, (down or {}).get, COSTS))


def place(shop: Shop, amount: int = 10_000) -> PaymentOrder:
    body = shop.body(amount_minor=amount, rail=AUTO, payment_token=TOKEN)
    return advance(shop, shop.checkout.create_order(body).order)


def tried(order: PaymentOrder) -> list[tuple[str, str]]:
    return [(attempt.rail, attempt.state) for attempt in order.attempts]


@pytest.mark.usefixtures("rails")
def test_the_cheapest_rail_is_asked_and_no_other(rail_shop: Shop) -> None:
    order = place(rail_shop)
    assert (order.status, tried(order)) == ("captured", [("first", "captured")])


def test_a_rail_that_is_held_to_be_down_is_passed_over(rail_shop: Shop, rails: dict[str, Named]) -> None:
    use(rail_shop, rails, {"first": "held to be down"})
    assert tried(place(rail_shop)) == [("second", "captured")]


def test_what_the_first_never_had_goes_to_the_second_at_once(rail_shop: Shop, rails: dict[str, Named]) -> None:
    nobody = Named(open_rail("simulated", {"url": "http://127.0.0.1:9"}), "first")
    use(rail_shop, rails | {"first": nobody})
    assert tried(place(rail_shop)) == [("first", "not_received"), ("second", "captured")]


def test_when_nobody_can_be_reached_the_order_waits_and_is_paid_once_somebody_can(
    rail_shop: Shop, rails: dict[str, Named]
) -> None:
    nobody = open_rail("simulated", {"url": "http://127.0.0.1:9"})
    use(rail_shop, {name: Named(nobody, name) for name in rails})
    order = place(rail_shop)
    assert tried(order) == [("first", "not_received"), ("second", "not_received")]
    assert (order.status, rail_shop.topics()[-1]) == ("created", "attempt-deferred")
    use(rail_shop, rails, {"first": "held to be down", "second": "held to be down"})
    before = rail_shop.topics()
    assert advance(rail_shop, order).status == "created"
    assert rail_shop.topics() == before
    use(rail_shop, rails)
    order = advance(rail_shop, order)
    assert (order.status, order.captured_minor, len(order.attempts)) == ("captured", 10_000, 3)


@pytest.mark.parametrize(
    ("refusal", "elsewhere"),
    [
        (Declined("do_not_honour", "soft"), True),
        (Declined("processing_error", "soft"), False),
        (Declined("insufficient_funds", "soft"), False),
        (Declined("stolen_card", "hard"), False),
    ],
)
def test_a_no_goes_elsewhere_only_where_another_may_say_yes(
    rail_shop: Shop, rails: dict[str, Named], refusal: Declined, elsewhere: bool
) -> None:
    rails["first"].declines = refusal
    order = place(rail_shop)
    assert tried(order) == [("first", "declined"), *([("second", "captured")] if elsewhere else [])]


def test_while_another_rail_may_say_yes_nobody_is_told_that_it_has_failed(
    rail_shop: Shop, rails: dict[str, Named]
) -> None:
    rails["first"].declines = Declined("do_not_honour", "soft")
    use(rail_shop, rails, {"second": "held to be down"})
    order = place(rail_shop)
    assert (order.status, order.deferred, told(order).word) == ("declined", "second", "processing")
    use(rail_shop, rails)
    order = advance(rail_shop, order)
    assert (order.status, told(order).word) == ("captured", "paid")
    steps = rail_shop.log.events.get(order.id)
    seen: list[str] = []
    known: Any = None
    for step in steps:
        known = step.mutate(known)
        seen.append(told(known).word)
    assert "failed" not in seen


def test_when_no_rail_is_left_that_is_written_once_and_told(rail_shop: Shop, rails: dict[str, Named]) -> None:
    for rail in rails.values():
        rail.declines = Declined("do_not_honour", "soft")
    order = place(rail_shop)
    assert (order.status, order.deferred, told(order).word) == ("declined", AUTO, "failed")
    before = rail_shop.topics()
    advance(rail_shop, order)
    assert rail_shop.topics() == before
    assert before[-1] == "attempt-deferred"
    assert kinds(rail_shop) == []


def test_one_order_is_not_hammered(rail_shop: Shop, rails: dict[str, Named]) -> None:
    many = {f"rail-{number}": Named(rails["first"], f"rail-{number}") for number in range(6)}
    for rail in many.values():
        rail.declines = Declined("do_not_honour", "soft")
    use(rail_shop, many)
    assert len(place(rail_shop).attempts) == ATTEMPTS_MAX


def test_nobody_else_is_asked_while_the_first_may_have_charged(
    rail_shop: Shop, rails: dict[str, Named], other_simulator: RunningSimulator
) -> None:
    """The reply is lost after the effect: a second rail would take the money again."""
    order = place(rail_shop, magic.NO_REPLY_AFTER_EFFECT)
    assert (order.status, tried(order)) == ("unknown", [("first", "submitting")])
    use(rail_shop, rails, {"first": "held to be down"})
    assert tried(advance(rail_shop, order)) == [("first", "submitting")]
    rail_shop.clock.pass_(STEPS[0] + timedelta(seconds=1))
    order = advance(rail_shop, order)
    assert (order.status, tried(order)) == ("captured", [("first", "captured")])
    found = httpx.get(f"{other_simulator.url}/v1/authorisations", params={"order_id": order.order_id}, trust_env=False)
    assert found.json()["authorisations"] == []


def test_a_rail_that_cannot_take_the_currency_is_not_asked(rail_shop: Shop, rails: dict[str, Named]) -> None:
    rails["first"].capabilities = replace(rails["first"].capabilities, currencies=frozenset({"USD"}))
    use(rail_shop, rails)
    assert tried(place(rail_shop)) == [("second", "captured")]
