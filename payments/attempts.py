"""What an order needs from its rail next, decided by its folded state alone, and done.

`attempt-started` is in the log before the rail is called. An attempt that has started and has no outcome (the process
died, or the rail gave no usable answer) is never guessed at: the rail is asked what became of it, or is sent the same
request under the same key when it promises to make one effect of both. If neither tells, the outcome stays unknown and
is asked for again, step by step (`payments.ladder`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

import structlog
from eventsourcing.persistence import IntegrityError

from domain.attempts import AUTO, Attempt, Capture
from domain.instrument import Bar
from domain.payment_facts import DIRECT_DEBIT
from domain.payment_order import RECORDED_RAIL, PaymentOrder
from domain.payment_rules import AttemptInFlight, OrderNotOpen
from domain.ports import Clock
from eventlog.application import EventLog
from eventlog.recorded import Meta
from payments import outcomes
from payments.calls import authorise_request, capture_request, inquiry, void_request
from payments.inquiries import Complete, Inquiries, due_inquiry, may_send_again
from payments.instruments import BUSY, Instruments
from payments.orders import Orders
from payments.outcomes import UNDECIDED
from payments.recording import attempt_key, capture_key
from payments.routes import Routes
from rails.port import Declined, NotFound, NotSent, Payer, Rail, RailReply, Unknown, Voided, VoidRequest

META = Meta(actor="payments")
STEPS = 10
NOT_TAKEN = Declined("not_taken_by_rail", "hard", "rail")
"""The rail cannot be paid through in this way at all: it was never asked, and need not be."""
PayerOf = Callable[[PaymentOrder, int], Payer | None]
"""Who pays an order of a book, as rails are told."""

log = structlog.get_logger()


def _nobody(_order: PaymentOrder, _book: int) -> None:
    return None


def _never_told(_rail: str) -> None:
    return None


class Attempts:
    """Thread-safe as long as no two threads advance one order at a time (if they do, a version conflict decides).

    `routes` chooses among the rails, and tells of those that are held to be down, so that nothing is begun that cannot
    be sent. `payer_of` tells whose account a direct debit is to be taken from; nobody else is told of a payer.
    `complete` is up to when everything is known that a rail tells by itself.
    """

    def __init__(
        self,
        events: EventLog,
        rails: Mapping[str, Rail],
        clock: Clock,
        routes: Routes | None = None,
        payer_of: PayerOf = _nobody,
        instruments: Instruments | None = None,
        complete: Complete = _never_told,
    ) -> None:
        self._orders = Orders(events, META, instruments)
        self._rails = rails
        self._clock = clock
        self._routes = routes or Routes(rails)
        self._payer_of = payer_of
        self._inquiries = Inquiries(clock, self._orders.keep, self._ask_to_authorise, self._barred, complete)

    def lane(self, stream_id: UUID) -> str:
        """The rail that an order is at, or is to be tried at; "none" for one that has none."""
        return self._routes.lane(self._orders.get(stream_id))

    def advance(self, book: int, stream_id: UUID) -> bool:
        """Do all that the order's state asks for now. False = an outcome could not be written; call again later."""
        order = self._orders.get(stream_id)
        for _ in range(STEPS):
            after = self._step(book, order)
            if after is None:
                return True
            order = after
        return False

    def _step(self, book: int, order: PaymentOrder) -> PaymentOrder | None:
        """One thing; answers the order after it as long as there may be another."""
        if self._routes.wants_an_attempt(order):
            return self._start(book, order)
        if order.going_elsewhere:
            order = self._orders.keep(book, order, self._none_left)
        for attempt in order.attempts:
            rail = self._rails.get(attempt.rail)
            if attempt.rail == RECORDED_RAIL:
                continue
            if rail is None:
                log.warning("payments.rail_not_configured", rail=attempt.rail, order_id=order.order_id)
                continue
            late = _held_too_late(order, attempt)
            if late is not None and rail.capabilities.void:
                return self._void_late(book, order, attempt, late, rail)
            if attempt.undecided:
                return self._inquiries.ask(book, order, attempt, rail)
            if attempt.unknown_operation is not None and not due_inquiry(attempt, self._clock.now()):
                return None
            capture = _requested_capture(order, attempt)
            if capture is not None:
                return self._capture(book, order, attempt, capture, rail)
            if attempt.void_requested and attempt.held_minor > 0:
                return self._void(book, order, attempt, rail)
            if _captures_itself(order, attempt):
                return self._request_automatic_capture(book, order, attempt)
        return self._recheck(book, order)

    def _recheck(self, book: int, order: PaymentOrder) -> PaymentOrder | None:
        """Declines to be asked about once more come last: their rail may be away, and another one wanted for more."""
        for attempt in order.attempts:
            rail = self._rails.get(attempt.rail)
            if rail is not None and attempt.recheck_at is not None and attempt.recheck_at <= self._clock.now():
                after = self._inquiries.recheck(book, order, attempt, rail)
                if after is not None:
                    return after
        return None

    def _start(self, book: int, order: PaymentOrder) -> PaymentOrder | None:
        rail, away = self._routes.choose(order)
        if rail is None or not rail.capabilities.calls:
            log.warning("payments.rail_not_configured", rail=order.rail, order_id=order.order_id)
            return None
        if away is not None:
            self._defer(book, order, rail, away)
            return None
        with self._orders.instruments.trying(book, order, self._clock.now()) as bar:
            return self._try(book, order, rail, bar)

    def _try(self, book: int, order: PaymentOrder, rail: Rail, bar: Bar | None) -> PaymentOrder | None:
        """One attempt. Where its card must not be tried it is written as declined, with the reason, and not sent."""
        if bar is BUSY:
            self._defer(book, order, rail, BUSY.why)
            return None
        try:
            number = order.start_attempt(
                rail=rail.name,
                method=order.method,
                amount_minor=order.amount_minor,
                attempt_key=attempt_key(order.id, len(order.attempts) + 1),
                details={} if bar is None else bar.evidence,
                at=self._clock.now(),
            )
        except (OrderNotOpen, AttemptInFlight):  # cancelled or expired before its turn came
            return None
        if bar is not None:
            order.decline(attempt=number, code=bar.code, decline_class=bar.decline_class, at=self._clock.now())
        try:
            self._orders.save(book, order)
        except IntegrityError:
            return self._orders.get(order.id)
        if bar is not None:
            return order
        reply = self._ask_to_authorise(book, order, order.attempt(number), rail)
        if isinstance(reply, NotSent):
            order = self._give_up_unsent(book, order, number, reply)
            return order if order.rail == AUTO else None
        return self._authorised(book, order, number, reply)

    def _authorised(self, book: int, order: PaymentOrder, number: int, reply: RailReply) -> PaymentOrder | None:
        def outcome(fresh: PaymentOrder) -> None:
            outcomes.record_authorisation(fresh, number, reply, "reply", self._clock.now())

        order = self._orders.keep(book, order, outcome, reply)
        return None if isinstance(reply, UNDECIDED) else order

    def _none_left(self, fresh: PaymentOrder) -> None:
        fresh.defer(rail=AUTO, reason="no other rail takes it", at=self._clock.now())

    def _defer(self, book: int, order: PaymentOrder, rail: Rail, reason: str) -> None:
        """The order waits until the timer looks again."""
        self._orders.keep(book, order, lambda fresh: fresh.defer(rail=rail.name, reason=reason, at=self._clock.now()))

    def _barred(self, book: int, order: PaymentOrder) -> bool:
        return self._orders.instruments.barred(book, order, self._clock.now())

    def _give_up_unsent(self, book: int, order: PaymentOrder, number: int, reply: NotSent) -> PaymentOrder:
        """Nothing left this process, so the order is as open as before: it goes to another rail if it may, or waits."""

        def outcome(fresh: PaymentOrder) -> None:
            now = self._clock.now()
            fresh.not_received(attempt=number, evidence={"not_sent": reply.reason}, at=now)
            if fresh.rail != AUTO:
                fresh.defer(rail=fresh.attempt(number).rail, reason=reply.reason, at=now)

        return self._orders.keep(book, order, outcome)

    def _ask_to_authorise(self, book: int, order: PaymentOrder, attempt: Attempt, rail: Rail) -> RailReply:
        if not self._routes.can_take(order, rail):
            return NOT_TAKEN
        payer = self._payer_of(order, book) if attempt.method == DIRECT_DEBIT else None
        return rail.authorise(authorise_request(order, attempt, rail, payer))

    def _capture(
        self, book: int, order: PaymentOrder, attempt: Attempt, capture: Capture, rail: Rail
    ) -> PaymentOrder | None:
        request = capture_request(order, attempt, capture)
        reply: RailReply = NotFound(request.capture_key)
        in_doubt = attempt.unknown_operation == "capture"
        if rail.capabilities.inquiry and (in_doubt or not rail.capabilities.idempotency_keys):
            reply = rail.inquire(inquiry(attempt, capture))
        again = may_send_again(attempt.doubted_at, rail, self._clock.now())
        if isinstance(reply, NotFound) and (again or not in_doubt):
            reply = rail.capture(request)
        if in_doubt and isinstance(reply, UNDECIDED):
            self._inquiries.undecided(book, order, attempt, reply)
            return None
        order = self._orders.keep(
            book, order, lambda fresh: outcomes.record_capture(fresh, capture, reply, self._clock.now())
        )
        return None if isinstance(reply, UNDECIDED) else order

    def _void(self, book: int, order: PaymentOrder, attempt: Attempt, rail: Rail) -> PaymentOrder | None:
        reply: RailReply = rail.void(void_request(attempt))
        reason = outcomes.reason_of(reply)
        if not isinstance(reply, (Voided, NotSent)) and rail.capabilities.inquiry:
            reply = rail.inquire(inquiry(attempt))
        if attempt.unknown_operation == "void" and not isinstance(reply, Voided):
            self._inquiries.undecided(book, order, attempt, Unknown(reason))
            return None

        def outcome(fresh: PaymentOrder) -> None:
            outcomes.record_void(fresh, attempt.number, reply, reason, self._clock.now())

        order = self._orders.keep(book, order, outcome)
        return order if isinstance(reply, Voided) else None

    def _void_late(
        self, book: int, order: PaymentOrder, attempt: Attempt, reference: str, rail: Rail
    ) -> PaymentOrder | None:
        """Money that a rail holds for an order that wants it no more goes back to the payer; what it took is for people
        to decide."""
        reply = rail.void(VoidRequest(f"{attempt.attempt_key}/late/{reference}", reference))
        if not isinstance(reply, Voided):
            log.warning("payments.late_hold_stays", order_id=order.order_id, reason=outcomes.reason_of(reply))
            return None

        def outcome(fresh: PaymentOrder) -> None:
            fresh.void_late_success(
                attempt=attempt.number, rail_reference=reference, amount_minor=reply.amount_minor, at=self._clock.now()
            )

        return self._orders.keep(book, order, outcome)

    def _request_automatic_capture(self, book: int, order: PaymentOrder, attempt: Attempt) -> PaymentOrder:
        """The rail held where it was asked to take: the order wants the money taken, so a capture follows."""

        def outcome(fresh: PaymentOrder) -> None:
            if _captures_itself(fresh, fresh.attempt(attempt.number)):
                key = capture_key(fresh.id, attempt.number)
                fresh.request_capture(capture_id=key, amount_minor=fresh.capturable_minor, at=self._clock.now())

        return self._orders.keep(book, order, outcome)


def _held_too_late(order: PaymentOrder, attempt: Attempt) -> str | None:
    for number, operation, reference in order.late_successes:
        if number == attempt.number and operation == "authorise" and reference not in order.late_voided:
            return reference
    return None


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
