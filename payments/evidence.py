"""Reads what rails tell later by themselves, bookings and settlement files, and writes it onto the orders it is about.

It is the last step of every doubt, the only word on a transfer, and how money is noticed that moved against the books.
A page may be read twice, after a crash or when an order could not be found yet: each fact changes an order once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import structlog
from eventsourcing.persistence import IntegrityError, Tracking
from prometheus_client import Counter

from domain.payment_order import PaymentOrder
from domain.ports import Clock
from eventlog.errors import LogUnavailable
from payments import late_facts
from payments.orders import Orders
from payments.process import Checkpoints
from rails.facts import Fact, FactsPage, MoneyBack, MoneyIn, TellsFacts, Unclaimed

PATIENCE_SECONDS: Final = 60.0
"""How long a fact waits for its order to be found: the view that knows the names of attempts may lag behind."""

FACTS = Counter("daybook_rail_facts", "What rails told by themselves, by what became of it", ["rail", "outcome"])

log = structlog.get_logger()


class Named(NamedTuple):
    """An attempt that a rail means by a name."""

    book: int
    stream_id: UUID
    attempt: int


Find = Callable[[str], list[Named]]
"""The attempts that go by a name, at whatever rail."""


class Evidence:
    """One reader for all rails that tell facts. Not thread-safe."""

    def __init__(
        self,
        orders: Orders,
        rails: Mapping[str, TellsFacts],
        find: Find,
        checkpoints: Checkpoints,
        clock: Clock,
        patience_s: float = PATIENCE_SECONDS,
    ) -> None:
        """`checkpoints` keep for each rail which page comes next."""
        self._orders, self._rails, self._find = orders, rails, find
        self._checkpoints, self._clock, self._patience_s = checkpoints, clock, patience_s
        self._complete: dict[str, datetime] = {}
        self._missed: dict[str, float] = {}
        self._nobodys: set[tuple[str, str]] = set()

    @property
    def rails(self) -> tuple[str, ...]:
        """Whose facts are read."""
        return tuple(self._rails)

    def complete(self, rail: str) -> datetime | None:
        """Up to when everything is known that a rail has told by itself; None before it was read to its end."""
        return self._complete.get(rail)

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Reads until `stop` is set, every so many seconds to the end of what there is."""
        while not stop.is_set():
            for rail in self._rails:
                try:
                    while self.read(rail) and not stop.is_set():
                        pass
                except LogUnavailable as unavailable:
                    log.warning("evidence.log_unavailable", rail=rail, reason=str(unavailable))
                except Exception:  # one rail's facts that cannot be taken must not keep those of others away
                    log.exception("evidence.failed", rail=rail)
            stop.wait(interval_s)

    def read(self, rail: str) -> bool | None:
        """One page of one rail; answers whether there may be another, None when it is to be asked for again. Raises
        LogUnavailable."""
        name, began = f"facts/{rail}", self._clock.now()
        after = self._checkpoints.max_tracking_id(name) or 0
        page = self._rails[rail].facts(after)
        if not isinstance(page, FactsPage):
            log.warning("evidence.rail_away", rail=rail, reason=page.reason)
            return None
        taken = [self._take(rail, fact) for fact in page.facts]
        if not all(taken):
            return None
        if page.next_after <= after:
            self._complete[rail] = began
            return False
        with suppress(IntegrityError):  # kept already, by a write whose answer was lost
            self._checkpoints.insert_tracking(Tracking(name, page.next_after))
        self._nobodys = {told for told in self._nobodys if told[0] != rail}
        return True

    def _take(self, rail: str, fact: Fact) -> bool:
        """Answers whether the fact is done with; else it is to be told again."""
        if isinstance(fact, Unclaimed):
            self._unclaimed(rail, fact.booking_key, fact.why)
            return True
        for named in self._find(fact.payment):
            order = self._orders.get(named.stream_id)
            if order.attempt(named.attempt).rail == rail:
                self._missed.pop(fact.booking_key, None)
                self._write(rail, named, order, fact)
                return True
        if (rail, fact.booking_key) in self._nobodys:
            return True
        since = self._missed.setdefault(fact.booking_key, time.monotonic())
        if time.monotonic() - since < self._patience_s:
            return False
        del self._missed[fact.booking_key]
        self._unclaimed(rail, fact.booking_key, "no attempt goes by that name")
        return True

    def _write(self, rail: str, named: Named, order: PaymentOrder, fact: MoneyIn | MoneyBack) -> None:
        before = order.version

        def outcome(fresh: PaymentOrder) -> None:
            now = self._clock.now()
            if isinstance(fact, MoneyBack):
                late_facts.money_back(fresh, named.attempt, fact, now)
            else:
                late_facts.money_in(fresh, named.attempt, fact, now)

        order = self._orders.keep(named.book, order, outcome)
        FACTS.labels(rail, "known" if order.version == before else "new").inc()

    def _unclaimed(self, rail: str, booking_key: str, why: str) -> None:
        """People find it in the rail's own reports, under this key; the log holds nothing of other people's money. Said
        once, however often the page is read until all of it is done with."""
        if (rail, booking_key) in self._nobodys:
            return
        self._nobodys.add((rail, booking_key))
        FACTS.labels(rail, "unclaimed").inc()
        log.warning("evidence.unclaimed", rail=rail, booking_key=booking_key, why=why)
