"""What the person who pays is told: few words, and never more than is known.

`unknown` is said as being checked, never as failed: who is told that a payment failed pays again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from domain.instrument import SCHEME_RETRY_LIMIT
from domain.payment_facts import BANK_TRANSFER, RECORDED_RAIL

if TYPE_CHECKING:
    from domain.payment_order import PaymentOrder

WORDS: Final[dict[str, tuple[str, str]]] = {
    "created": ("waiting", "Waiting for the payment."),
    "submitting": ("processing", "The payment is being processed."),
    "requires_action": ("action_needed", "Please confirm the payment."),
    "processing": ("processing", "The payment is on its way."),
    "authorized": ("processing", "The money is reserved and has not been taken yet."),
    "partially_captured": ("paid", "The payment has been made."),
    "captured": ("paid", "The payment has been made."),
    "returned": ("returned", "The payment went back to your account."),
    "unknown": ("being_checked", "The payment is being checked. Please do not pay again."),
    "conflicted": ("being_checked", "The payment is being checked. Please do not pay again."),
    "declined": ("failed", "The payment was not accepted, and nothing was taken."),
    "failed": ("failed", "The payment was not accepted, and nothing was taken."),
    "cancelled": ("failed", "The payment was cancelled, and nothing was taken."),
    "expired": ("failed", "The time to pay has run out, and nothing was taken."),
}
"""Word and sentence for each status of an order."""

REASONS: Final[dict[str, str]] = {
    "insufficient_funds": "There is not enough money on the account.",
    "expired_card": "The card has expired.",
    "action_expired": "The payment was not confirmed in time.",
    "authentication_failed": "The payment was not confirmed.",
    "authentication_expired": "The payment was not confirmed in time.",
    "voided_at_rail": "The payment was withdrawn.",
    SCHEME_RETRY_LIMIT: "Please use another card.",
}
"""What may be said of why. Of a card that is reported lost or stolen, or suspected, nothing is: the person at the
checkout need not be its owner."""
PARTLY: Final = ("action_needed", "A part of the payment has arrived. The rest is still to be paid.")
NO_REASON: Final = "Please use another way to pay, or ask your bank."


class Told(NamedTuple):
    """`word` is for programs, `message` for people; `reason` says why it failed, as far as it may be said."""

    word: str
    message: str
    reason: str | None


def told(order: PaymentOrder) -> Told:
    """What the payer of an order is told now."""
    status = order.status
    word, message = WORDS["submitting" if order.going_elsewhere else status]
    if short_minor(order) > 0:
        word, message = PARTLY if order.method == BANK_TRANSFER else WORDS["unknown"]
    if status not in ("declined", "failed") or order.going_elsewhere:
        return Told(word, message, None)
    code = next((attempt.decline_code for attempt in reversed(order.attempts) if attempt.decline_code), "")
    return Told(word, message, REASONS.get(code, NO_REASON))


def short_minor(order: PaymentOrder) -> int:
    """How much less came than was asked for, in minor units, which only a transfer can mend; a shop that takes a part
    itself has what it wants."""
    asked = order.capture_mode == "automatic" and all(attempt.rail != RECORDED_RAIL for attempt in order.attempts)
    return order.amount_minor - order.captured_minor if asked and order.status == "captured" else 0
