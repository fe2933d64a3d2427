"""Payments that already happened elsewhere, as attempts on the rail `recorded`: facts, so nothing is asked or
refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from domain.payment_order import RECORDED_RAIL, PaymentOrder
from payments.commands import RecordedPayment


def attempt_key(order_stream: UUID, number: int) -> str:
    """The name of an attempt, at its rail and here, for ever; the same after a crash."""
    return str(uuid5(order_stream, f"attempt/{number}"))


def capture_key(order_stream: UUID, number: int) -> str:
    """The id of the capture that comes with an attempt without having been asked for by anybody."""
    return str(uuid5(order_stream, f"attempt/{number}/capture"))


def record_payments(order: PaymentOrder, payments: Sequence[RecordedPayment], at: datetime) -> None:
    """Add one attempt with its capture per payment; an amount of zero is recorded and posts nothing."""
    for payment in payments:
        number = len(order.attempts) + 1
        key = attempt_key(order.id, number)
        order.start_attempt(
            rail=RECORDED_RAIL,
            method=payment.method,
            amount_minor=payment.amount_minor,
            attempt_key=key,
            details=payment.details,
            at=at,
        )
        order.capture(
            capture_id=capture_key(order.id, number),
            attempt=number,
            amount_minor=payment.amount_minor,
            currency=order.currency,
            rail_reference=payment.rail_reference or key,
            cost_minor=payment.cost_minor,
            effective_at=payment.effective_at,
            at=at,
        )
