"""What an order needs from its rail next, decided by its folded state alone, and done.

`attempt-started` is in the log before the rail is called. An attempt that has started and has no outcome (the process
died, or the rail gave no usable answer) is never guessed at: the rail is asked what became of it, or is sent the same
request under the same key when it promises to make one effect of both. If neither tells, the outcome stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

import structlog
from eventsourcing.persistence import IntegrityError

from domain.attempts import Attempt, Capture
from domain.payment_order import RECORDED_RAIL, PaymentOrder
from domain.payment_rules import AttemptAlreadyDecided, AttemptInFlight, OrderNotOpen
from domain.ports import Clock
from eventlog.application import EventLog
from eventlog.recorded import Meta
from payments.recording import attempt_key, capture_key
from rails.port import (
    Authorised,
    AuthoriseRequest,
    Captured,
    CaptureRequest,
    Declined,
    InquiryRequest,
    NotFound,
    Rail,
    RailReply,
    Unknown,
    Voided,
    VoidRequest,
)

META = Meta(actor="payments")
METHOD = "token"
TRIES = 5
STEPS = 10

log = structlog.get_logger()


class Attempts:
    """Thread-safe as long as no two threads advance one order at a time (if they do, a version conflict decides)."""

    def __init__(self, events: EventLog, rails: Mapping[str, Rail], clock: Clock) -> None:
        self._log = events
        self._rails = rails
        self._clock = clock

    def advance(self, book: int, stream_id: UUID) -> bool:
        """Do all that the order's state asks for now. False = an outcome could not be written; call again later."""
        for _ in range(STEPS):
            order: PaymentOrder = self._log.repository.get(stream_id)
            if not self._step(book, order):
                return True
        return False

    def _step(self, book: int, order: PaymentOrder) -> bool:
        """One thing; answers whether there may be another."""
        if order.rail is not None and not order.attempts:
            return self._start(book, order)
        for attempt in order.attempts:
            rail = self._rails.get(attempt.rail)
            if attempt.rail == RECORDED_RAIL:
                continue
            if rail is None:
                log.warning("payments.rail_not_configured", rail=attempt.rail, order_id=order.order_id)
                continue
            if attempt.state == "submitting":
                return self._resolve_authorisation(book, order, attempt, rail)
            capture = _requested_capture(order, attempt)
            if capture is not None:
                return self._capture(book, order, attempt, capture, rail)
            if attempt.void_requested and attempt.held_minor > 0:
                return self._void(book, order, attempt, rail)
            if _captures_itself(order, attempt):
                return self._request_automatic_capture(book, order, attempt)
        return False

    def _start(self, book: int, order: PaymentOrder) -> bool:
        rail = self._rails.get(order.rail or "")
        if rail is None or not rail.capabilities.calls:
            log.warning("payments.rail_not_configured", rail=order.rail, order_id=order.order_id)
            return False
        try:
            number = order.start_attempt(
                rail=rail.name,
                method=METHOD,
                amount_minor=order.amount_minor,
                attempt_key=attempt_key(order.id, len(order.attempts) + 1),
                at=self._clock.now(),
            )
        except (OrderNotOpen, AttemptInFlight):  # cancelled or expired before its turn came
            return False
        try:
            self._log.save(order, book=book, meta=META)
        except IntegrityError:
            return True
        return self._authorise(book, order, order.attempt(number), rail)

    def _authorise(self, book: int, order: PaymentOrder, attempt: Attempt, rail: Rail) -> bool:
        reply = rail.authorise(
            AuthoriseRequest(
                order_id=order.order_id,
                attempt=attempt.number,
                attempt_key=attempt.attempt_key,
                amount_minor=attempt.amount_minor,
                currency=order.currency,
                payment_token=order.payment_token or "",
                capture=order.capture_mode == "automatic" or not rail.capabilities.capture,
            )
        )
        return self._keep_authorisation(book, order.id, attempt.number, reply, None)

    def _resolve_authorisation(self, book: int, order: PaymentOrder, attempt: Attempt, rail: Rail) -> bool:
        """Started, and how it ended is not in the log. One round of asking; what stays unknown is asked again later."""
        doubted = attempt.unknown_operation is not None
        if rail.capabilities.inquiry:
            reply: RailReply = rail.inquire(InquiryRequest(attempt.attempt_key))
            if not isinstance(reply, (Unknown, NotFound)):
                return self._keep_authorisation(book, order.id, attempt.number, reply, "inquiry")
        if rail.capabilities.idempotency_keys:
            again = self._authorise(book, order, attempt, rail)
            return again and not doubted
        if not doubted:
            reply = Unknown("the process ended before the rail's answer was written down")
            self._keep_authorisation(book, order.id, attempt.number, reply, None)
        return False

    def _keep_authorisation(self, book: int, order_id: UUID, number: int, reply: RailReply, source: str | None) -> bool:
        """Write the outcome down; answers whether the doubt is over."""

        def outcome(order: PaymentOrder) -> None:
            now = self._clock.now()
            if not isinstance(reply, (Unknown, NotFound)):
                order.resolve(
                    attempt=number, source=source or "reply", evidence={"answer": type(reply).__name__.lower()}, at=now
                )
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
                case Unknown():
                    order.mark_unknown(attempt=number, operation="authorise", reason=reply.reason, at=now)
                case NotFound():
                    order.mark_unknown(attempt=number, operation="authorise", reason="not found at the rail", at=now)

        self._keep(book, order_id, outcome)
        return not isinstance(reply, (Unknown, NotFound))

    def _capture(self, book: int, order: PaymentOrder, attempt: Attempt, capture: Capture, rail: Rail) -> bool:
        # A rail knows one set of keys for all orders, ours are unique within an order only.
        key_at_rail = f"{attempt.attempt_key}/capture/{capture.capture_id}"
        reply: RailReply = NotFound(key_at_rail)
        in_doubt = attempt.unknown_operation == "capture"
        if rail.capabilities.inquiry and (in_doubt or not rail.capabilities.idempotency_keys):
            reply = rail.inquire(InquiryRequest(attempt.attempt_key, key_at_rail))
        if isinstance(reply, NotFound) and (rail.capabilities.idempotency_keys or not in_doubt):
            reply = rail.capture(
                CaptureRequest(
                    capture_key=key_at_rail,
                    rail_reference=attempt.rail_reference or "",
                    amount_minor=capture.amount_minor,
                    currency=order.currency,
                    final=capture.final,
                )
            )

        def outcome(fresh: PaymentOrder) -> None:
            now = self._clock.now()
            match reply:
                case Captured():
                    fresh.resolve(attempt=attempt.number, source="reply", evidence={"answer": "captured"}, at=now)
                    fresh.capture(
                        capture_id=capture.capture_id,
                        attempt=attempt.number,
                        amount_minor=reply.amount_minor,
                        currency=fresh.currency,
                        rail_reference=reply.rail_reference,
                        cost_minor=reply.cost_minor,
                        at=now,
                    )
                case Declined():
                    fresh.fail_capture(capture_id=capture.capture_id, code=reply.code, at=now)
                case Unknown(reason=reason):
                    fresh.mark_unknown(attempt=attempt.number, operation="capture", reason=reason, at=now)
                case _:
                    reason = f"unfitting answer {type(reply).__name__}"
                    fresh.mark_unknown(attempt=attempt.number, operation="capture", reason=reason, at=now)

        self._keep(book, order.id, outcome)
        return isinstance(reply, (Captured, Declined))

    def _void(self, book: int, order: PaymentOrder, attempt: Attempt, rail: Rail) -> bool:
        reply: RailReply = rail.void(VoidRequest(f"{attempt.attempt_key}/void", attempt.rail_reference or ""))
        reason = reply.reason if isinstance(reply, Unknown) else f"answered {type(reply).__name__.lower()}"
        if not isinstance(reply, Voided) and rail.capabilities.inquiry:
            reply = rail.inquire(InquiryRequest(attempt.attempt_key))

        def outcome(fresh: PaymentOrder) -> None:
            now = self._clock.now()
            if isinstance(reply, Voided):
                fresh.resolve(attempt=attempt.number, source="reply", evidence={"answer": "voided"}, at=now)
                fresh.void(attempt=attempt.number, at=now)
            else:
                fresh.mark_unknown(attempt=attempt.number, operation="void", reason=reason, at=now)

        self._keep(book, order.id, outcome)
        return isinstance(reply, Voided)

    def _request_automatic_capture(self, book: int, order: PaymentOrder, attempt: Attempt) -> bool:
        """The rail held where it was asked to take: the order wants the money taken, so a capture follows."""

        def outcome(fresh: PaymentOrder) -> None:
            if _captures_itself(fresh, fresh.attempt(attempt.number)):
                key = capture_key(fresh.id, attempt.number)
                fresh.request_capture(capture_id=key, amount_minor=fresh.capturable_minor, at=self._clock.now())

        self._keep(book, order.id, outcome)
        return True

    def _keep(self, book: int, stream_id: UUID, outcome: Callable[[PaymentOrder], None]) -> None:
        """Write what the rail said onto the order as it is now. Raises IntegrityError after five lost races."""
        for attempt in range(1, TRIES + 1):
            order: PaymentOrder = self._log.repository.get(stream_id)
            try:
                outcome(order)
            except AttemptAlreadyDecided as contradiction:
                log.error("payments.contradicting_outcome", order_id=order.order_id, reason=str(contradiction))
                return
            try:
                self._log.save(order, book=book, meta=META)
                return
            except IntegrityError:
                if attempt == TRIES:
                    raise


def _requested_capture(order: PaymentOrder, attempt: Attempt) -> Capture | None:
    for capture in order.captures.values():
        if capture.state == "requested" and capture.attempt == attempt.number:
            return capture
    return None


def _captures_itself(order: PaymentOrder, attempt: Attempt) -> bool:
    return (
        order.capture_mode == "automatic"
        and attempt.state == "authorized"
        and attempt.held_minor > 0
        and not attempt.void_requested
        and attempt.unknown_operation is None
        and not any(capture.attempt == attempt.number for capture in order.captures.values())
    )
