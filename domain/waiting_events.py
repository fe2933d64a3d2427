"""Events of an attempt that is not decided yet: who is waited for, what was asked, and what came of a doubt."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from domain.payment_events import PaymentOrderEvent

if TYPE_CHECKING:
    from domain.payment_order import PaymentOrder


class ActionRequired(PaymentOrderEvent):
    """Nothing moved yet: the payer must do something until `expires_at`, at `url` or as `instructions` say."""

    TOPIC = "payment-order.action-required.v1"
    attempt: int
    rail_reference: str
    url: str | None
    instructions: dict[str, str]
    expires_at: datetime | None

    def apply(self, aggregate: PaymentOrder) -> None:
        """Wait for the payer."""
        attempt = aggregate.attempt(self.attempt)
        attempt.state = "requires_action"
        attempt.unknown_operation = None
        attempt.rail_reference = self.rail_reference
        attempt.action_url = self.url
        attempt.instructions = self.instructions
        attempt.waits_until = self.expires_at


class AttemptPending(PaymentOrderEvent):
    """The rail has taken the payment on and will tell how it ended; it means to know by `expected_by`."""

    TOPIC = "payment-order.attempt-pending.v1"
    attempt: int
    rail_reference: str
    expected_by: datetime | None

    def apply(self, aggregate: PaymentOrder) -> None:
        """Wait for the rail."""
        attempt = aggregate.attempt(self.attempt)
        attempt.state = "pending"
        attempt.unknown_operation = None
        attempt.rail_reference = self.rail_reference
        attempt.action_url = None
        attempt.instructions = {}
        attempt.waits_until = self.expected_by


class AttemptInquired(PaymentOrderEvent):
    """The rail was asked what became of an attempt in doubt and could not tell (`answer`: unknown or not_found).

    `count` is how often it was asked since the doubt began; it is asked again at `next_at`.
    """

    TOPIC = "payment-order.attempt-inquired.v1"
    attempt: int
    count: int
    answer: str
    reason: str
    next_at: datetime

    def apply(self, aggregate: PaymentOrder) -> None:
        """Remember what was asked, and when to ask next."""
        attempt = aggregate.attempt(self.attempt)
        attempt.inquiries = self.count
        attempt.next_inquiry_at = self.next_at
        if self.answer == "not_found":
            attempt.not_found_at = attempt.not_found_at or self.timestamp
        else:
            attempt.not_found_at = None


class AttemptNotReceived(PaymentOrderEvent):
    """It is known that the rail never took the attempt on (`evidence` says how): another may be made, elsewhere too."""

    TOPIC = "payment-order.attempt-not-received.v1"
    attempt: int
    evidence: dict[str, str]

    def apply(self, aggregate: PaymentOrder) -> None:
        """Close the attempt; the order is as open as before it."""
        attempt = aggregate.attempt(self.attempt)
        attempt.state = "not_received"
        attempt.unknown_operation = None


class DoubtEscalated(PaymentOrderEvent):
    """Asking has not ended a doubt in time: people must find out. The order stays unknown, nothing is guessed."""

    TOPIC = "payment-order.doubt-escalated.v1"
    attempt: int
    operation: str
    asked: int

    def apply(self, aggregate: PaymentOrder) -> None:
        """Show it to people."""
        aggregate.attempt(self.attempt).escalated = True


class AttemptDeferred(PaymentOrderEvent):
    """No rail that could take the order can be asked now; it is looked at again when one can."""

    TOPIC = "payment-order.attempt-deferred.v1"
    rail: str
    reason: str

    def apply(self, aggregate: PaymentOrder) -> None:
        """Say so once for each time that rails are away."""
        aggregate.deferred = self.rail


class LateSuccessVoided(PaymentOrderEvent):
    """What a rail held for an order that no longer wanted it was given back to the payer."""

    TOPIC = "payment-order.late-success-voided.v1"
    attempt: int
    rail: str
    rail_reference: str
    amount_minor: int
    currency: str

    def apply(self, aggregate: PaymentOrder) -> None:
        """Give it back once."""
        aggregate.late_voided.append(self.rail_reference)
