"""What happened to a payment order, step by step: what each event changed, and what was posted for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain import evidence_events as evidence
from domain import payment_events as events
from domain import waiting_events as waiting
from domain.attempts import AUTO
from domain.ids import stream_id
from domain.payer import MandateGiven, MethodChosen, PayerGiven
from domain.payment_order import RECORDED_RAIL, PaymentOrder
from domain.posting import Posting
from replay.explain.history import History
from replay.explain.rounding import ShareTold, shares_told
from replay.explain.told import PostingTold, Source, Told, posting_told, source
from replay.unreadable import folded

COUNTERS = ("authorized_minor", "captured_minor", "returned_minor", "released_minor", "held_minor", "cost_minor")
"""What an order counts, in minor units; `held` is what stands authorised, `released` what was given back of it,
`returned` what went back of what was captured."""


class OrderStep(msgspec.Struct, frozen=True):
    """One event: what it says, the counters that it changed (by how much), the status after it, and its postings."""

    source: Source
    words: str
    effective_at: datetime | None
    changes: dict[str, int]
    status: str
    shares: list[ShareTold]
    postings: list[PostingTold]


class OrderExplanation(msgspec.Struct, frozen=True):
    """An order as of a position, with all its steps, oldest first. Amounts are minor units of `currency`."""

    order_id: str
    stream_id: UUID
    merchant_id: str | None
    currency: str
    as_of: str
    amount_minor: int
    commission_bps: int
    status: str
    authorized_minor: int
    captured_minor: int
    returned_minor: int
    released_minor: int
    held_minor: int
    cost_minor: int
    steps: list[OrderStep]


def explain_order(history: History, order_id: str) -> OrderExplanation | None:
    """The order as of the history's position; None when there was no such order. Raises EventUnreadable."""
    stream = stream_id(history.book, "payment-order", order_id)
    told = history.stream(stream)
    if not told or not isinstance(told[0].event, PaymentOrder.Created):
        return None
    ids = {_posting_id(history.book, stream, one.row.version): one.row.version for one in told}
    recorded = history.beginnings(ids)
    postings = {ids[posting_id]: posting for posting_id, posting in recorded.items()}
    return _explained(history.as_of, told, postings)


def _posting_id(book: int, stream: UUID, version: int) -> UUID:
    """Of the posting that a fact of an order is booked by, if it is."""
    return stream_id(book, "posting", f"payment-order/{stream}/{version}")


def _explained(as_of: int, told: Sequence[Told], postings: Mapping[int, Told]) -> OrderExplanation:
    order: Any = None
    steps: list[OrderStep] = []
    before = dict.fromkeys(COUNTERS, 0)
    for one in told:
        order = folded(order, one.row, one.event)
        after = {name: getattr(order, name) for name in COUNTERS}
        posting = postings.get(one.row.version)
        steps.append(
            OrderStep(
                source=source(one),
                words=words_of(one.event, order),
                effective_at=getattr(one.event, "effective_at", None),
                changes={name: after[name] - before[name] for name in COUNTERS if after[name] != before[name]},
                status=order.status,
                shares=_shares(one.event, order),
                postings=[posting_told(posting)] if posting and isinstance(posting.event, Posting.Recorded) else [],
            )
        )
        before = after
    return OrderExplanation(
        order_id=order.order_id,
        stream_id=order.id,
        merchant_id=order.merchant_id,
        currency=order.currency,
        as_of=str(as_of),
        amount_minor=order.amount_minor,
        commission_bps=order.commission_bps,
        status=order.status,
        steps=steps,
        **before,
    )


def _shares(event: Any, order: PaymentOrder) -> list[ShareTold]:
    if not isinstance(event, (events.Captured, evidence.PaymentReturned)):
        return []
    return shares_told(event.amount_minor, order.due, order.commission_bps, event.shares)


def words_of(event: Any, order: PaymentOrder) -> str:
    """What an event says, in a sentence."""
    describe = _WORDS.get(type(event))
    return event.TOPIC if describe is None else describe(event, order.currency)  # type: ignore[no-any-return]


