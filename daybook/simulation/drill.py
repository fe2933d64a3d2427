"""Runs a simulation: time goes in steps, and between two steps everybody does all that there is to do.

That nothing is under way while time passes is what makes a seed decide everything: which fault meets which call depends
on the call alone, and what an order asks for only on what has happened to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import psycopg

from daybook.beside import beside
from daybook.bootstrap import Paying
from daybook.simulation.bank_and_provider import OtherSide
from daybook.simulation.people import STATUSES, People
from daybook.simulation.sales import Sale
from daybook.views import Whole, lowest_position
from payments.checkout import Checkout
from projections.queries import Queries

START: Final = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
"""A Monday morning."""
SELLING: Final = timedelta(hours=18)
SALES_AT_ONCE: Final = 500
LEAST_STEPS: Final = 6
AFTERWARDS: Final = (*(timedelta(hours=1),) * 8, *(timedelta(days=1),) * 22)
"""Doubts are asked about for six hours and then by the day; a transfer has fourteen days, a debit is back in nine."""
READS: Final = 6
LAST_READS: Final = 200
LONGER: Final = 30
"""Further days for what is still open then."""
ROUNDS: Final = 50
CREATORS: Final = 16
LOOK_S: Final = 0.02
STUCK_S: Final = 300.0
LAST: Final = "select coalesce(max(position), 0) from log.events"


class SimulationStuck(RuntimeError):
    """Something has not come to an end in five minutes; the processes' own logs say why."""


class DrivenClock:
    """Stands until it is moved."""

    def __init__(self, moment: datetime = START) -> None:
        self._moment = moment

    def now(self) -> datetime:
        """The moment it stands at."""
        return self._moment

    def pass_(self, time: timedelta) -> None:
        """Moves it on."""
        self._moment += time


class Seen(NamedTuple):
    """Where a simulation has come to, for whoever watches."""

    orders: int
    now: datetime
    waiting: int


class Drill:
    """One simulation over a copy that runs. `watch` is told after every step."""

    def __init__(
        self,
        paying: Paying,
        checkout: Checkout,
        queries: Queries,
        connection: psycopg.Connection[tuple[int]],
        other_side: OtherSide,
        clock: DrivenClock,
        book: int,
        watch: Callable[[Seen], None] = lambda _: None,
    ) -> None:
        self._paying, self._checkout, self._queries = paying, checkout, queries
        self._connection, self._other_side, self._clock, self._watch = connection, other_side, clock, watch
        self.people = People(checkout, other_side)
        self._book = Whole(book)
        self._placed = 0

    def run(self, sales: Sequence[Sale]) -> None:
        """From the first order until nothing is left to happen. Raises SimulationStuck."""
        with beside(self._paying.process.run, "payments"):
            portions = max(LEAST_STEPS, -(-len(sales) // SALES_AT_ONCE))
            for number in range(portions):
                self._step(sales[number::portions], SELLING / portions)
            for passing in AFTERWARDS:
                self._step((), passing)
            for _ in range(LONGER):
                if not self._open():
                    break
                self._step((), timedelta(days=1))
            self._read(LAST_READS)

    def _step(self, sales: Sequence[Sale], passing: timedelta) -> None:
        with ThreadPoolExecutor(CREATORS) as creators:
            list(creators.map(lambda sale: self._checkout.create_order(sale.command), sales))
        for sale in sales:
            self.people.expect(sale)
        self._placed += len(sales)
        self._quiet()
        for _ in range(ROUNDS):
            before = self._written()
            self.people.act([order_id for status in STATUSES for order_id in self._with(status)])
            self._quiet()
            self._poll()
            self._quiet()
            if self._written() == before:
                break
        self._read(READS)
        self._watch(Seen(self._placed, self._clock.now(), self._open()))
        self._clock.pass_(passing)
        self._other_side.pass_(passing)

    def _poll(self) -> None:
        """Every timer that has run out, however many there are."""
        self._paying.timers.poll()
        while not self._paying.timers.whole:
            self._paying.timers.poll()

    def _read(self, times: int) -> None:
        """What rails tell by themselves, to its end or for as many tries: most of them fail."""
        for rail in self._paying.evidence.rails:
            for _ in range(times):
                if self._paying.evidence.read(rail) is False:
                    break
        self._quiet()

    def _quiet(self) -> None:
        """Waits until the payment process has nothing to do any more and the views show it."""
        process, deadline = self._paying.process, time.monotonic() + STUCK_S
        while time.monotonic() < deadline:
            written = self._written()
            done = process.checkpoint >= written and process.idle and self._written() == written
            if done and lowest_position(self._connection) >= written:
                return
            time.sleep(LOOK_S)
        raise SimulationStuck(f"not done in {STUCK_S:g} s: checkpoint {process.checkpoint}, log {self._written()}")

    def _written(self) -> int:
        """The last position there is, whether or not readers may see it yet."""
        row = self._connection.execute(LAST).fetchone()
        return row[0] if row else 0

    def _open(self) -> int:
        return sum(
            1 for status in ("submitting", "requires_action", "processing", "unknown") for _ in self._with(status)
        )

    def _with(self, status: str) -> Iterator[str]:
        cursor = None
        while True:
            page = self._queries.payment_orders(self._book, cursor=cursor, limit=500, status=status)
            yield from (row["order_id"] for row in page.items)
            cursor = page.next_cursor
            if cursor is None:
                return
