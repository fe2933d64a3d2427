"""Cards that must not be tried now, and what each has been declined for (`domain.instrument`): read before a call,
written with its order.

A card that was never declined has no stream, and that is remembered here, so that a payment that goes well costs no
read more. What is remembered is never more than "may": whoever remembers too long makes one call too many, and its
decline is written after the stream was read, so that it is known from then on.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError

from domain.instrument import Bar, Instrument, instrument_id
from domain.payment_facts import CARD
from domain.payment_order import PaymentOrder
from eventlog.application import EventLog

KNOWN: Final = 50_000
"""Cards of which it is remembered that they have no decline; some 6 MB. A card that is forgotten is looked up again."""
LOCKS: Final = 64
BUSY: Final = Bar("", "soft", "as many payments with the same card are under way as it may still be declined for", None)
"""The card may be tried or not, as what is under way ends."""


class Instruments:
    """Thread-safe. One for all threads of a process that write declines, so that they do not race each other."""

    def __init__(self, events: EventLog) -> None:
        self._log = events
        self._lock = threading.Lock()
        self._clean: dict[UUID, None] = {}
        self._under_way: Counter[UUID] = Counter()
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    @contextmanager
    def trying(self, book: int, order: PaymentOrder, now: datetime) -> Iterator[Bar | None]:
        """What keeps the order's instrument from being tried now, None when nothing does: then it is counted as under
        way until the end of the block, by which the outcome must have been written down."""
        card = _card(book, order)
        if card is None:
            yield None
            return
        bar = self._admitted(card, now)
        if bar is not None:
            yield bar
            return
        try:
            yield None
        finally:
            with self._lock:
                self._under_way[card] -= 1
                if not self._under_way[card]:
                    del self._under_way[card]

    def barred(self, book: int, order: PaymentOrder, now: datetime) -> bool:
        """Whether the log keeps the order's instrument from being tried now."""
        card = _card(book, order)
        if card is None or card in self._clean:
            return False
        found = self._read(card)
        return found is not None and found.barred(now) is not None

    @contextmanager
    def declined(self, book: int, order: PaymentOrder, at: datetime) -> Iterator[Instrument | None]:
        """The order's instrument, to be saved with its decline within the block; None for what is no card."""
        card = _card(book, order)
        if card is None:
            yield None
            return
        with self._locked(card):
            with self._lock:
                self._clean.pop(card, None)
            yield self._read(card) or Instrument.register(book=book, payment_token=order.payment_token or "", at=at)

    def _admitted(self, card: UUID, now: datetime) -> Bar | None:
        with self._lock:
            if card in self._clean:
                self._under_way[card] += 1
                return None
        with self._locked(card):  # a decline is written under it: either it is read here, or it is still under way
            found = self._read(card)
            with self._lock:
                bar = None if found is None else _bar(found, now, self._under_way[card])
                if bar is None:
                    self._under_way[card] += 1
                if found is None:
                    self._remember(card)
            return bar

    def _remember(self, card: UUID) -> None:
        self._clean[card] = None
        if len(self._clean) > KNOWN:
            del self._clean[next(iter(self._clean))]

    def _read(self, card: UUID) -> Instrument | None:
        try:
            found: Instrument = self._log.repository.get(card)
        except AggregateNotFoundError:
            return None
        return found

    def _locked(self, card: UUID) -> threading.Lock:
        return self._locks[card.int % LOCKS]


def _card(book: int, order: PaymentOrder) -> UUID | None:
    """The stream of what an order is paid with. Schemes count cards alone."""
    if order.method != CARD or order.payment_token is None:
        return None
    return instrument_id(book, order.payment_token)


def _bar(instrument: Instrument, now: datetime, under_way: int) -> Bar | None:
    known = instrument.barred(now)
    return known or (BUSY if instrument.barred(now, under_way) else None)
