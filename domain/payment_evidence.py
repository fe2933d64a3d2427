"""What is still learnt of attempts that were decided: facts again, never refused, and each of them once."""

from __future__ import annotations

from datetime import datetime

from domain import evidence_events as events
from domain.payment_rules import UnknownCapture
from domain.payment_waiting import PaymentWaiting
from domain.splitting import divide


class PaymentEvidence(PaymentWaiting):
    """The reports that come after the outcome."""

    def return_payment(
        self, *, capture_id: str, amount_minor: int, reason: str, booking_key: str, at: datetime, effective_at: datetime
    ) -> bool:
        """Captured money went back; False when that is known. `amount_minor` is what left the account: what is more
        than the capture was, the bank has taken for itself. Raises `UnknownCapture`."""
        capture = self.captures.get(capture_id)
        if capture is None or not capture.taken:
            raise UnknownCapture(f"order {self.order_id} has no completed capture {capture_id}", "capture_id")
        if capture.state == "returned":
            return False
        returned = min(amount_minor, capture.amount_minor)
        whole = returned == capture.amount_minor
        self.trigger_event(
            events.PaymentReturned,
            timestamp=at,
            capture_id=capture_id,
            attempt=capture.attempt,
            rail=self.attempt(capture.attempt).rail,
            amount_minor=returned,
            fee_minor=amount_minor - returned,
            currency=self.currency,
            shares=capture.shares if whole else divide(returned, self.due, self.commission_bps),
            funds_released=capture.funds_released,
            reason=reason,
            booking_key=booking_key,
            effective_at=effective_at,
        )
        return True

    def confirm_decline(self, *, attempt: int, asked: bool, at: datetime) -> bool:
        """The rail still says no, or cannot be asked; False when nobody had to."""
        if self.attempt(attempt).recheck_at is None:
            return False
        self.trigger_event(events.DeclineConfirmed, timestamp=at, attempt=attempt, asked=asked)
        return True
