"""A card that was declined too often, or for good, is not sent to its issuer once more, whatever order it is to pay."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.attempts import AUTO
from domain.instrument import (
    DAY,
    DECLINES_IN_A_DAY,
    DECLINES_IN_A_MONTH,
    MONTH,
    SCHEME_RETRY_LIMIT,
    Instrument,
    instrument_id,
)
from domain.payment_order import PaymentOrder
from domain.told import told
from eventlog.application import EventLog
from payments.attempts import Attempts
from payments.instruments import BUSY, Instruments
from payments.recording import attempt_key
from payments.routes import Routes
from rails.port import AuthoriseReply, AuthoriseRequest, Rail
from rails.registry import open_rail
from rails.simulator import magic
from rails.simulator.process import RunningSimulator
from replay.explain.order import words_of
from tests.payments.shop import BOOK, Shop, open_shop
from tests.payments.test_attempts import advance, start_without_outcome

NOT_SENT = "attempt 1 over 10,000 EUR at simulated (card), not sent: the card was declined"
NUMBERS = itertools.count(1)


class Watched:
    """A rail that notes when and for which token it was asked to authorise; `before` happens before each call."""

    def __init__(self, rail: Rail, clock: Callable[[], datetime], name: str = "simulated") -> None:
        self._rail, self._clock, self.name, self.capabilities = rail, clock, name, rail.capabilities
        self.sent: list[tuple[str, datetime]] = []
        self.before: Callable[[], object] = lambda: None

    def authorise(self, request: AuthoriseRequest) -> AuthoriseReply:
        self.sent.append((request.payment_token, self._clock()))
        self.before()
        return self._rail.authorise(request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rail, name)


@pytest.fixture
def rail(rail_shop: Shop) -> Watched:
    """The shop's rail, watched."""
    assert rail_shop.rail is not None
    watched = Watched(rail_shop.rail, rail_shop.clock.now)
    rail_shop.attempts = Attempts(rail_shop.log, {"simulated": watched}, rail_shop.clock)
    return watched


def a_card(kind: str = "tok_do_not_honour") -> str:
    """A card that no other test has."""
    return f"{kind}.{next(NUMBERS)}"


def placed(shop: Shop, card: str, amount: int = 10_000, rail: str = "simulated") -> PaymentOrder:
    return shop.checkout.create_order(shop.body(amount_minor=amount, rail=rail, payment_token=card)).order


def paid(shop: Shop, card: str, amount: int = 10_000, rail: str = "simulated") -> PaymentOrder:
    return advance(shop, placed(shop, card, amount, rail))


def declines(order: PaymentOrder) -> list[tuple[str | None, str | None]]:
    return [(attempt.decline_code, attempt.decline_class) for attempt in order.attempts]


def known(shop: Shop, card: str) -> Instrument:
    found: Instrument = shop.log.repository.get(instrument_id(BOOK, card))
    return found


def test_a_card_that_was_declined_for_good_is_never_sent_again(rail_shop: Shop, rail: Watched) -> None:
    card = a_card("tok_expired_card")
    assert declines(paid(rail_shop, card)) == [("expired_card", "hard")]
    rail_shop.clock.pass_(100 * MONTH)
    order = paid(rail_shop, card)
    assert (order.status, declines(order)) == ("failed", [("expired_card", "hard")])
    assert (told(order).reason, len(rail.sent)) == ("The card has expired.", 1)
    assert declines(paid(rail_shop, a_card("tok_expired_card"))) == [("expired_card", "hard")]
    assert len(rail.sent) == 2, "another card is another card"


