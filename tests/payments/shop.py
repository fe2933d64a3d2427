"""A shop to test against: the log in memory and a clock that stands still until moved."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from eventlog.application import EventLog
from eventlog.memory import MemoryRecorder
from payments.attempts import Attempts
from payments.checkout import Checkout
from payments.commands import CreateOrder, OpenBook
from payments.offered import Offered
from rails.port import Rail

BOOK = 1
TOKEN = "tok_visa"  # noqa: S105 - names the simulator's card, opens nothing
SELLERS = ("0a2c4e60-0000-4000-8000-000000000001", "0a2c4e60-0000-4000-8000-000000000002")


@dataclass
class StandingClock:
    """Tells one moment until somebody moves it."""

    moment: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def pass_(self, time: timedelta) -> None:
        self.moment += time


@dataclass
class Shop:
    """A book that is open, with everything that takes orders and pays them."""

    recorder: MemoryRecorder
    log: EventLog
    clock: StandingClock
    checkout: Checkout
    attempts: Attempts
    rail: Rail | None
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def body(self, **changes: Any) -> CreateOrder:
        """A valid order of a new id."""
        order_id = str(UUID(int=next(self.numbers)))
        fields: dict[str, Any] = {
            "book": BOOK,
            "order_id": order_id,
            "amount_minor": 10_000,
            "currency": "EUR",
            "merchant_id": SELLERS[0],
        }
        return CreateOrder.model_validate(fields | changes)

    def topics(self) -> list[str]:
        """What was appended, in order, without the kind and version of each topic."""
        return [row.topic.split(".")[1] for row in self.recorder.read(0, 10_000)]


def open_shop(rail: Rail | None) -> Shop:
    recorder, clock = MemoryRecorder(), StandingClock()
    log = EventLog(recorder)
    rails = {} if rail is None else {rail.name: rail}
    checkout = Checkout(log, clock, Offered(rails))
    checkout.open_book(OpenBook(book=BOOK, name="test", commission_bps=1000))
    return Shop(recorder, log, clock, checkout, Attempts(log, rails, clock), rail)
