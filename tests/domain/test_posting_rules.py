"""Steps 1 to 6 of the payments reference's worked example: EUR 100.00, commission 2.9 %, rail cost 1.75."""

from __future__ import annotations

from typing import Any

import pytest

from domain import Adjustment, PaymentOrder, posting_for
from domain.ids import wallet_stream_id
from domain.posting import check_balanced
from domain.posting_rules import POSTED_TOPICS, POSTING_RULES, BankCredit, SettlementBatch
from tests.domain.builders import (
    ADJUSTMENT,
    CAPTURE,
    NOW,
    SELLER_1,
    an_order,
    authorized,
    captured,
    one_of_each,
    started,
)

PENDING = f"merchant:{SELLER_1}:pending"
AVAILABLE = f"merchant:{SELLER_1}:available"


def amounts(fact: Any) -> list[tuple[str, int]]:
    """What a fact posts, as pairs of address and signed amount."""
    draft = posting_for(fact, 1)
    assert draft is not None
    check_balanced(draft.posting_lines())
    return [(line.address, line.amount_minor) for line in draft.lines]


def history() -> dict[str, Any]:
    """The worked example's events by topic."""
    order = an_order(commission_bps=290)
    started()(order)
    authorized()(order)
    captured(10_000, cost_minor=175)(order)
    order.release_funds(capture_id=CAPTURE, at=NOW)
    return {event.TOPIC: event for event in order.collect_events()}  # type: ignore[attr-defined]


def test_step_1_authorising_puts_a_memo_hold() -> None:
    assert amounts(history()[PaymentOrder.Authorized.TOPIC]) == [
        ("memo:auth_hold:psp", 10_000),
        ("memo:auth_hold:contra", -10_000),
    ]


def test_steps_2_and_3_capturing_ends_the_hold_and_books_net_commission_and_cost() -> None:
    assert amounts(history()[PaymentOrder.Captured.TOPIC]) == [
        ("memo:auth_hold:psp", -10_000),
        ("memo:auth_hold:contra", 10_000),
        ("psp:simulator:clearing", 10_000),
        (PENDING, -9_710),
        ("rev:fees", -290),
        ("exp:psp_cost", 175),
        ("psp:simulator:clearing", -175),
    ]


def test_step_4_releasing_moves_pending_to_available() -> None:
    assert amounts(history()[PaymentOrder.FundsReleased.TOPIC]) == [(PENDING, 9_710), (AVAILABLE, -9_710)]


def test_step_5_a_settlement_batch_moves_clearing_to_in_transit() -> None:
    assert amounts(SettlementBatch("simulator", "b1", 9_825, "EUR", NOW)) == [
        ("psp:simulator:in_transit", 9_825),
        ("psp:simulator:clearing", -9_825),
    ]


def test_step_6_a_bank_line_moves_in_transit_to_cash() -> None:
    assert amounts(BankCredit("house", "simulator", "l1", 9_825, "EUR", NOW)) == [
        ("bank:house:cash", 9_825),
        ("psp:simulator:in_transit", -9_825),
    ]


def test_after_all_six_steps_the_rail_owes_nothing_and_the_merchant_is_owed_the_net() -> None:
    sums: dict[str, int] = {}
    facts = [*history().values()]
    facts += [
        SettlementBatch("simulator", "b1", 9_825, "EUR", NOW),
        BankCredit("house", "simulator", "l1", 9_825, "EUR", NOW),
    ]
    for fact in facts:
        draft = posting_for(fact, 1)
        for line in draft.lines if draft else ():
            sums[line.address] = sums.get(line.address, 0) + line.amount_minor
    assert {address: total for address, total in sums.items() if total} == {
        "bank:house:cash": 9_825,
        "exp:psp_cost": 175,
        "rev:fees": -290,
        AVAILABLE: -9_710,
    }


def test_giving_an_authorisation_back_ends_the_hold() -> None:
    for topic, rule in (("voided", "void.v1"), ("authorization-expired", "authorization-expired.v1")):
        event = one_of_each()[f"payment-order.{topic}.v1"]
        assert amounts(event) == [("memo:auth_hold:psp", -10_000), ("memo:auth_hold:contra", 10_000)]
        draft = posting_for(event, 1)
        assert draft is not None
        assert draft.rule == rule


def test_money_taken_against_the_books_waits_in_suspense_and_a_mere_hold_posts_nothing() -> None:
    order = an_order()
    started()(order)
    order.expire(at=NOW)
    captured(10_000, currency="USD")(order)
    authorized(currency="USD")(order)
    taken, held = order.collect_events()[-2:]
    assert amounts(taken) == [("psp:simulator:clearing", 10_000), ("suspense:psp", -10_000)]
    assert posting_for(held, 1) is None


def test_an_approved_adjustment_is_posted_once_as_it_was_proposed() -> None:
    event = one_of_each()[Adjustment.Approved.TOPIC]
    assert amounts(event) == [("exp:writeoff", 100), ("psp:simulator:clearing", -100)]
    draft = posting_for(event, 1)
    assert draft is not None
    assert (draft.reference, draft.rule) == (f"adjustment/{event.originator_id}", "adjustment.v1")
    assert draft.effective_at == event.effective_at
    assert draft.metadata == {"adjustment_id": ADJUSTMENT, "reason": event.reason}


def test_facts_of_zero_and_events_that_move_nothing_post_nothing() -> None:
    order = an_order()
    started(0, rail="recorded")(order)
    captured(0)(order)
    assert [posting_for(event, 1) for event in order.collect_events()] == [None, None, None]
    assert posting_for(SettlementBatch("simulator", "b1", 0, "EUR", NOW), 1) is None
    assert posting_for(BankCredit("house", "simulator", "l1", 0, "EUR", NOW), 1) is None


def test_one_fact_has_one_reference_and_lines_belong_to_wallets_of_the_book() -> None:
    event = history()[PaymentOrder.Authorized.TOPIC]
    one, other = posting_for(event, 1), posting_for(event, 2)
    assert one is not None
    assert other is not None
    assert one.reference == other.reference
    assert [line.wallet_id for line in one.posting_lines()] == [
        wallet_stream_id(1, line.address, line.currency) for line in one.lines
    ]
    assert one.posting_lines()[0].wallet_id != other.posting_lines()[0].wallet_id


@pytest.mark.parametrize("topic", POSTED_TOPICS)
def test_the_engine_follows_exactly_the_topics_that_have_a_rule(topic: str) -> None:
    assert type(one_of_each()[topic]) in POSTING_RULES
