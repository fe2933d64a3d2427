"""Events of a payment order: what each one says, and what it changes on the order.

Amounts are minor units of the order's currency. A published class never changes its fields: a new meaning is a new
topic version with an upcaster.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from eventsourcing.domain import Aggregate

from domain.attempts import OF_THE_RAIL, RECHECK_AFTER, Attempt, Capture
from domain.splitting import Share, Split

if TYPE_CHECKING:
    from domain.payment_order import PaymentOrder


class PaymentOrderEvent(Aggregate.Event):
    """Anything that happens to a payment order."""


class Created(PaymentOrderEvent, Aggregate.Created):
    """Someone owes `amount_minor`; `splits` says to whom it is due, empty for the order's own merchant."""

    TOPIC = "payment-order.created.v1"
    order_id: str
    merchant_id: str | None
    amount_minor: int
    currency: str
    splits: list[Split]
    commission_bps: int
    capture_mode: str
    rail: str | None
    payment_token: str | None
    reference: str | None
    metadata: dict[str, str]
    fingerprint: str
    expires_at: datetime | None


class AttemptStarted(PaymentOrderEvent):
    """A rail is about to be called; written before the call, so that a crash leaves a trace to inquire about."""

    TOPIC = "payment-order.attempt-started.v1"
    attempt: int
    rail: str
    method: str
    amount_minor: int
    attempt_key: str
    details: dict[str, str]

    def apply(self, aggregate: PaymentOrder) -> None:
        """Open the attempt."""
        aggregate.deferred = None
        aggregate.attempts.append(
            Attempt(
                self.attempt, self.rail, self.method, self.amount_minor, self.attempt_key, self.details,
                started_at=self.timestamp,
            )
        )  # fmt: skip


class Authorized(PaymentOrderEvent):
    """The rail holds the payer's money for us until `capture_before` (the rail's own figure, never a constant)."""

    TOPIC = "payment-order.authorized.v1"
    attempt: int
    rail: str
    amount_minor: int
    currency: str
    capture_before: datetime | None
    rail_reference: str

    def apply(self, aggregate: PaymentOrder) -> None:
        """Put the amount on hold."""
        attempt = aggregate.attempt(self.attempt)
        attempt.state = "authorized"
        attempt.unknown_operation = None
        attempt.authorized_minor = attempt.held_minor = self.amount_minor
        attempt.capture_before = self.capture_before
        attempt.rail_reference = self.rail_reference
        aggregate.authorized_minor += self.amount_minor


class CaptureRequested(PaymentOrderEvent):
    """Someone wants authorised money taken; `final` gives the rest of the authorisation back."""

    TOPIC = "payment-order.capture-requested.v1"
    capture_id: str
    attempt: int
    amount_minor: int
    final: bool
    fingerprint: str

    def apply(self, aggregate: PaymentOrder) -> None:
        """Reserve the amount out of what can be captured."""
        aggregate.captures[self.capture_id] = Capture(
            self.capture_id, self.attempt, self.amount_minor, self.final, "requested", self.fingerprint
        )


class Captured(PaymentOrderEvent):
    """Money was taken: `shares` divides it over the sellers, `released_minor` leaves the memo hold."""

    TOPIC = "payment-order.captured.v1"
    capture_id: str
    attempt: int
    rail: str
    amount_minor: int
    currency: str
    shares: list[Share]
    released_minor: int
    final: bool
    cost_minor: int
    rail_reference: str
    effective_at: datetime

    def apply(self, aggregate: PaymentOrder) -> None:
        """Count the money, and take its authorisation off the hold."""
        attempt = aggregate.attempt(self.attempt)
        attempt.state = "captured"
        attempt.unknown_operation = None
        attempt.captured_minor += self.amount_minor
        attempt.held_minor -= self.released_minor
        attempt.rail_reference = self.rail_reference
        aggregate.captured_minor += self.amount_minor
        aggregate.cost_minor += self.cost_minor
        aggregate.released_minor += max(0, self.released_minor - self.amount_minor)
        capture = aggregate.captures.get(self.capture_id)
        if capture is None:
            capture = Capture(self.capture_id, self.attempt, self.amount_minor, self.final, "captured")
            aggregate.captures[self.capture_id] = capture
        capture.state = "captured"
        capture.amount_minor = self.amount_minor
        capture.shares = self.shares
        capture.effective_at = self.effective_at


class CaptureFailed(PaymentOrderEvent):
    """The rail refused to take the money; the authorisation still stands."""

    TOPIC = "payment-order.capture-failed.v1"
    capture_id: str
    attempt: int
    code: str

    def apply(self, aggregate: PaymentOrder) -> None:
        """Give the amount back to what can be captured."""
        capture = aggregate.captures[self.capture_id]
        capture.state = "failed"
        capture.code = self.code
        aggregate.attempt(self.attempt).unknown_operation = None


