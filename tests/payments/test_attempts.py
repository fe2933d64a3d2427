"""The payment process against the real simulator: facts come from the rail, doubt is never resolved by guessing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import Tracking

from domain.payment_order import PaymentOrder
from eventlog.follower import Follower
from eventlog.memory import MemoryRecorder
from payments.commands import CancelOrder, CaptureOrder
from payments.ladder import STEPS
from payments.process import NAME, TOPICS, PaymentProcess, Unfinished
from payments.recording import attempt_key
from rails.port import AuthoriseRequest, Captured
from rails.simulator import magic
from tests.payments.shop import BOOK, TOKEN, Shop


def place(shop: Shop, amount: int = 10_000, mode: str = "automatic") -> PaymentOrder:
    body = shop.body(amount_minor=amount, rail="simulated", payment_token=TOKEN, capture_mode=mode)
    return shop.checkout.create_order(body).order


def advance(shop: Shop, order: PaymentOrder) -> PaymentOrder:
    assert shop.attempts.advance(BOOK, order.id)
    return shop.checkout.order(BOOK, order.order_id)


def start_without_outcome(shop: Shop, order: PaymentOrder) -> None:
    """What a process leaves behind that died between the start of an attempt and the rail's answer."""
    order.start_attempt(
        rail="simulated",
        method="token",
        amount_minor=order.amount_minor,
        attempt_key=attempt_key(order.id, 1),
        at=shop.clock.now(),
    )
    shop.log.save(order, book=BOOK)


def test_a_cancellation_that_is_repeated_after_the_hold_was_given_back_is_the_same(rail_shop: Shop) -> None:
    order = advance(rail_shop, place(rail_shop, mode="manual"))
    command = CancelOrder(book=BOOK, order_id=order.order_id)
    assert not rail_shop.checkout.request_cancel(command).replayed
    assert advance(rail_shop, order).status == "cancelled"
    assert rail_shop.checkout.request_cancel(command).replayed


def test_an_automatic_order_is_captured_and_the_attempt_was_written_first(rail_shop: Shop) -> None:
    order = advance(rail_shop, place(rail_shop))
    assert (order.status, order.captured_minor) == ("captured", 10_000)
    assert rail_shop.topics()[1:4] == ["created", "attempt-started", "captured"]


def test_advancing_again_does_nothing(rail_shop: Shop) -> None:
    order = advance(rail_shop, place(rail_shop))
    before = rail_shop.topics()
    advance(rail_shop, order)
    assert rail_shop.topics() == before


def test_a_manual_order_is_held_then_captured_in_parts(rail_shop: Shop) -> None:
    order = advance(rail_shop, place(rail_shop, mode="manual"))
    assert (order.status, order.held_minor) == ("authorized", 10_000)
    for amount, final in ((3_000, False), (4_000, True)):
        command = CaptureOrder(
            book=BOOK, order_id=order.order_id, capture_id=str(uuid4()), amount_minor=amount, final=final
        )
        assert not rail_shop.checkout.request_capture(command).replayed
        order = advance(rail_shop, order)
        assert rail_shop.checkout.request_capture(command).replayed
    assert (order.captured_minor, order.held_minor, order.released_minor) == (7_000, 0, 3_000)


def test_a_cancelled_authorisation_is_given_back_by_the_rail(rail_shop: Shop) -> None:
    order = advance(rail_shop, place(rail_shop, mode="manual"))
    cancel = CancelOrder(book=BOOK, order_id=order.order_id)
    rail_shop.checkout.request_cancel(cancel)
    order = advance(rail_shop, order)
    assert (order.held_minor, order.released_minor) == (0, 10_000)
    assert rail_shop.topics()[-2:] == ["void-requested", "voided"]


@pytest.mark.parametrize(("amount", "kind"), [(magic.HARD_DECLINE, "hard"), (magic.SOFT_DECLINE, "soft")])
def test_a_decline_is_written_down_with_its_class(rail_shop: Shop, amount: int, kind: str) -> None:
    order = advance(rail_shop, place(rail_shop, amount))
    assert (order.attempts[0].state, order.attempts[0].decline_class) == ("declined", kind)
    assert order.captured_minor == 0


@pytest.mark.parametrize("amount", [magic.NO_REPLY_BEFORE_EFFECT, magic.SERVER_ERROR_BEFORE_EFFECT])
def test_no_usable_answer_stays_unknown_when_asking_does_not_tell(rail_shop: Shop, amount: int) -> None:
    order = advance(rail_shop, place(rail_shop, amount))
    assert order.status == "unknown"
    rail_shop.clock.pass_(STEPS[0])
    assert advance(rail_shop, order).status == "unknown"
    assert rail_shop.topics()[-2:] == ["attempt-outcome-unknown", "attempt-inquired"]


@pytest.mark.parametrize("amount", [magic.NO_REPLY_AFTER_EFFECT, magic.BROKEN_REPLY_AFTER_EFFECT])
def test_an_answer_lost_after_the_money_moved_is_found_by_asking(rail_shop: Shop, amount: int) -> None:
    order = advance(rail_shop, place(rail_shop, amount))
    assert advance(rail_shop, order).status == "unknown", "the ladder has not come to its first step"
    rail_shop.clock.pass_(STEPS[0])
    order = advance(rail_shop, order)
    assert (order.status, order.captured_minor) == ("captured", amount)
    assert rail_shop.topics()[-3:] == ["attempt-outcome-unknown", "attempt-resolved", "captured"]


def test_an_attempt_cut_off_before_the_call_is_made_once_after_restart(rail_shop: Shop) -> None:
    order = place(rail_shop)
    start_without_outcome(rail_shop, order)
    order = advance(rail_shop, order)
    assert (len(order.attempts), order.captured_minor) == (1, 10_000)


