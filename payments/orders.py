"""The orders as those read and write them who learn what became of attempts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog
from eventsourcing.persistence import IntegrityError

from domain.payment_order import PaymentOrder
from domain.payment_rules import AttemptAlreadyDecided
from eventlog.application import EventLog
from eventlog.recorded import Meta

TRIES: Final = 5
Outcome = Callable[[PaymentOrder], object]
"""Writes down on an order what is now known; called again on a fresh order when the log has moved on."""

log = structlog.get_logger()


class Orders:
    """Reads orders from the log, and writes outcomes onto them. Thread-safe."""

    def __init__(self, events: EventLog, meta: Meta) -> None:
        """`meta` is kept with every event that is written here."""
        self._log, self._meta = events, meta

    def get(self, stream_id: UUID) -> PaymentOrder:
        """The order as it stands. Raises AggregateNotFoundError."""
        order: PaymentOrder = self._log.repository.get(stream_id)
        return order

    def save(self, book: int, order: PaymentOrder) -> None:
        """Raises IntegrityError when somebody else has changed the order: what was decided is to be decided again."""
        self._log.save(order, book=book, meta=self._meta)

    def keep(self, book: int, order: PaymentOrder, outcome: Outcome) -> PaymentOrder:
        """Write an outcome; answers the order with it.

        It is tried on the order at hand first: an order that nobody else has touched since it was read, as nearly all,
        need not be read again. Raises IntegrityError after five lost races.
        """
        for _ in range(TRIES - 1):
            try:
                return self._kept(book, order, outcome)
            except IntegrityError:
                order = self.get(order.id)
        return self._kept(book, order, outcome)

    def _kept(self, book: int, order: PaymentOrder, outcome: Outcome) -> PaymentOrder:
        try:
            outcome(order)
        except AttemptAlreadyDecided as contradiction:
            log.error("payments.contradicting_outcome", order_id=order.order_id, reason=str(contradiction))
            return self.get(order.id)
        self.save(book, order)
        return order
