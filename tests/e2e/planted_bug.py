"""What the view `earnings` must show under its wrong fee rule and under the right one, and readers who hold it to that.

Nothing here is computed by a view: fees come from the files of orders, and for payments made meanwhile from the amounts
in their events.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import psycopg

from tests.e2e.test_import import payments_by_seller

PATIENCE_S = 60.0
THINK_S = 0.05
ROWS = "select seller_id, currency, gross_minor, commission_minor, net_minor, captures from views.earnings"
POSITIONS = "select distinct position from views.builds where view = 'earnings' and state <> 'filling'"
PAID = """
select share ->> 'seller_id', body ->> 'currency', (share ->> 'gross_minor')::bigint
  from log.events, lateral (select convert_from(state, 'utf8')::jsonb) decoded (body),
       lateral jsonb_array_elements(body -> 'shares') share
 where topic = 'payment-order.captured.v1' and position > %s and position <= %s
"""

CAPTURES = """
select share ->> 'seller_id', body ->> 'currency', (share ->> 'gross_minor')::bigint, position, recorded_at
  from log.events, lateral (select convert_from(state, 'utf8')::jsonb) decoded (body),
       lateral jsonb_array_elements(body -> 'shares') share
 where topic = 'payment-order.captured.v1' and position <= %s order by position
"""

Place = tuple[str, str]
"""A seller and a currency."""
Shares = Iterable[tuple[str, str, int]]
"""Seller, currency and what the seller had of a payment, in minor units."""
Earned = dict[Place, tuple[int, int, int, int]]
"""Gross, commission, net and the number of captures."""
Misjudged = dict[Place, list[tuple[int, datetime]]]
"""Position and time of the captures for which the two rules take different fees."""


def wrong_fee(gross_minor: int) -> int:
    """Ten percent, rounded up."""
    return -(-gross_minor // 10)


def right_fee(gross_minor: int) -> int:
    """Ten percent, as Python rounds a fraction: half to even."""
    return round(Fraction(gross_minor, 10))


def earned(shares: Shares, fee: Callable[[int], int], before: Earned | None = None) -> Earned:
    """What sellers have earned by these shares, on top of what they had `before`."""
    found = dict(before or {})
    for seller, currency, gross in shares:
        old = found.get((seller, currency), (0, 0, 0, 0))
        one = (gross, fee(gross), gross - fee(gross), 1)
        found[seller, currency] = (old[0] + one[0], old[1] + one[1], old[2] + one[2], old[3] + one[3])
    return found


def shares_of_files(items: Path, payments: Path) -> list[tuple[str, str, int]]:
    """Whoever has nothing of a payment takes no part in it."""
    return [
        (seller, currency, gross)
        for _, currency, _, shares in payments_by_seller(items, payments)
        for seller, gross in shares.items()
        if gross
    ]


def misjudged_until(connection: psycopg.Connection[Any], position: int) -> Misjudged:
    """By amounts alone, up to a position."""
    found: Misjudged = defaultdict(list)
    for seller, currency, gross, at, recorded_at in connection.execute(CAPTURES, [position]):
        if wrong_fee(gross) != right_fee(gross):
            found[seller, currency].append((at, recorded_at))
    return dict(found)


class Expected:
    """Both rules over the imported orders, and from there on over whatever was paid until a position."""

    def __init__(self, imported: list[tuple[str, str, int]], imported_until: int) -> None:
        self._until = imported_until
        self._wrong, self._right = earned(imported, wrong_fee), earned(imported, right_fee)

    def at(self, connection: psycopg.Connection[Any], position: int) -> tuple[Earned, Earned]:
        """What the wrong rule and the right one come to at a position."""
        paid = connection.execute(PAID, [self._until, position]).fetchall()
        return earned(paid, wrong_fee, self._wrong), earned(paid, right_fee, self._right)


def shown(connection: psycopg.Connection[Any]) -> Earned:
    """What a reader of the view sees."""
    return {(seller, currency): tuple(sums) for seller, currency, *sums in connection.execute(ROWS, prepare=True)}


class Readers:
    """People who read the view over and over, each in transactions that read it twice.

    `seen` has for each what it saw in turn: `wrong`, `right`, or what else it met, which is told and must not be.
    """

    def __init__(self, database_url: str, expected: Expected, count: int) -> None:
        self._url, self._expected = database_url, expected
        self._stop, self._told = threading.Event(), threading.Condition()
        self.seen: list[list[str]] = [[] for _ in range(count)]
        self.reads = [0] * count
        self._threads = [threading.Thread(target=self._read, args=(number,)) for number in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_until_all_see(self, rule: str) -> None:
        """Until each reader has read anew and that is what it saw."""
        with self._told:
            before = list(self.reads)
            assert self._told.wait_for(lambda: self._all_saw(rule, before), PATIENCE_S), self.seen

    def _all_saw(self, rule: str, before: list[int]) -> bool:
        anew = all(now > then for now, then in zip(self.reads, before, strict=True))
        return anew and all(turns[-1:] == [rule] for turns in self.seen)

    def _read(self, number: int) -> None:
        with psycopg.connect(self._url) as connection:
            while not self._stop.wait(THINK_S):  # or they would have the machine to themselves
                try:
                    what = self._rule_seen(connection)
                except Exception as problem:  # noqa: BLE001 - whatever a reader meets is what the test is about
                    what = repr(problem)
                with self._told:
                    self.reads[number] += 1
                    if self.seen[number][-1:] != [what]:
                        self.seen[number].append(what)
                    self._told.notify_all()

    def _rule_seen(self, connection: psycopg.Connection[Any]) -> str:
        """By which rule all rows of the view are, in one transaction; every read of it must say the same."""
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            first, second = shown(connection), shown(connection)
            positions = [position for (position,) in connection.execute(POSITIONS)]
            wrong, right = self._expected.at(connection, max(positions))
        if first != second:
            return "two reads of one transaction differ"
        rules = [name for name, rows in (("wrong", wrong), ("right", right)) if rows == first]
        return rules[0] if len(rules) == 1 else f"a mix, with builds at {positions}"
