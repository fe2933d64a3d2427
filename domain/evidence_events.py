"""Events that evidence brings after an attempt was decided: money that went back, and a decline that was checked."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from domain.payment_events import PaymentOrderEvent
from domain.splitting import Share

if TYPE_CHECKING:
    from domain.payment_order import PaymentOrder


class PaymentReturned(PaymentOrderEvent):
    """Money that was captured went back, on the word of the payer or of their bank (`reason` is the bank's code).

    `shares` is what of the capture's shares is undone, `funds_released` whether sellers might already have it paid out,
    `fee_minor` what the bank took on top. `booking_key` names the bank's booking.
    """

    TOPIC = "payment-order.payment-returned.v1"
    capture_id: str
    attempt: int
    rail: str
    amount_minor: int
    fee_minor: int
    currency: str
    shares: list[Share]
    funds_released: bool
    reason: str
    booking_key: str
    effective_at: datetime

    def apply(self, aggregate: PaymentOrder) -> None:
        """Count what went back; what was captured stays what it was."""
        aggregate.captures[self.capture_id].state = "returned"
        aggregate.returned_minor += self.amount_minor
        aggregate.cost_minor += self.fee_minor


class DeclineConfirmed(PaymentOrderEvent):
    """A decline for a reason of the rail's, not of the payer, was looked at again later: the rail still says so, or,
    where `asked` is false, there is nothing by which to ask it."""

    TOPIC = "payment-order.decline-confirmed.v1"
    attempt: int
    asked: bool

    def apply(self, aggregate: PaymentOrder) -> None:
        """Ask no more."""
        aggregate.attempt(self.attempt).recheck_at = None
