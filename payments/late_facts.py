"""What a booking or a settled line means for an order: the facts to record. Pure but for the order they change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from uuid import uuid5

import structlog

from domain.attempts import Attempt
from domain.payment_order import PaymentOrder
from payments.calls import capture_key_at_rail
from payments.recording import capture_key
from rails.facts import MoneyBack, MoneyIn

log = structlog.get_logger()


def money_in(order: PaymentOrder, number: int, fact: MoneyIn, now: datetime) -> bool:
    """Record that money came in by an attempt; False when that is known. What contradicts the books is kept as a late
    success, so that no money is lost; of a transfer that is the surplus alone."""
    attempt = order.attempt(number)
    capture_id = _capture_id(order, attempt, fact)
    known = order.captures.get(capture_id)
    if attempt.undecided or (attempt.unknown_operation == "capture" and known is not None):
        order.resolve(attempt=number, source="booking", evidence={"booking": fact.booking_key}, at=now)
    if known is None and fact.repeatable:
        room = attempt.amount_minor - attempt.captured_minor
        if 0 < room < fact.amount_minor and fact.currency == order.currency:
            _take(order, attempt, capture_id, replace(fact, amount_minor=room), now)
            surplus = replace(fact, amount_minor=fact.amount_minor - room, booking_key=f"{fact.booking_key}/surplus")
            return _take(order, attempt, _capture_id(order, attempt, surplus), surplus, now)
    elif known is not None and fact.repeatable and known.amount_minor < fact.amount_minor:
        return False  # its surplus is known with it
    return _take(order, attempt, capture_id, fact, now)


def _take(order: PaymentOrder, attempt: Attempt, capture_id: str, fact: MoneyIn, now: datetime) -> bool:
    reference = fact.rail_reference or fact.payment
    known, of_its_own = order.captures.get(capture_id), fact.repeatable or fact.capture_key is not None
    expected = known is not None or order.capture_fits(attempt, known, fact.amount_minor, fact.currency)
    return order.capture(
        capture_id=capture_id,
        attempt=attempt.number,
        amount_minor=fact.amount_minor,
        currency=fact.currency,
        # a success that comes too late is known by its reference: where an attempt can have several, by the booking's
        rail_reference=fact.booking_key if of_its_own and not expected else reference,
        cost_minor=fact.cost_minor,
        effective_at=_effective(fact, now),
        at=now,
    )


def money_back(order: PaymentOrder, number: int, fact: MoneyBack, now: datetime) -> bool:
    """Record that money went back; False when that is known. Of an attempt that has taken none it is a refusal."""
    attempt = order.attempt(number)
    captures = [capture for capture in order.captures.values() if capture.attempt == number]
    for capture in captures:
        if capture.taken:
            return order.return_payment(
                capture_id=capture.capture_id,
                amount_minor=fact.amount_minor,
                reason=fact.reason,
                booking_key=fact.booking_key,
                effective_at=_effective(fact, now),
                at=now,
            )
    if attempt.undecided:
        order.resolve(attempt=number, source="booking", evidence={"booking": fact.booking_key}, at=now)
        return order.decline(attempt=number, code=fact.reason, decline_class="soft", at=now)
    log.error("payments.return_of_nothing", order_id=order.order_id, booking_key=fact.booking_key)
    return False


def _capture_id(order: PaymentOrder, attempt: Attempt, fact: MoneyIn) -> str:
    """That of the capture that was asked for; of each booking, where a payer may pay again; else the attempt's own."""
    for capture in order.captures.values():
        if capture.attempt == attempt.number and capture_key_at_rail(attempt, capture) == fact.capture_key:
            return capture.capture_id
    if fact.repeatable or fact.capture_key is not None:
        return str(uuid5(order.id, f"attempt/{attempt.number}/booking/{fact.booking_key}"))
    return capture_key(order.id, attempt.number)


def _effective(fact: MoneyIn | MoneyBack, now: datetime) -> datetime:
    """Banks tell days, if anything: noon in UTC lies within the same day nearly everywhere."""
    return now if fact.effective_on is None else datetime.combine(fact.effective_on, time(12), UTC)