def _started(event: events.AttemptStarted, currency: str) -> str:
    words = f"attempt {event.attempt} over {event.amount_minor:,} {currency} at {event.rail} ({event.method})"
    if event.rail == RECORDED_RAIL or "not_sent" not in event.details:
        return words
    until = event.details.get("until", "never")
    again = "the card is not to be tried again" if until == "never" else f"the card may be tried again from {until}"
    return f"{words}, not sent: the card was {event.details['not_sent']}; {again}"


def _captured(event: events.Captured, currency: str) -> str:
    given_back = event.released_minor - event.amount_minor
    rest = f", {given_back:,} of the authorisation given back" if given_back > 0 else ""
    return f"{event.rail} took {event.amount_minor:,} {currency} by attempt {event.attempt}{rest}"


_WORDS: dict[type, Any] = {
    events.Created: lambda e, c: f"created over {e.amount_minor:,} {c}, commission {e.commission_bps:,} bps",
    PayerGiven: lambda e, _: f"to be paid by subject {e.subject}",
    MandateGiven: lambda e, _: f"subject {e.subject} has signed a mandate",
    MethodChosen: lambda e, _: f"to be paid by {e.method}",
    waiting.ActionRequired: lambda e, _: f"attempt {e.attempt}: the payer must do something",
    waiting.AttemptPending: lambda e, _: f"attempt {e.attempt}: the rail has it and will tell how it ended",
    waiting.AttemptInquired: lambda e, _: f"attempt {e.attempt}: asked {e.count} times, {e.answer}: {e.reason}",
    waiting.AttemptNotReceived: lambda e, _: f"attempt {e.attempt} never reached its rail",
    waiting.DoubtEscalated: lambda e, _: f"attempt {e.attempt}: asking has not ended the doubt, people must find out",
    waiting.AttemptDeferred: lambda e, _: e.reason if e.rail == AUTO else f"{e.rail} cannot be asked now: {e.reason}",
    evidence.PaymentReturned: lambda e, c: f"{e.amount_minor:,} {c} went back to the payer: {e.reason}",
    evidence.DeclineConfirmed: lambda e, _: f"attempt {e.attempt}: asked again, the rail still says no",
    waiting.LateSuccessVoided: lambda e, c: f"{e.rail} gave {e.amount_minor:,} {c} back that it held too late",
    events.AttemptStarted: _started,
    events.Authorized: lambda e, c: f"{e.rail} holds {e.amount_minor:,} {c} for attempt {e.attempt}",
    events.CaptureRequested: lambda e, c: (
        f"capture {e.capture_id} of {e.amount_minor:,} {c} asked for{', the last one' if e.final else ''}"
    ),
    events.Captured: _captured,
    events.CaptureFailed: lambda e, _: f"capture {e.capture_id} failed: {e.code}",
    events.AttemptDeclined: lambda e, _: f"attempt {e.attempt} declined ({e.decline_class}): {e.code}",
    events.AttemptOutcomeUnknown: lambda e, _: f"attempt {e.attempt}: outcome of {e.operation} unknown: {e.reason}",
    events.AttemptResolved: lambda e, _: f"attempt {e.attempt}: doubt ended by {e.source}",
    events.VoidRequested: lambda e, _: f"authorisation of attempt {e.attempt} asked back: {e.reason}",
    events.Voided: lambda e, c: f"{e.rail} gave {e.amount_minor:,} {c} of attempt {e.attempt} back",
    events.AuthorizationExpired: lambda e, c: f"authorisation of {e.amount_minor:,} {c} of attempt {e.attempt} ran out",
    events.Cancelled: lambda e, _: f"cancelled: {e.reason}",
    events.Expired: lambda _e, _: "expired: nobody paid in time",
    events.FundsReleased: lambda e, c: (
        f"{sum(share.net_minor for share in e.shares):,} {c} of capture {e.capture_id} may be paid out"
    ),
    events.LateSuccessDetected: lambda e, c: (
        f"{e.rail} reports a late {e.operation} of {e.amount_minor:,} {c} for attempt {e.attempt}"
    ),
}
