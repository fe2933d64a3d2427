"""Timers: what is due happens once, on the order's own word and not on the view's; what is in doubt is asked for until
evidence comes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.payment_order import PaymentOrder
from ledger.client import LedgerClient
from payments.due import BATCH, PAGES, DueEntry, DuePoller
from projections.due import (
    AUTHORISATION_EXPIRY,
    FUNDS_RELEASE,
    HOLD_EXPIRY,
    INQUIRY,
    INQUIRY_AFTER,
    LATE_HOLD,
    ORDER_EXPIRY,
    RETRY,
    VIEW,
    WAITING,
)
from projections.view import Fact, Rows
from rails.simulator import magic
from tests.payments.shop import BOOK, TOKEN, Shop

HOUR = timedelta(hours=1)
NO_ENGINE = LedgerClient("/nonexistent/engine.sock", connect_timeout=0.01)


def poller(shop: Shop, *entries: DueEntry) -> DuePoller:
    """Given a view that shows `entries` from their time on, for ever: a view may lag behind."""

    def due(now: datetime, limit: int, after: DueEntry | None = None) -> list[DueEntry]:
        first = 0 if after is None else entries.index(after) + 1
        return [entry for entry in entries[first:] if entry.due_at <= now][:limit]

    return DuePoller(shop.log, due, shop.clock, lambda *_: False, NO_ENGINE)


def test_thousands_that_wait_keep_nobody_from_their_turn(shop: Shop) -> None:
    at = shop.clock.now() + HOUR
    order = shop.checkout.create_order(shop.body(expires_at=at)).order
    waiting = [DueEntry(BOOK, UUID(int=number), WAITING, "1", at) for number in range(BATCH * PAGES)]
    timers = poller(shop, *waiting, DueEntry(BOOK, order.id, ORDER_EXPIRY, "", at))
    shop.clock.pass_(HOUR)
    assert (timers.poll(), shop.log.repository.get(order.id).status) == (0, "created")
    assert (timers.poll(), shop.log.repository.get(order.id).status) == (1, "expired")


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


def test_a_hold_waits_for_its_engine_and_keeps_no_order_waiting(shop: Shop) -> None:
    at = shop.clock.now() + HOUR
    order = shop.checkout.create_order(shop.body(expires_at=at)).order
    shop.clock.pass_(HOUR)
    hold = DueEntry(BOOK, UUID(int=2), HOLD_EXPIRY, str(UUID(int=2)), at)
    assert poller(shop, hold, hold, DueEntry(BOOK, order.id, ORDER_EXPIRY, "", at)).poll() == 1


def due_entries(shop: Shop) -> list[DueEntry]:
    """What the view makes of the log so far."""
    rows: Rows = {}
    for row in shop.recorder.read(0, 1_000, topics=VIEW.topics):
        fact = Fact(
            row.position, row.book, row.stream_id, row.version, row.recorded_at, shop.log.log_mapper.decode(row)
        )
        for key in VIEW.keys(fact):
            rows.setdefault(key, None)
        VIEW.fold(rows, fact)
    kept = [row for row in rows.values() if row is not None]
    return [DueEntry(row["book"], row["stream_id"], row["kind"], row["key"], row["due_at"]) for row in kept]


def start_and_lose_the_answer(shop: Shop, amount: int) -> PaymentOrder:
    order = shop.checkout.create_order(shop.body(amount_minor=amount, rail="simulated", payment_token=TOKEN)).order
    shop.attempts.advance(BOOK, order.id)
    return order


def test_an_outcome_that_nobody_knows_is_asked_for_until_evidence_ends_the_doubt(rail_shop: Shop) -> None:
    order = start_and_lose_the_answer(rail_shop, magic.NO_REPLY_AFTER_EFFECT)
    (timer,) = [entry for entry in due_entries(rail_shop) if entry.kind == INQUIRY]
    assert timer == DueEntry(BOOK, order.id, INQUIRY, "1", rail_shop.clock.now() + INQUIRY_AFTER)

    def due(now: datetime, _limit: int, _after: DueEntry | None = None) -> list[DueEntry]:
        return [entry for entry in due_entries(rail_shop) if entry.kind == INQUIRY and entry.due_at <= now]

    timers = DuePoller(rail_shop.log, due, rail_shop.clock, rail_shop.attempts.advance, NO_ENGINE)
    assert timers.poll() == 0
    rail_shop.clock.pass_(INQUIRY_AFTER)
    assert (timers.poll(), timers.poll()) == (1, 0)
    assert rail_shop.checkout.order(BOOK, order.order_id).status == "captured"
    assert due(datetime.max.replace(tzinfo=UTC), 1) == []


def test_the_pause_between_two_inquiries_grows_with_the_doubt_and_has_a_limit(shop: Shop) -> None:
    begun, order = shop.clock.now(), UUID(int=7)
    asked: list[float] = []

    def inquire(book: int, stream_id: UUID) -> bool:
        asked.append((shop.clock.now() - begun).total_seconds())
        return True

    entry = DueEntry(BOOK, order, INQUIRY, "1", begun)
    timers = DuePoller(shop.log, lambda *_: [entry], shop.clock, inquire, NO_ENGINE)
    for _ in range(9 * 3600):
        timers.poll()
        shop.clock.pass_(timedelta(seconds=1))
    assert asked[:5] == [0, 2, 6, 14, 30]
    assert {after - before for before, after in zip(asked[-4:], asked[-3:], strict=False)} == {3600}


def test_a_poll_that_fails_does_not_end_the_timers(shop: Shop) -> None:
    stop = threading.Event()
    polls: list[datetime] = []

    def due(now: datetime, limit: int, _after: DueEntry | None = None) -> list[DueEntry]:
        polls.append(now)
        if len(polls) == 3:
            stop.set()
        raise RuntimeError("broken on purpose")

    DuePoller(shop.log, due, shop.clock, lambda *_: False, NO_ENGINE).run(stop, 0.001)
    assert len(polls) == 3


def kinds(shop: Shop) -> list[str]:
    return sorted(entry.kind for entry in due_entries(shop) if entry.kind != ORDER_EXPIRY)


def test_whoever_is_waited_for_has_a_timer_until_it_is_over(shop: Shop) -> None:
    order = shop.checkout.create_order(shop.body()).order
    at = shop.clock.now()
    steps: list[tuple[Callable[[], object], list[str]]] = [
        (lambda: order.defer(rail="simulated", reason="down", at=at), [RETRY]),
        (lambda: start(order, at), []),
        (lambda: order.mark_unknown(attempt=1, operation="authorise", reason="lost", at=at), [INQUIRY]),
        (lambda: inquire(order, at), [INQUIRY]),
        (lambda: require_action(order, at), [WAITING]),
        (lambda: order.mark_pending(attempt=1, rail_reference="r", expected_by=None, at=at), [WAITING]),
        (lambda: order.decline(attempt=1, code="no", decline_class="soft", at=at), []),
        (lambda: hold_late(order, at), [LATE_HOLD]),
        (lambda: order.void_late_success(attempt=1, rail_reference="r", amount_minor=1, at=at), []),
    ]
    for step, wanted in steps:
        step()
        shop.log.save(order, book=BOOK)
        assert kinds(shop) == wanted


def start(order: PaymentOrder, at: datetime) -> None:
    order.start_attempt(rail="simulated", method="token", amount_minor=10_000, attempt_key="k", at=at)


def inquire(order: PaymentOrder, at: datetime) -> None:
    order.record_inquiry(attempt=1, answer="unknown", reason="lost", next_at=at, at=at)


def require_action(order: PaymentOrder, at: datetime) -> None:
    order.require_action(attempt=1, rail_reference="r", url=None, instructions={}, expires_at=None, at=at)


def hold_late(order: PaymentOrder, at: datetime) -> None:
    order.authorize(attempt=1, amount_minor=10_000, currency="EUR", rail_reference="r", at=at)
