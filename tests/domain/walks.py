"""Seeded random lives of payment orders: every command, in any order, with amounts that fit and amounts that do not."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

from domain import PaymentOrder, RuleViolation, Split
from tests.domain.builders import (
    CAPTURE,
    CAPTURE_2,
    LATER,
    NOW,
    an_order,
    authorized,
    capture_requested,
    captured,
    in_doubt,
    mandate_given,
    method_chosen,
    payer_given,
    returned,
    started,
)

STEPS = 24
_FACTS_OF_RECORDED = ("start_attempt", "capture", "capture", "cancel", "expire", "release_funds")
_ALL = (
    *("start_attempt", "start_attempt", "authorize", "authorize", "request_capture", "request_capture", "capture"),
    *(
        "fail_capture",
        "fail_capture",
        "decline",
        "mark_unknown",
        "mark_unknown",
        "resolve",
        "request_void",
        "void",
        "expire_authorization",
    ),
    *("cancel", "expire", "release_funds"),
    *("return_payment", "return_payment", "return_payment", "confirm_decline", "void", "release_funds"),
    *("require_action", "mark_pending", "record_inquiry", "not_received", "defer", "escalate", "void_late_success"),
)


def _order(source: random.Random) -> PaymentOrder:
    weights = [source.randrange(500) for _ in range(source.randint(0, 4))] + [1_000]
    splits = [Split(f"00000000-0000-0000-0000-{number:012d}", weight) for number, weight in enumerate(weights)]
    return an_order(splits=splits, amount_minor=sum(weights), merchant_id=None)


def _arguments(name: str, order: PaymentOrder, rail: str, source: random.Random) -> dict[str, Any]:
    full = order.held_minor or order.amount_minor
    amount = source.choice([full, full // 2, full // 3, full // 4, full // 4, source.randint(0, full + 50)])
    attempt = max(1, len(order.attempts) - source.choice([0, 0, 0, 1]))
    asked = [capture.capture_id for capture in order.captures.values() if capture.state == "requested"]
    capture_id = source.choice([CAPTURE, CAPTURE_2, CAPTURE[:-1] + "3", *asked, *asked])
    if name == "start_attempt":
        zero = rail == "recorded" and source.random() < 0.3
        return {
            "rail": rail,
            "method": "card",
            "amount_minor": 0 if zero else order.amount_minor,
            "attempt_key": "k",
            "details": {},
        }
    if name in ("authorize", "capture"):
        currency = "USD" if source.random() < 0.03 else order.currency
        zero = rail == "recorded" and source.random() < 0.4
        money = {"attempt": attempt, "currency": currency, "rail_reference": "r", "amount_minor": 0 if zero else amount}
        if name == "authorize":
            return money
        return money | {"capture_id": capture_id, "final": source.random() < 0.3, "cost_minor": source.choice([0, 3])}
    return {
        "request_capture": {"capture_id": capture_id, "amount_minor": amount, "final": source.random() < 0.2},
        "fail_capture": {"capture_id": capture_id, "code": "x"},
        "decline": {
            "attempt": attempt,
            "code": source.choice(["x", "try_again_later"]),
            "decline_class": source.choice(["hard", "soft", "soft"]),
        },
        "mark_unknown": {
            "attempt": attempt,
            "operation": source.choice(["authorise", "capture", "void"]),
            "reason": "timeout",
        },
        "resolve": {"attempt": attempt, "source": "inquiry", "evidence": {}},
        "request_void": {"reason": "asked"},
        "void": {"attempt": attempt},
        "expire_authorization": {"attempt": attempt},
        "cancel": {"reason": "asked"},
        "expire": {},
        "release_funds": {"capture_id": capture_id},
        "confirm_decline": {
            "attempt": next((one.number for one in order.attempts if one.recheck_at is not None), attempt),
            "asked": True,
        },
        "return_payment": {
            "capture_id": capture_id,
            "amount_minor": max(1, amount),
            "reason": "MD06",
            "booking_key": "b",
            "effective_at": NOW,
        },
        **_waiting_arguments(attempt, source),
    }[name]


def _waiting_arguments(attempt: int, source: random.Random) -> dict[str, dict[str, Any]]:
    answer = {"answer": source.choice(["unknown", "not_found"]), "reason": "no trace", "next_at": LATER}
    return {
        "require_action": {
            "attempt": attempt,
            "rail_reference": "r",
            "url": None,
            "instructions": {"iban": "shown"},
            "expires_at": LATER,
        },
        "mark_pending": {"attempt": attempt, "rail_reference": "r", "expected_by": None},
        "record_inquiry": {"attempt": attempt, **answer},
        "not_received": {"attempt": attempt, "evidence": {"not_found": "twice"}},
        "defer": {"rail": "simulator", "reason": "down"},
        "escalate": {"attempt": attempt},
        "void_late_success": {"attempt": attempt, "rail_reference": "r", "amount_minor": 7},
    }


def a_life(seed: int) -> list[Any]:
    """The events of one order's random life; the same seed gives the same life."""
    source = random.Random(seed)
    rail = source.choice(["simulator", "simulator", "simulator", "recorded"])
    order = _order(source)
    if seed % 5 == 0:
        method_chosen()(order)
        payer_given()(order)
        mandate_given()(order)
    for _ in range(STEPS):
        name = source.choice(_FACTS_OF_RECORDED if rail == "recorded" else _ALL)
        with suppress(RuleViolation):
            getattr(order, name)(at=LATER if name == "expire" else NOW, **_arguments(name, order, rail, source))
    return list(order.collect_events())


def rare_lives() -> list[list[Any]]:
    """What chance hardly ever comes to: a doubt that ends while a part was taken, and while that part has gone back."""
    lives = []
    for taken_back, ends in ((False, _capture_fails), (True, _rest_given_back)):
        order = an_order()
        for step in (started(), authorized(), capture_requested(4_000, final=False)):
            step(order)
        captured(4_000)(order)
        if taken_back:
            returned(order)
        ends(order)
        lives.append(list(order.collect_events()))
    return lives


def _capture_fails(order: PaymentOrder) -> None:
    order.request_capture(capture_id=CAPTURE_2, amount_minor=1_000, final=False, at=NOW)
    in_doubt("capture")(order)
    order.fail_capture(capture_id=CAPTURE_2, code="x", at=NOW)


def _rest_given_back(order: PaymentOrder) -> None:
    order.request_void(reason="asked", at=NOW)
    in_doubt("void")(order)
    order.void(attempt=1, at=NOW)