def test_an_attempt_cut_off_after_the_call_is_not_charged_twice(rail_shop: Shop) -> None:
    order = place(rail_shop)
    start_without_outcome(rail_shop, order)
    rail = rail_shop.rail
    assert rail is not None
    request = AuthoriseRequest(
        order.order_id, 1, attempt_key(order.id, 1), 10_000, "EUR", order.payment_token or "", capture=True
    )
    charged = rail.authorise(request)
    assert isinstance(charged, Captured)
    order = advance(rail_shop, order)
    assert (order.captured_minor, order.attempts[0].rail_reference) == (10_000, charged.rail_reference)


class Orders:
    """Orders for which a test says what is done; `lanes` are their rails."""

    def __init__(self, advance: Callable[[int, UUID], bool], lanes: Mapping[UUID, str] | None = None) -> None:
        self._advance, self._lanes = advance, lanes or {}

    def lane(self, stream_id: UUID) -> str:
        return self._lanes.get(stream_id, "simulated")

    def advance(self, book: int, stream_id: UUID) -> bool:
        return self._advance(book, stream_id)


def test_the_process_pays_what_the_log_asks_for_and_its_checkpoint_passes_it(rail_shop: Shop) -> None:
    orders = [place(rail_shop) for _ in range(8)]
    recorder = rail_shop.recorder
    process = PaymentProcess(
        recorder,
        lambda after: Follower(recorder, recorder.horizon, after, topics=TOPICS),
        rail_shop.attempts,
        calls=4,
    )
    seen = recorder.horizon.last
    try:
        process.step(5.0)
        assert process.settle()
    finally:
        process.close()
    assert {rail_shop.checkout.order(BOOK, order.order_id).status for order in orders} == {"captured"}
    assert (recorder.max_tracking_id(NAME) or 0) >= seen


def test_an_order_that_cannot_be_advanced_holds_the_checkpoint_but_not_the_others(rail_shop: Shop) -> None:
    bodies = [rail_shop.body(rail="simulated", payment_token=TOKEN) for _ in range(3)]
    orders = [rail_shop.checkout.create_order(body).order for body in bodies]
    done = []

    def advance_all_but_the_first(book: int, stream_id: object) -> bool:
        if stream_id == orders[0].id:
            raise RuntimeError("broken on purpose")
        done.append(stream_id)
        return True

    recorder = rail_shop.recorder
    process = PaymentProcess(
        recorder,
        lambda after: Follower(recorder, recorder.horizon, after, topics=TOPICS),
        Orders(advance_all_but_the_first),
        calls=1,
    )
    process.step(5.0)
    assert not process.settle(0.5)
    process.close()
    assert done == [orders[1].id, orders[2].id]
    assert process.checkpoint == 1


def test_a_checkpoint_that_was_kept_though_its_answer_was_lost_is_no_trouble(rail_shop: Shop) -> None:
    recorder = rail_shop.recorder
    process = PaymentProcess(
        recorder,
        lambda after: Follower(recorder, recorder.horizon, after, topics=TOPICS),
        Orders(lambda *_: True),
        calls=1,
    )
    rail_shop.checkout.create_order(rail_shop.body(rail="simulated", payment_token=TOKEN))
    recorder.insert_tracking(Tracking(NAME, recorder.horizon.last))
    process.step(5.0)
    assert process.settle()
    process.close()
    assert recorder.max_tracking_id(NAME) == recorder.horizon.last


def test_a_rail_that_hangs_keeps_only_its_own_orders_waiting(rail_shop: Shop) -> None:
    orders = [place(rail_shop) for _ in range(12)]
    lanes = {order.id: "hangs" if number % 2 else "answers" for number, order in enumerate(orders)}
    hangs, done = threading.Event(), threading.Semaphore(0)

    def advance_or_hang(book: int, stream_id: UUID) -> bool:
        if lanes[stream_id] == "hangs":
            assert hangs.wait(30)
        done.release()
        return True

    recorder = rail_shop.recorder
    process = PaymentProcess(recorder, follower_of(recorder), Orders(advance_or_hang, lanes), calls=2)
    for order in orders:
        assert not process.look(BOOK, order.id)
    assert all(done.acquire(timeout=10) for _ in range(6)), "the other rail's orders go on"
    assert not done.acquire(blocking=False)
    hangs.set()
    assert all(done.acquire(timeout=10) for _ in range(6))
    process.close()


def follower_of(recorder: MemoryRecorder) -> Callable[[int], Follower]:
    return lambda after: Follower(recorder, recorder.horizon, after, topics=TOPICS)


def test_an_order_that_no_rail_is_asked_about_is_passed_over(shop: Shop) -> None:
    shop.checkout.create_order(shop.body())
    recorder = shop.recorder
    looked_at: list[object] = []
    process = PaymentProcess(
        recorder,
        lambda after: Follower(recorder, recorder.horizon, after, topics=TOPICS),
        Orders(lambda _, stream_id: bool(looked_at.append(stream_id))),
        calls=1,
    )
    process.step(5.0)
    assert process.settle()
    process.close()
    assert looked_at == []
    assert recorder.max_tracking_id(NAME) == recorder.horizon.last


def test_the_checkpoint_is_just_below_the_lowest_unfinished_position() -> None:
    unfinished = Unfinished(3)
    for position in (5, 9, 12):
        unfinished.begin(position)
    unfinished.finish([9])
    assert unfinished.checkpoint == 4
    unfinished.finish([5])
    assert unfinished.checkpoint == 11
    unfinished.finish([12])
    unfinished.passed(20)
    assert unfinished.checkpoint == 20
