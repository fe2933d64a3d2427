"""The orders as those read and write them who learn what became of attempts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog
from eventsourcing.persistence import IntegrityError

from domain.payment_events import AttemptDeclined
from domain.payment_order import PaymentOrder
from domain.payment_rules import AttemptAlreadyDecided
from eventlog.application import EventLog
from eventlog.recorded import Meta
from payments.instruments import Instruments
from rails.port import Declined, RailReply

TRIES: Final = 5
"""How often an order may change under whoever writes its outcome."""
RACES: Final = 100
"""How often the instrument of an order may: many orders that share a card each write to its stream, and whoever loses
has only to read once more. Each lost race is another's decline written, so that all come to their end."""
Outcome = Callable[[PaymentOrder], object]
"""Writes down on an order what is now known; called again on a fresh order when the log has moved on."""

log = structlog.get_logger()


class Orders:
    """Reads orders from the log, and writes outcomes onto them. Thread-safe."""

    def __init__(self, events: EventLog, meta: Meta, instruments: Instruments | None = None) -> None:
        """`meta` is kept with every event that is written here; `instruments` are shared by all who write declines."""
        self._log, self._meta = events, meta
        self.instruments = instruments or Instruments(events)

    def get(self, stream_id: UUID) -> PaymentOrder:
        """The order as it stands. Raises AggregateNotFoundError."""
        order: PaymentOrder = self._log.repository.get(stream_id)
        return order

    def save(self, book: int, order: PaymentOrder) -> None:
        """Raises IntegrityError when somebody else has changed the order: what was decided is to be decided again."""
        self._log.save(order, book=book, meta=self._meta)

    def keep(self, book: int, order: PaymentOrder, outcome: Outcome, reply: RailReply | None = None) -> PaymentOrder:
        """Write an outcome; answers the order with it. Where `reply`, which it follows from, is the word of a card's
        issuer, a decline is written onto the card in the same commit.

        It is tried on the order at hand first: an order that nobody else has touched since it was read, as nearly all,
        need not be read again. Raises IntegrityError after five lost races for the order.
        """
        lost = 0
        for _ in range(RACES):
            read = order.version
            try:
                return self._kept(book, order, outcome, reply)
            except IntegrityError:
                order = self.get(order.id)
                lost += order.version != read
                if lost >= TRIES:
                    raise
        return self._kept(book, order, outcome, reply)

    def _kept(self, book: int, order: PaymentOrder, outcome: Outcome, reply: RailReply | None) -> PaymentOrder:
        try:
            outcome(order)
        except AttemptAlreadyDecided as contradiction:
            log.error("payments.contradicting_outcome", order_id=order.order_id, reason=str(contradiction))
            return self.get(order.id)
        decline = _decline_by_issuer(order, reply)
        if decline is None:
            self.save(book, order)
            return order
        with self.instruments.declined(book, order, decline.timestamp) as instrument:
            if instrument is not None:
                instrument.decline(
                    code=decline.code,
                    decline_class=decline.decline_class,
                    order_id=order.order_id,
                    at=decline.timestamp,
                )
            self._log.save(order, instrument, book=book, meta=self._meta)
        return order


def _decline_by_issuer(order: PaymentOrder, reply: RailReply | None) -> AttemptDeclined | None:
    """The decline that is about to be written, if it is an issuer's."""
    if not isinstance(reply, Declined) or reply.by != "issuer":
        return None
    return next((event for event in order.pending_events if isinstance(event, AttemptDeclined)), None)
