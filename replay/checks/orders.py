"""orders: every payment order's events lead from status to status as the state machine allows, and add up."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, ClassVar
from uuid import UUID

from domain import payment_events as events
from domain.attempts import Attempt
from domain.payment_facts import RECORDED_RAIL
from domain.payment_order import PaymentOrder
from domain.payment_states import START, allows
from domain.registry import topics_of
from domain.splitting import divide
from replay.checks.after_the_outcome import contradictions
from replay.checks.check import Finding, PlainCheck, Scope, Seen, finding

KEPT = 10_000
"""Orders kept folded. One that is older is folded anew from its stream when something happens to it after all."""


class Orders(PlainCheck):
    """Folds each order with its own aggregate. After its first finding an order is left alone: the rest would only
    repeat it. Money on the recorded rail has moved elsewhere, so neither a hold nor what is due limits it.
    """

    name: ClassVar[str] = "orders"
    meaning: ClassVar[str] = (
        "the events of each payment order fold without error, as its state machine allows; nothing is captured beyond "
        "what was authorised, each capture is shared out to the last unit, released once, and goes back once at most"
    )
    advice: ClassVar[str] = (
        "read the order with `daybook explain order`; what a rail took beyond its order belongs into suspense, by an "
        "adjustment, until it is given back"
    )
    topics: ClassVar[tuple[str, ...]] = topics_of(PaymentOrder.TOPIC)

    def __init__(self, scope: Scope) -> None:
        """Reads the streams of orders that were let go of."""
        self._scope = scope
        self._orders: OrderedDict[UUID, Any] = OrderedDict()
        self._broken: set[UUID] = set()

    def see(self, seen: Seen) -> Iterator[Finding]:
        """One more event of an order."""
        stream = seen.row.stream_id
        if stream in self._broken:
            return
        try:
            order = self._before(seen)
            found = list(contradictions(seen, order))
            if not found:
                status = START if order is None else order.status
                order = seen.event.mutate(order) or order
                self._keep(stream, order)
                found = list(_judged(seen, order, status, order.status))
        except Exception as problem:  # noqa: BLE001 - whatever a fold meets in a wrong history is the finding
            found = [finding(seen, f"the order cannot take this event: {type(problem).__name__}: {problem}")]
        if found:
            self._broken.add(stream)
        yield from found

    def _before(self, seen: Seen) -> Any:
        """The order before this event; None for the first."""
        order = self._orders.get(seen.row.stream_id)
        if order is None and seen.row.version > 1:
            for event in self._scope.stream(seen.row.stream_id):
                if event.originator_version >= seen.row.version:
                    break
                order = event.mutate(order) or order
        return order

    def _keep(self, stream: UUID, order: Any) -> None:
        self._orders[stream] = order
        self._orders.move_to_end(stream)
        if len(self._orders) > KEPT:
            self._orders.popitem(last=False)


def _judged(seen: Seen, order: PaymentOrder, before: str, after: str) -> Iterator[Finding]:
    event = seen.event
    if not allows(before, seen.row.topic, after):
        yield finding(seen, f"the state machine does not lead from {before} to {after} by this event", found=after)
    if (
        isinstance(event, events.AttemptStarted)
        and event.rail != RECORDED_RAIL
        and event.amount_minor > order.amount_minor
    ):
        problem = "the attempt asks for more than the order is over"
        yield finding(seen, problem, expected=order.amount_minor, found=event.amount_minor)
    if isinstance(event, (events.Authorized, events.Captured, events.Voided, events.AuthorizationExpired)):
        yield from _held_to(seen, order.attempt(event.attempt))
    if isinstance(event, events.Captured):
        yield from _shared_out(seen, order)
    if isinstance(event, events.FundsReleased) and event.shares != order.captures[event.capture_id].shares:
        owed, given = (sum(share.net_minor for share in shares) for shares in (_shares(order, event), event.shares))
        yield finding(
            seen, "the sellers are given other shares than the capture earned them", expected=owed, found=given
        )


def _shares(order: PaymentOrder, event: events.FundsReleased) -> Any:
    return order.captures[event.capture_id].shares


def _held_to(seen: Seen, attempt: Attempt) -> Iterator[Finding]:
    """What an attempt may hold and take at its rail."""
    if attempt.held_minor < 0:
        yield finding(
            seen, f"attempt {attempt.number} gives back more than it held", expected=0, found=attempt.held_minor
        )
    if attempt.rail == RECORDED_RAIL:
        return
    if attempt.authorized_minor > attempt.amount_minor:
        problem = f"attempt {attempt.number} holds more than it asked for"
        yield finding(seen, problem, expected=attempt.amount_minor, found=attempt.authorized_minor)
    most = attempt.authorized_minor or attempt.amount_minor
    if attempt.captured_minor > most:
        problem = f"attempt {attempt.number} took more than was authorised"
        yield finding(seen, problem, expected=most, found=attempt.captured_minor)


def _shared_out(seen: Seen, order: PaymentOrder) -> Iterator[Finding]:
    event = seen.event
    gross = sum(share.gross_minor for share in event.shares)
    if gross != event.amount_minor:
        yield finding(seen, "the shares do not sum to what was captured", expected=event.amount_minor, found=gross)
        return
    expected = divide(event.amount_minor, order.due, order.commission_bps)
    if event.shares != expected:
        fees = [sum(share.commission_minor for share in shares) for shares in (expected, event.shares)]
        problem = f"the shares are not what {order.commission_bps} basis points and the sellers' dues give"
        yield finding(seen, problem, expected=f"commission {fees[0]}", found=f"commission {fees[1]}")


CHECK = Orders