def test_a_card_that_was_declined_as_often_as_in_a_day_is_let_is_not_sent_before_the_next(
    rail_shop: Shop, rail: Watched
) -> None:
    card = a_card()
    for _ in range(DECLINES_IN_A_DAY):
        assert declines(paid(rail_shop, card)) == [("do_not_honour", "soft")]
        rail_shop.clock.pass_(timedelta(minutes=1))
    order = paid(rail_shop, card)
    assert (order.status, declines(order)) == ("declined", [(SCHEME_RETRY_LIMIT, "soft")])
    assert told(order).reason == "Please use another card."
    assert len(rail.sent) == DECLINES_IN_A_DAY
    rail_shop.clock.pass_(DAY)
    assert declines(paid(rail_shop, card)) == [("do_not_honour", "soft")]
    assert len(known(rail_shop, card).declines) == DECLINES_IN_A_DAY + 1, "what was not sent counts for nothing"


def test_why_an_attempt_was_not_sent_stands_in_its_explanation(rail_shop: Shop, rail: Watched) -> None:
    card = a_card()
    since = rail_shop.clock.now()
    for _ in range(DECLINES_IN_A_DAY):
        paid(rail_shop, card)
    limited, ended = paid(rail_shop, card), a_card("tok_stolen_card")
    paid(rail_shop, ended)
    barred = paid(rail_shop, ended)

    def words(order: PaymentOrder) -> list[str]:
        return [words_of(event, order) for event in rail_shop.log.events.get(order.id)][1:]

    assert words(limited) == [
        f"{NOT_SENT} 10 times within a day; the card may be tried again from {(since + DAY).isoformat()}",
        "attempt 1 declined (soft): scheme_retry_limit",
    ]
    assert words(barred) == [
        f"{NOT_SENT} for good on 2026-01-02; the card is not to be tried again",
        "attempt 1 declined (hard): stolen_card",
    ]


def test_a_decline_is_written_onto_the_card_in_the_commit_of_the_order(rail_shop: Shop, rail: Watched) -> None:
    card, commits = a_card(), []
    insert = rail_shop.recorder.insert_events

    def note(events: list[StoredEvent], *given: Any, **more: Any) -> Any:
        commits.append([event.topic.split(".")[1] for event in events])
        return insert(events, *given, **more)

    rail_shop.recorder.insert_events = note  # type: ignore[method-assign, assignment]
    order, _ = paid(rail_shop, card), paid(rail_shop, card)
    assert [names for names in commits if names != ["created"]] == [
        ["attempt-started"], ["attempt-declined", "registered", "declined"],
        ["attempt-started"], ["attempt-declined", "declined"],
    ]  # fmt: skip
    first = next(event for event in rail_shop.log.events.get(instrument_id(BOOK, card)) if hasattr(event, "order_id"))
    assert (first.order_id, first.code, first.decline_class) == (order.order_id, "do_not_honour", "soft")


