"""What a rail's reply means for an order: the facts to record, and nothing else. Pure but for the order they change."""

from __future__ import annotations

from datetime import datetime

from domain.attempts import Capture
from domain.payment_order import PaymentOrder
from payments.recording import capture_key
from rails.port import (
    ActionRequired,
    Authorised,
    Captured,
    Declined,
    NotFound,
    NotSent,
    Pending,
    RailReply,
    Unknown,
    Voided,
)

UNDECIDED = (Unknown, NotFound, NotSent)
"""Replies that tell nothing about the money."""


def reason_of(reply: RailReply) -> str:
    """Why a reply decides nothing, in words for the log."""
    if isinstance(reply, (Unknown, NotSent)):
        return reply.reason
    return "not found at the rail" if isinstance(reply, NotFound) else f"answered {type(reply).__name__.lower()}"


def record_authorisation(order: PaymentOrder, number: int, reply: RailReply, source: str, now: datetime) -> None:
    """What became of an attempt; `source` is how it is known. A reply that tells nothing begins a doubt."""
    if not isinstance(reply, UNDECIDED):
        answer = type(reply).__name__.lower()
        order.resolve(attempt=number, source=source, evidence={"answer": answer}, at=now)
    match reply:
        case Authorised():
            order.authorize(
                attempt=number,
                amount_minor=reply.amount_minor,
                currency=order.currency,
                rail_reference=reply.rail_reference,
                capture_before=reply.capture_before,
                at=now,
            )
        case Captured():
            order.capture(
                capture_id=capture_key(order.id, number),
                attempt=number,
                amount_minor=reply.amount_minor,
                currency=order.currency,
                rail_reference=reply.rail_reference,
                cost_minor=reply.cost_minor,
                at=now,
            )
        case Declined():
            order.decline(attempt=number, code=reply.code, decline_class=reply.decline_class, at=now)
        case Voided():  # held and given back while nobody here knew: nothing was taken
            order.decline(attempt=number, code="voided_at_rail", decline_class="soft", at=now)
        case ActionRequired() | Pending():
            _record_waiting(order, number, reply, now)
        case _:
            order.mark_unknown(attempt=number, operation="authorise", reason=reason_of(reply), at=now)


def _record_waiting(order: PaymentOrder, number: int, reply: ActionRequired | Pending, now: datetime) -> None:
    if isinstance(reply, Pending):
        order.mark_pending(attempt=number, rail_reference=reply.rail_reference, expected_by=reply.expected_by, at=now)
        return
    order.require_action(
        attempt=number,
        rail_reference=reply.rail_reference,
        url=reply.url,
        instructions=dict(reply.instructions),
        expires_at=reply.expires_at,
        at=now,
    )


def record_capture(order: PaymentOrder, capture: Capture, reply: RailReply, now: datetime) -> None:
    """What became of a capture that was asked for."""
    match reply:
        case Captured():
            order.resolve(attempt=capture.attempt, source="reply", evidence={"answer": "captured"}, at=now)
            order.capture(
                capture_id=capture.capture_id,
                attempt=capture.attempt,
                amount_minor=reply.amount_minor,
                currency=order.currency,
                rail_reference=reply.rail_reference,
                cost_minor=reply.cost_minor,
                at=now,
            )
        case Declined():
            order.fail_capture(capture_id=capture.capture_id, code=reply.code, at=now)
        case NotSent():  # it can be sent as if for the first time
            pass
        case _:
            order.mark_unknown(attempt=capture.attempt, operation="capture", reason=reason_of(reply), at=now)


def record_void(order: PaymentOrder, number: int, reply: RailReply, reason: str, now: datetime) -> None:
    """What became of the rest of an authorisation that was to be given back."""
    if isinstance(reply, Voided):
        order.resolve(attempt=number, source="reply", evidence={"answer": "voided"}, at=now)
        order.void(attempt=number, at=now)
    elif not isinstance(reply, NotSent):
        order.mark_unknown(attempt=number, operation="void", reason=reason, at=now)
