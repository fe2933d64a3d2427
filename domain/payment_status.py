"""The status of a payment order: what each one means, and how it follows from counters and attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from domain.payment_facts import PaymentFacts

STATUSES: Final[dict[str, str]] = {
    "created": "waits for a payment",
    "submitting": "a rail is being asked",
    "requires_action": "the payer must do something",
    "processing": "a rail has taken the payment on and will tell how it ended",
    "authorized": "a rail holds the money",
    "partially_captured": "some of the held money was taken, the rest still stands",
    "captured": "money was taken and nothing more is held",
    "returned": "the money that was taken went back to the payer",
    "unknown": "a rail gave no usable answer; only evidence ends this",
    "declined": "the rail said no for now; another attempt may follow",
    "failed": "the rail said no for good",
    "cancelled": "withdrawn, or the authorisation was voided",
    "expired": "nobody paid in time, or the authorisation ran out",
    "conflicted": "a rail reported a success that contradicts the books",
}


_UNDECIDED: Final = {"submitting": "submitting", "requires_action": "requires_action", "pending": "processing"}


def derive_status(order: PaymentFacts) -> str:
    """Status of an order from its counters and attempts; the first rule that fits decides.

    Doubt and contradiction come first because people must see them; then money; then what the last attempt left behind.
    """
    attempts = order.attempts
    if order.late_successes:
        return "conflicted"
    if any(attempt.unknown_operation is not None for attempt in attempts):
        return "unknown"
    held = order.held_minor
    if order.captured_minor > 0:
        if held > 0:
            return "partially_captured"
        return "returned" if order.returned_minor >= order.captured_minor else "captured"
    if held > 0:
        return "authorized"
    for state, status in _UNDECIDED.items():
        if any(attempt.state == state for attempt in attempts):
            return status
    if order.cancelled:
        return "cancelled"
    if order.expired:
        return "expired"
    return _left_behind(order)


def _left_behind(order: PaymentFacts) -> str:
    for attempt in reversed(order.attempts):
        if attempt.state == "declined":
            return "failed" if attempt.decline_class == "hard" else "declined"
        if attempt.state == "voided":
            return "cancelled"
        if attempt.state == "expired":
            return "expired"
        if attempt.state == "not_received":
            return "created"
    return "created"