def test_an_order_that_cannot_go_elsewhere_with_its_card_does_not(rail_shop: Shop, rail: Watched) -> None:
    other = Watched(rail, rail_shop.clock.now, "other")
    rails: dict[str, Any] = {"simulated": rail, "other": other}
    rail_shop.attempts = Attempts(rail_shop.log, rails, rail_shop.clock, Routes(rails))
    card = a_card()
    for _ in range(DECLINES_IN_A_DAY // 2):
        assert declines(paid(rail_shop, card, rail=AUTO)) == [("do_not_honour", "soft")] * 2
    assert declines(paid(rail_shop, card, rail=AUTO)) == [(SCHEME_RETRY_LIMIT, "soft")]
    rail_shop.clock.pass_(DAY)
    known_by_now = len(rail.sent)
    for _ in range(2):
        paid(rail_shop, card, rail=AUTO)
    order = paid(rail_shop, card, rail=AUTO)
    assert declines(order) == [("do_not_honour", "soft"), (SCHEME_RETRY_LIMIT, "soft")], "the fifteenth was the last"
    assert len(rail.sent) - known_by_now == DECLINES_IN_A_MONTH - DECLINES_IN_A_DAY


def test_what_no_issuer_said_is_not_held_against_a_card(rail_shop: Shop, rail: Watched) -> None:
    """The payer refused to confirm, or did not in time."""
    refused, late = a_card("tok_3ds"), a_card("tok_3ds")
    order = paid(rail_shop, refused)
    assert order.attempts[0].action_url is not None
    httpx.post(f"{order.attempts[0].action_url}/decline", trust_env=False).raise_for_status()
    assert declines(advance(rail_shop, order)) == [("authentication_failed", "soft")]
    order = paid(rail_shop, late)
    until = order.attempts[0].waits_until
    assert until is not None
    rail_shop.clock.pass_(until - rail_shop.clock.now() + timedelta(seconds=1))
    assert declines(advance(rail_shop, order)) == [("action_expired", "soft")]
    assert "registered" not in rail_shop.topics()[1:]


def test_a_payment_that_goes_well_reads_and_writes_no_more_than_its_order(rail_shop: Shop, rail: Watched) -> None:
    card = a_card("tok_visa")
    paid(rail_shop, card)
    order, reads = placed(rail_shop, card), []
    select = rail_shop.recorder.select_events

    def note(originator_id: UUID | str, **more: Any) -> Any:
        reads.append(originator_id)
        return select(originator_id, **more)

    rail_shop.recorder.select_events = note  # type: ignore[method-assign, assignment]
    before = len(rail_shop.topics())
    assert rail_shop.attempts.advance(BOOK, order.id)
    assert reads == [order.id]
    assert rail_shop.topics()[before:] == ["attempt-started", "captured"]


def another_process(shop: Shop, rail: Any) -> Attempts:
    """With the same log, and nothing that this one remembers."""
    return Attempts(EventLog(shop.recorder), {"simulated": rail}, shop.clock)


def test_many_orders_of_one_card_at_once_lose_no_decline_and_send_none_too_many(rail_shop: Shop, rail: Watched) -> None:
    card = a_card()
    orders = [placed(rail_shop, card) for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        done = pool.map(lambda order: rail_shop.attempts.advance(BOOK, order.id), orders)
        assert all(done)
    for order in orders:  # those that had to wait for what was under way
        rail_shop.attempts.advance(BOOK, order.id)
    codes = [rail_shop.checkout.order(BOOK, order.order_id).attempts[-1].decline_code for order in orders]
    assert sorted(codes) == ["do_not_honour"] * DECLINES_IN_A_DAY + [SCHEME_RETRY_LIMIT] * (40 - DECLINES_IN_A_DAY)
    assert len(rail.sent) == len(known(rail_shop, card).declines) == DECLINES_IN_A_DAY


def test_processes_that_race_for_a_card_lose_no_decline(rail_shop: Shop, rail: Watched) -> None:
    """Eight processes of one thread each: all of them race, and none knows what the others have under way."""
    card = a_card()
    orders = [placed(rail_shop, card) for _ in range(8)]
    processes = [another_process(rail_shop, rail) for _ in orders]
    with ThreadPoolExecutor(8) as pool:
        done = pool.map(lambda one: one[0].advance(BOOK, one[1].id), zip(processes, orders, strict=True))
        assert all(done)
    assert len(known(rail_shop, card).declines) == len(rail.sent) == 8


def test_an_order_that_has_changed_meanwhile_has_its_decline_written_once(rail_shop: Shop, rail: Watched) -> None:
    card = a_card()
    order = placed(rail_shop, card)

    def touch() -> None:
        found: PaymentOrder = rail_shop.log.repository.get(order.id)
        found.mark_unknown(attempt=1, operation="authorise", reason="somebody else doubts", at=rail_shop.clock.now())
        rail_shop.log.save(found, book=BOOK)

    rail.before = touch
    order = advance(rail_shop, order)
    assert declines(order) == [("do_not_honour", "soft")]
    assert rail_shop.topics()[-4:] == ["attempt-resolved", "attempt-declined", "registered", "declined"]
    assert len(known(rail_shop, card).declines) == 1


def test_what_another_process_has_written_is_known_after_one_call_too_many(rail_shop: Shop, rail: Watched) -> None:
    card = a_card("tok_visa")
    paid(rail_shop, card)
    other = another_process(rail_shop, rail)
    for _ in range(DECLINES_IN_A_DAY):
        assert other.advance(BOOK, placed(rail_shop, card, magic.SOFT_DECLINE).id)
    assert declines(paid(rail_shop, card, magic.SOFT_DECLINE)) == [("insufficient_funds", "soft")]
    assert declines(paid(rail_shop, card)) == [(SCHEME_RETRY_LIMIT, "soft")]


def test_an_order_waits_while_what_is_under_way_may_use_the_card_up(rail_shop: Shop, rail: Watched) -> None:
    card = a_card()
    for _ in range(DECLINES_IN_A_DAY - 1):
        paid(rail_shop, card)
    waiting = placed(rail_shop, card)
    rail.before = lambda: rail_shop.attempts.advance(BOOK, waiting.id) if len(rail.sent) == DECLINES_IN_A_DAY else None
    assert declines(paid(rail_shop, card)) == [("do_not_honour", "soft")]
    *_, last = rail_shop.log.events.get(waiting.id)
    assert isinstance(last, PaymentOrder.AttemptDeferred)
    assert last.reason == BUSY.why
    assert declines(advance(rail_shop, waiting)) == [(SCHEME_RETRY_LIMIT, "soft")]
    assert len(rail.sent) == DECLINES_IN_A_DAY


def test_an_attempt_that_its_rail_never_had_is_not_sent_again_once_its_card_is_barred(
    rail_shop: Shop, rail: Watched
) -> None:
    card = a_card("tok_lost_card")
    order = placed(rail_shop, card)
    start_without_outcome(rail_shop, order)
    paid(rail_shop, card)
    rail_shop.attempts.advance(BOOK, order.id)
    for _ in range(3):
        rail_shop.clock.pass_(timedelta(minutes=2))
        order = advance(rail_shop, order)
    assert [attempt.state for attempt in order.attempts] == ["not_received", "declined"]
    assert declines(order)[-1] == ("lost_card", "hard")
    assert len(rail.sent) == 1, f"{attempt_key(order.id, 1)} was never sent"


def test_what_is_remembered_of_cards_is_bounded(rail_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payments.instruments.KNOWN", 3)
    instruments = Instruments(rail_shop.log)
    for _ in range(10):
        order = placed(rail_shop, a_card("tok_visa"))
        with instruments.trying(BOOK, order, rail_shop.clock.now()) as bar:
            assert bar is None
    assert len(instruments._clean) == 3
    assert not instruments._under_way


TRIES = st.lists(
    st.tuples(
        st.sampled_from([timedelta(0), timedelta(hours=1), timedelta(hours=20), timedelta(days=9)]),
        st.sampled_from([magic.SOFT_DECLINE] * 12 + [10_000, 10_000, magic.HARD_DECLINE]),
    ),
    max_size=60,
)
"""How long after the one before an order is placed, and the amount: what the card's issuer will say."""


@settings(max_examples=30, derandomize=True, deadline=None)
@given(TRIES)
def test_never_are_more_sent_than_the_schemes_allow_whatever_is_asked(
    simulator: RunningSimulator, tries: list[tuple[timedelta, int]]
) -> None:
    opened = open_rail("simulated", {"url": simulator.url, "read_timeout": "5"})
    shop, card, declined = open_shop(opened), a_card("tok_visa"), []
    shop.numbers = itertools.count(next(NUMBERS) << 96)
    watched = Watched(opened, shop.clock.now)
    shop.attempts = Attempts(shop.log, {"simulated": watched}, shop.clock)
    for later, amount in tries:
        shop.clock.pass_(later)
        sent = len(watched.sent)
        order = paid(shop, card, amount)
        if len(watched.sent) > sent and order.attempts[0].state == "declined":
            declined.append((shop.clock.now(), order.attempts[0].decline_class))
    opened.close()
    for most, span in ((DECLINES_IN_A_DAY, DAY), (DECLINES_IN_A_MONTH, MONTH)):
        assert all(sum(begun <= at < begun + span for at, _ in declined) <= most for begun, _ in declined)
    assert "hard" not in [kind for _, kind in declined[:-1]]
