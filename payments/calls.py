"""What rails are sent for an order: requests made of its folded state, so that the same attempt asks for the same."""

from __future__ import annotations

from domain.attempts import Attempt, Capture
from domain.payment_order import PaymentOrder
from rails.port import AuthoriseRequest, CaptureRequest, InquiryRequest, Payer, Rail, VoidRequest


def authorise_request(order: PaymentOrder, attempt: Attempt, rail: Rail, payer: Payer | None) -> AuthoriseRequest:
    """A rail that cannot hold takes at once."""
    return AuthoriseRequest(
        order_id=order.order_id,
        attempt=attempt.number,
        attempt_key=attempt.attempt_key,
        amount_minor=attempt.amount_minor,
        currency=order.currency,
        payment_token=order.payment_token or "",
        capture=order.capture_mode == "automatic" or not rail.capabilities.capture,
        method=attempt.method,
        return_url=order.return_url,
        payer=payer,
    )


def capture_request(order: PaymentOrder, attempt: Attempt, capture: Capture) -> CaptureRequest:
    """A rail knows one set of keys for all orders, ours are unique within an order only."""
    return CaptureRequest(
        capture_key=capture_key_at_rail(attempt, capture),
        rail_reference=attempt.rail_reference or "",
        amount_minor=capture.amount_minor,
        currency=order.currency,
        final=capture.final,
    )


def capture_key_at_rail(attempt: Attempt, capture: Capture) -> str:
    """What a capture that was asked for is called at the rail."""
    return f"{attempt.attempt_key}/capture/{capture.capture_id}"


def void_request(attempt: Attempt) -> VoidRequest:
    """Of all that an attempt holds."""
    return VoidRequest(f"{attempt.attempt_key}/void", attempt.rail_reference or "")


def inquiry(attempt: Attempt, capture: Capture | None = None) -> InquiryRequest:
    """About an attempt, or about one capture of it."""
    key = None if capture is None else capture_key_at_rail(attempt, capture)
    return InquiryRequest(attempt.attempt_key, key, attempt.rail_reference, attempt.method)