class AttemptDeclined(PaymentOrderEvent):
    """The rail said no: `hard` ends the order, `soft` leaves it open for another attempt."""

    TOPIC = "payment-order.attempt-declined.v1"
    attempt: int
    code: str
    decline_class: str

    def apply(self, aggregate: PaymentOrder) -> None:
        """Close the attempt."""
        attempt = aggregate.attempt(self.attempt)
        attempt.state = "declined"
        attempt.unknown_operation = None
        attempt.decline_code = self.code
        attempt.decline_class = self.decline_class
        if self.decline_class == "soft" and self.code in OF_THE_RAIL:
            attempt.recheck_at = self.timestamp + RECHECK_AFTER


class AttemptOutcomeUnknown(PaymentOrderEvent):
    """No usable answer came: the money may or may not have moved, and only evidence will tell."""

    TOPIC = "payment-order.attempt-outcome-unknown.v1"
    attempt: int
    operation: str
    reason: str

    def apply(self, aggregate: PaymentOrder) -> None:
        """Remember which operation is in doubt."""
        attempt = aggregate.attempt(self.attempt)
        attempt.unknown_operation = self.operation
        attempt.doubted_at, attempt.inquiries, attempt.escalated = self.timestamp, 0, False
        attempt.next_inquiry_at = attempt.not_found_at = None


class AttemptResolved(PaymentOrderEvent):
    """Evidence ended the doubt; the outcome's own event follows in the same save."""

    TOPIC = "payment-order.attempt-resolved.v1"
    attempt: int
    source: str
    evidence: dict[str, str]

    def apply(self, aggregate: PaymentOrder) -> None:
        """End the doubt."""
        aggregate.attempt(self.attempt).unknown_operation = None


class VoidRequested(PaymentOrderEvent):
    """Someone wants what is left of an authorisation given back."""

    TOPIC = "payment-order.void-requested.v1"
    attempt: int
    reason: str

    def apply(self, aggregate: PaymentOrder) -> None:
        """Keep further captures away."""
        aggregate.attempt(self.attempt).void_requested = True


class Voided(PaymentOrderEvent):
    """The rail gave the rest of the authorisation back."""

    TOPIC = "payment-order.voided.v1"
    attempt: int
    rail: str
    amount_minor: int
    currency: str

    def apply(self, aggregate: PaymentOrder) -> None:
        """Take the rest off the hold."""
        aggregate.give_back(self.attempt, self.amount_minor, "voided")


class AuthorizationExpired(PaymentOrderEvent):
    """The rail's authorisation ran out before it was captured."""

    TOPIC = "payment-order.authorization-expired.v1"
    attempt: int
    rail: str
    amount_minor: int
    currency: str

    def apply(self, aggregate: PaymentOrder) -> None:
        """Take the rest off the hold."""
        aggregate.give_back(self.attempt, self.amount_minor, "expired")


class Cancelled(PaymentOrderEvent):
    """The order was withdrawn before any attempt held or took money."""

    TOPIC = "payment-order.cancelled.v1"
    reason: str

    def apply(self, aggregate: PaymentOrder) -> None:
        """Take no more attempts."""
        aggregate.cancelled = True


class Expired(PaymentOrderEvent):
    """Nobody paid in time."""

    TOPIC = "payment-order.expired.v1"

    def apply(self, aggregate: PaymentOrder) -> None:
        """Take no more attempts."""
        aggregate.expired = True


class FundsReleased(PaymentOrderEvent):
    """What a capture earned its sellers may be paid out from now on."""

    TOPIC = "payment-order.funds-released.v1"
    capture_id: str
    currency: str
    shares: list[Share]
    effective_at: datetime

    def apply(self, aggregate: PaymentOrder) -> None:
        """Release a capture once only."""
        aggregate.captures[self.capture_id].funds_released = True


class LateSuccessDetected(PaymentOrderEvent):
    """A rail reports success that contradicts what the books say (late, doubled, too much, wrong currency).

    The fact is kept so that money is not lost; `operation` says whether it was held ("authorise") or taken ("capture").
    """

    TOPIC = "payment-order.late-success-detected.v1"
    attempt: int
    rail: str
    operation: str
    amount_minor: int
    currency: str
    rail_reference: str

    def apply(self, aggregate: PaymentOrder) -> None:
        """Mark the order for people, or an automatic void or refund, to look at."""
        attempt = aggregate.attempt(self.attempt)
        aggregate.late_successes.append((self.attempt, self.operation, self.rail_reference))
        attempt.unknown_operation = attempt.recheck_at = None
