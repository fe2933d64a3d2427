"""Timers: what is due happens once, on the order's own word and not on the view's."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from payments.due import DueEntry, DuePoller
from projections.due import AUTHORISATION_EXPIRY, FUNDS_RELEASE, ORDER_EXPIRY
from tests.payments.shop import BOOK, TOKEN, Shop

HOUR = timedelta(hours=1)


def poller(shop: Shop, *entries: DueEntry) -> DuePoller:
    """Given a view that shows `entries` from their time on, for ever: a view may lag behind."""

    def due(now: datetime, limit: int) -> list[DueEntry]:
        return [entry for entry in entries if entry.due_at <= now][:limit]

    return DuePoller(shop.log, due, shop.clock, lambda *_: False)


def test_an_unpaid_order_expires_at_its_time_and_only_once(shop: Shop) -> None:
    at = shop.clock.now() + HOUR
    order = shop.checkout.create_order(shop.body(expires_at=at)).order
    timers = poller(shop, DueEntry(BOOK, order.id, ORDER_EXPIRY, "", at))
    assert timers.poll() == 0
    shop.clock.pass_(HOUR)
    assert (timers.poll(), timers.poll()) == (1, 0)
    assert shop.checkout.order(BOOK, order.order_id).status == "expired"


def test_a_paid_order_does_not_expire_however_late_the_view_is(shop: Shop) -> None:
    at = shop.clock.now() + HOUR
    recorded = ({"method": "boleto", "amount_minor": 10_000, "effective_at": shop.clock.now()},)
    order = shop.checkout.create_order(shop.body(expires_at=at, recorded=recorded)).order
    shop.clock.pass_(2 * HOUR)
    assert poller(shop, DueEntry(BOOK, order.id, ORDER_EXPIRY, "", at)).poll() == 0
    assert shop.checkout.order(BOOK, order.order_id).status == "captured"


def test_an_authorisation_expires_when_its_rail_said_and_not_before(rail_shop: Shop) -> None:
    body = rail_shop.body(rail="simulated", payment_token=TOKEN, capture_mode="manual")
    order = rail_shop.checkout.create_order(body).order
    rail_shop.attempts.advance(BOOK, order.id)
    until = rail_shop.checkout.order(BOOK, order.order_id).attempts[0].capture_before
    assert until is not None
    timers = poller(rail_shop, DueEntry(BOOK, order.id, AUTHORISATION_EXPIRY, "1", rail_shop.clock.now()))
    assert timers.poll() == 0
    rail_shop.clock.moment = until
    assert (timers.poll(), timers.poll()) == (1, 0)
    assert rail_shop.checkout.order(BOOK, order.order_id).held_minor == 0
    assert rail_shop.topics()[-1] == "authorization-expired"


def test_funds_are_released_once(shop: Shop) -> None:
    recorded = ({"method": "boleto", "amount_minor": 10_000, "effective_at": shop.clock.now()},)
    order = shop.checkout.create_order(shop.body(recorded=recorded)).order
    (capture_id,) = order.captures
    timers = poller(shop, DueEntry(BOOK, order.id, FUNDS_RELEASE, capture_id, shop.clock.now()))
    assert (timers.poll(), timers.poll()) == (1, 0)
    assert shop.topics()[-1] == "funds-released"


def test_an_entry_of_nothing_does_not_stop_the_others(shop: Shop) -> None:
    at = shop.clock.now() + HOUR
    order = shop.checkout.create_order(shop.body(expires_at=at)).order
    shop.clock.pass_(HOUR)
    timers = poller(
        shop,
        DueEntry(BOOK, UUID(int=1), ORDER_EXPIRY, "", at),
        DueEntry(BOOK, order.id, ORDER_EXPIRY, "", at),
    )
    assert timers.poll() == 1
