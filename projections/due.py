"""due: what must be looked at when its time comes. The one scheduler: timers are rows folded from events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from domain import evidence_events as evidence
from domain import payment_events as events
from domain import posting_events as postings
from domain import waiting_events as waiting
from domain.attempts import AUTO, OF_THE_RAIL, RECHECK_AFTER
from projections.view import Fact, Key, PlainRows, Row, Rows

ORDER_EXPIRY: Final = "order-expiry"
AUTHORISATION_EXPIRY: Final = "authorisation-expiry"
FUNDS_RELEASE: Final = "funds-release"
INQUIRY: Final = "inquiry"
WAITING: Final = "waiting"
RETRY: Final = "retry"
RECHECK: Final = "recheck"
LATE_HOLD: Final = "late-hold"
HOLD_EXPIRY: Final = "hold-expiry"
RELEASE_AFTER: Final = timedelta(days=2)
"""Captured money may be paid out two days later (worked example of the payments reference, step 4: T+2)."""
INQUIRY_AFTER: Final = timedelta(seconds=2)
"""An outcome nobody knows is asked for after two seconds first, and again by the poller while the timer runs."""

WAITING_AFTER: Final = timedelta(seconds=5)
"""Who waits for a payer or a rail looks after five seconds first; the poller takes longer from time to time."""

_ENDS_ORDER = (events.Authorized, events.Captured, events.Cancelled, events.Expired)
_ENDS_HOLD = (events.Voided, events.AuthorizationExpired)
_ENDS_DOUBT = (
    events.AttemptResolved,
    events.Authorized,
    events.Captured,
    events.CaptureFailed,
    events.AttemptDeclined,
    events.LateSuccessDetected,
    waiting.ActionRequired,
    waiting.AttemptPending,
    waiting.AttemptNotReceived,
    *_ENDS_HOLD,
)
_ENDS_WAITING = (
    waiting.ActionRequired,
    waiting.AttemptPending,
    events.Authorized,
    events.Captured,
    events.AttemptDeclined,
)
_ENDS_RETRY = (waiting.AttemptDeferred, events.AttemptStarted, events.Cancelled, events.Expired)


class Due(PlainRows):
    """One row per timer that still runs; `key` tells an order's attempts and captures apart, a hold has its own id."""

    name = "due"
    version = 1
    topics = (
        "payment-order.created.v1",
        "payment-order.attempt-started.v1",
        "payment-order.attempt-deferred.v1",
        "payment-order.action-required.v1",
        "payment-order.attempt-pending.v1",
        "payment-order.attempt-inquired.v1",
        "payment-order.attempt-not-received.v1",
        "payment-order.authorized.v1",
        "payment-order.captured.v1",
        "payment-order.cancelled.v1",
        "payment-order.expired.v1",
        "payment-order.capture-failed.v1",
        "payment-order.attempt-declined.v1",
        "payment-order.decline-confirmed.v1",
        "payment-order.payment-returned.v1",
        "payment-order.attempt-outcome-unknown.v1",
        "payment-order.attempt-resolved.v1",
        "payment-order.late-success-detected.v1",
        "payment-order.late-success-voided.v1",
        "payment-order.voided.v1",
        "payment-order.authorization-expired.v1",
        "payment-order.funds-released.v1",
        "posting.hold-placed.v1",
        "posting.hold-committed.v1",
        "posting.hold-voided.v1",
        "posting.hold-expired.v1",
    )
    stream_column = "stream_id"
    key = ("stream_id", "kind", "key")
    columns = {
        "stream_id": "uuid",
        "kind": "text",
        "key": "text",
        "book": "int",
        "due_at": "timestamptz",
        "position": "bigint",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return tuple(_touched(fact))

    def fold(self, rows: Rows, fact: Fact) -> None:
        event = fact.event
        for key in _touched(fact):
            rows[key] = None
        if isinstance(event, events.Created) and event.expires_at is not None:
            _start(rows, fact, ORDER_EXPIRY, "", event.expires_at)
        elif isinstance(event, events.Authorized) and event.capture_before is not None:
            _start(rows, fact, AUTHORISATION_EXPIRY, str(event.attempt), event.capture_before)
        elif isinstance(event, events.Captured) and event.amount_minor:
            _start(rows, fact, FUNDS_RELEASE, event.capture_id, event.timestamp + RELEASE_AFTER)
        elif isinstance(event, events.AttemptOutcomeUnknown):
            _start(rows, fact, INQUIRY, str(event.attempt), event.timestamp + INQUIRY_AFTER)
        elif isinstance(event, waiting.AttemptInquired):
            _start(rows, fact, INQUIRY, str(event.attempt), event.next_at)
        elif isinstance(event, (waiting.ActionRequired, waiting.AttemptPending)):
            _start(rows, fact, WAITING, str(event.attempt), event.timestamp + WAITING_AFTER)
        elif isinstance(event, events.LateSuccessDetected) and event.operation == "authorise":
            _start(rows, fact, LATE_HOLD, event.rail_reference, event.timestamp + WAITING_AFTER)
        elif isinstance(event, events.AttemptDeclined) and event.decline_class == "soft" and event.code in OF_THE_RAIL:
            _start(rows, fact, RECHECK, str(event.attempt), event.timestamp + RECHECK_AFTER)
        elif isinstance(event, waiting.AttemptDeferred) and event.rail != AUTO:
            _start(rows, fact, RETRY, "", event.timestamp + WAITING_AFTER)
        elif isinstance(event, postings.HoldPlaced) and event.expires_at is not None:
            _start(rows, fact, HOLD_EXPIRY, str(fact.stream_id), event.expires_at)


def _touched(fact: Fact) -> list[Key]:
    """The timers that this event starts or ends."""
    event, stream = fact.event, fact.stream_id
    if isinstance(event, postings.PostingEvent):
        goes_on = isinstance(event, postings.HoldCommitted) and not event.final
        return [] if goes_on else [(stream, HOLD_EXPIRY, str(stream))]
    touched: list[Key] = []
    declined_for_good = isinstance(event, events.AttemptDeclined) and event.decline_class == "hard"
    if isinstance(event, (events.Created, *_ENDS_ORDER)) or declined_for_good:
        touched.append((stream, ORDER_EXPIRY, ""))
    ends_hold = isinstance(event, _ENDS_HOLD) or (isinstance(event, events.Captured) and event.final)
    if ends_hold or isinstance(event, events.Authorized):
        touched.append((stream, AUTHORISATION_EXPIRY, str(event.attempt)))
    if isinstance(event, (events.AttemptDeclined, evidence.DeclineConfirmed, events.LateSuccessDetected)):
        touched.append((stream, RECHECK, str(event.attempt)))
    if isinstance(event, (events.Captured, events.FundsReleased, evidence.PaymentReturned)):
        touched.append((stream, FUNDS_RELEASE, event.capture_id))
    if isinstance(event, (events.AttemptOutcomeUnknown, waiting.AttemptInquired, *_ENDS_DOUBT)):
        touched.append((stream, INQUIRY, str(event.attempt)))
    if isinstance(event, _ENDS_WAITING):
        touched.append((stream, WAITING, str(event.attempt)))
    if isinstance(event, (events.LateSuccessDetected, waiting.LateSuccessVoided)):
        touched.append((stream, LATE_HOLD, event.rail_reference))
    if isinstance(event, _ENDS_RETRY):
        touched.append((stream, RETRY, ""))
    return touched


def _start(rows: Rows, fact: Fact, kind: str, key: str, due_at: datetime) -> None:
    row: Row = {
        "stream_id": fact.stream_id,
        "kind": kind,
        "key": key,
        "book": fact.book,
        "due_at": due_at,
        "position": fact.position,
    }
    rows[(fact.stream_id, kind, key)] = row


VIEW = Due()
