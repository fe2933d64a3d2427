"""What Stripe says, as its documentation shows it, cut down to what the adapter reads and a little more."""

from __future__ import annotations

from typing import Any

from rails.port import AuthoriseRequest, CaptureRequest, InquiryRequest, VoidRequest

KEY = "sk_test_51NotAKey"
AUTHORISE = AuthoriseRequest("order", 1, "attempt", 500, "EUR", "pm_card_visa", capture=True)
CAPTURE = CaptureRequest("capture", "pi_1", 500, "EUR", final=True)
VOID = VoidRequest("void", "pi_1")
INQUIRE = InquiryRequest("attempt", None, "pi_1")
INQUIRE_CAPTURE = InquiryRequest("attempt", "capture", "pi_1")

CAPTURE_BEFORE = 1_790_000_000
CHARGE: dict[str, Any] = {
    "id": "ch_1",
    "object": "charge",
    "status": "succeeded",
    "balance_transaction": {"id": "txn_1", "object": "balance_transaction", "fee": 39, "currency": "eur"},
    "payment_method_details": {"type": "card", "card": {"brand": "visa", "capture_before": CAPTURE_BEFORE}},
}


def intent(status: str = "succeeded", **changes: Any) -> dict[str, Any]:
    """A PaymentIntent."""
    told = {
        "id": "pi_1",
        "object": "payment_intent",
        "status": status,
        "amount": 500,
        "amount_received": 500 if status == "succeeded" else 0,
        "currency": "eur",
        "capture_method": "automatic",
        "metadata": {"order_id": "order", "attempt_key": "attempt"},
        "latest_charge": CHARGE if status in ("succeeded", "requires_capture", "canceled") else None,
        "next_action": None,
        "last_payment_error": None,
    }
    return {**told, **changes}


def error(kind: str, **fields: Any) -> dict[str, Any]:
    """The body of an error. Its message holds what must not get into a reason."""
    return {"error": {"type": kind, "message": "No, Erika Mustermann, not with sk_test_51NotAKey", **fields}}
