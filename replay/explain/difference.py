"""Why an order's payments do not add up to its items: what was due, what was captured, and the events behind each."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain import payment_events as events
from domain.evidence_events import PaymentReturned
from domain.ids import stream_id
from domain.payment_order import PaymentOrder
from replay.explain.history import History
from replay.explain.told import Source, source
from replay.unreadable import folded


class Due(msgspec.Struct, frozen=True):
    """What was due to one seller."""

    seller_id: str
    amount_minor: int


class Taken(msgspec.Struct, frozen=True):
    """Money that came: captured for the order, or (`late`) beside it, waiting in suspense."""

    source: Source
    attempt: int
    rail: str
    method: str
    rail_reference: str
    amount_minor: int
    currency: str
    effective_at: datetime
    late: bool


class Returned(msgspec.Struct, frozen=True):
    """Captured money that went back to the payer later, and what the bank took on top."""

    source: Source
    capture_id: str
    attempt: int
    rail: str
    amount_minor: int
    fee_minor: int
    currency: str
    reason: str
    effective_at: datetime


class DifferenceExplanation(msgspec.Struct, frozen=True):
    """An order's items beside its payments as of a position: `difference_minor` = captured - due, in minor units.

    `due_by` is the event that says what was due. Late successes are named and not counted, as in the books. So is what
    went back: the payment was one, and fitted its items or did not, whatever became of it (`order_differences` counts
    alike); `returned_minor` says how much of it is there no more.
    """

    order_id: str
    stream_id: UUID
    currency: str
    as_of: str
    due_minor: int
    captured_minor: int
    returned_minor: int
    difference_minor: int
    words: str
    due_by: Source
    due: list[Due]
    captured: list[Taken]
    returned: list[Returned]


def explain_difference(history: History, order_id: str) -> DifferenceExplanation | None:
    """The difference of an order as of the history's position; None when there was no such order. Raises
    EventUnreadable."""
    stream = stream_id(history.book, "payment-order", order_id)
    told = history.stream(stream)
    if not told or not isinstance(told[0].event, PaymentOrder.Created):
        return None
    order: Any = None
    taken: list[Taken] = []
    returned: list[Returned] = []
    for one in told:
        order = folded(order, one.row, one.event)
        if _took_money(one.event):
            taken.append(_taken(one.event, order, source(one)))
        elif isinstance(one.event, PaymentReturned):
            returned.append(_returned(one.event, source(one)))
    difference = order.captured_minor - order.amount_minor
    return DifferenceExplanation(
        order_id=order.order_id,
        stream_id=stream,
        currency=order.currency,
        as_of=str(history.as_of),
        due_minor=order.amount_minor,
        captured_minor=order.captured_minor,
        returned_minor=order.returned_minor,
        difference_minor=difference,
        words=_words(order, difference, taken),
        due_by=source(told[0]),
        due=[Due(split.seller_id, split.amount_minor) for split in order.due],
        captured=taken,
        returned=returned,
    )


def _took_money(event: Any) -> bool:
    if isinstance(event, events.LateSuccessDetected):
        return event.operation == "capture"
    return isinstance(event, events.Captured)


def _taken(event: Any, order: PaymentOrder, where: Source) -> Taken:
    late = isinstance(event, events.LateSuccessDetected)
    return Taken(
        source=where,
        attempt=event.attempt,
        rail=event.rail,
        method=order.attempt(event.attempt).method,
        rail_reference=event.rail_reference,
        amount_minor=event.amount_minor,
        currency=event.currency,
        effective_at=event.timestamp if late else event.effective_at,
        late=late,
    )


def _returned(event: PaymentReturned, where: Source) -> Returned:
    return Returned(
        source=where,
        capture_id=event.capture_id,
        attempt=event.attempt,
        rail=event.rail,
        amount_minor=event.amount_minor,
        fee_minor=event.fee_minor,
        currency=event.currency,
        reason=event.reason,
        effective_at=event.effective_at,
    )


def _words(order: PaymentOrder, difference: int, taken: list[Taken]) -> str:
    counted = sum(not one.late for one in taken)
    made = f"{counted} payment makes" if counted == 1 else f"{counted} payments make"
    if not counted:
        words = f"nothing was captured of {order.amount_minor:,} due"
    elif difference == 0:
        words = f"{made} what was due" + ("" if order.returned_minor else ": there is no difference")
    else:
        words = f"{made} {abs(difference):,} {'more' if difference > 0 else 'less'} than was due"
    if order.returned_minor:
        left = order.captured_minor - order.returned_minor
        words += f"; {order.returned_minor:,} of it went back later, {left:,} is left"
    late = sum(one.late for one in taken)
    return f"{words}; {late} late beside it, in suspense" if late else words
