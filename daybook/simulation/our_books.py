"""What our own log says of every attempt in the end: folded from the events, with what came against the books."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from daybook.simulation.agreement import Standing
from domain import payment_events as events
from domain.evidence_events import PaymentReturned
from domain.payment_order import PaymentOrder
from domain.registry import topics_of
from domain.waiting_events import LateSuccessVoided
from eventlog.application import EventLog

PAGE = 5_000


class Orders:
    """All orders of a log, with the money that rails moved against the books by attempt."""

    def __init__(self, log: EventLog) -> None:
        self.orders: dict[UUID, PaymentOrder] = {}
        self._late_captured: dict[tuple[UUID, int], int] = {}
        self._late_held: dict[tuple[UUID, int], int] = {}
        for row in _rows(log):
            event: Any = log.log_mapper.decode(row)
            self.orders[row.stream_id] = event.mutate(self.orders.get(row.stream_id))
            self._count(row.stream_id, event)

    def _count(self, stream: UUID, event: Any) -> None:
        if isinstance(event, events.LateSuccessDetected):
            late = self._late_captured if event.operation == "capture" else self._late_held
            late[stream, event.attempt] = late.get((stream, event.attempt), 0) + event.amount_minor
        elif isinstance(event, LateSuccessVoided):
            self._late_held[stream, event.attempt] -= event.amount_minor
        elif isinstance(event, PaymentReturned):
            key = (stream, event.attempt)
            self._late_captured[key] = self._late_captured.get(key, 0) - event.amount_minor

    def standings(self) -> Iterator[Standing]:
        """Every attempt as it stands."""
        for stream, order in self.orders.items():
            for attempt in order.attempts:
                place = (stream, attempt.number)
                yield Standing(
                    order_id=order.order_id,
                    key=attempt.attempt_key,
                    currency=order.currency,
                    captured_minor=attempt.captured_minor + self._late_captured.get(place, 0),
                    held_minor=attempt.held_minor + self._late_held.get(place, 0),
                    decided=not attempt.undecided and attempt.unknown_operation is None,
                    not_received=attempt.state == "not_received",
                )


def _rows(log: EventLog) -> Iterator[Any]:
    after = 0
    while rows := log.log_recorder.read(after, PAGE, topics=topics_of(PaymentOrder.TOPIC)):
        yield from rows
        after = rows[-1].position
