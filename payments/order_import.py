"""Puts many orders through checkout at once, so that the group commit of the log fills.

The commands, events and rules are those of the API. Orders that are in the log already are recognised by one pass over
its creations instead of one failing append each; that makes an import that was cut off resume, and one that is repeated
change nothing, at the speed of reading.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import msgspec

from domain.errors import RuleViolation
from domain.payment_rules import KeyReused
from eventlog.recorded import Meta, Recorded
from payments.checkout import Checkout
from payments.commands import CreateOrder, RegisterMerchant, fingerprint

WRITERS = 32
SLICE = 16
PAGE = 5_000
META = Meta(actor="import")
CREATED = "payment-order.created.v1"


class OrderRefused(Exception):
    """An order of the files broke a rule; those before it are in the books, and importing again resumes."""

    def __init__(self, order_id: str, reason: Exception) -> None:
        super().__init__(f"order {order_id}: {reason}")


class _Reader(Protocol):
    def read(
        self, after: int, limit: int, *, topics: Sequence[str] = (), books: Sequence[int] = ()
    ) -> list[Recorded]: ...


class _Key(msgspec.Struct):
    order_id: str
    fingerprint: str


@dataclass
class ImportTotals:
    """What an import did. `captured_minor` counts the payments of new orders only."""

    created: int = 0
    replayed: int = 0
    payments: int = 0
    captured_minor: int = 0


def _unheard(count: int) -> None:
    """Nobody wants to know."""


def known_orders(reader: _Reader, book: int) -> dict[str, str]:
    """The fingerprint of every order of the book, by its id."""
    decode = msgspec.json.Decoder(_Key).decode
    known: dict[str, str] = {}
    after = 0
    while True:
        rows = reader.read(after, PAGE, topics=[CREATED], books=[book])
        for row in rows:
            key = decode(row.state)
            known[key.order_id] = key.fingerprint
        if len(rows) < PAGE:
            return known
        after = rows[-1].position


def register_sellers(checkout: Checkout, book: int, sellers: Iterable[str], writers: int = WRITERS) -> int:
    """Make every seller known; answers how many were not."""
    commands = [RegisterMerchant(book=book, merchant_id=seller) for seller in sellers]
    with ThreadPoolExecutor(writers, thread_name_prefix="import") as pool:
        placed = list(pool.map(lambda command: checkout.register_merchant(command, META), commands))
    return sum(not one.replayed for one in placed)


def import_orders(
    checkout: Checkout,
    orders: Sequence[CreateOrder],
    known: dict[str, str],
    done: Callable[[int], None] = _unheard,
    writers: int = WRITERS,
) -> ImportTotals:
    """Create every order that is not known. `done` hears how many more are dealt with.

    Raises OrderRefused for the first that breaks a rule (KeyReused: its id stands for something else), LogUnavailable.
    """
    totals, lock = ImportTotals(), threading.Lock()
    failed = threading.Event()

    def work(part: Sequence[CreateOrder]) -> None:
        mine = ImportTotals()
        for command in part:
            if failed.is_set():
                return
            try:
                _place(checkout, command, known, mine)
            except RuleViolation as refused:
                failed.set()
                raise OrderRefused(command.order_id, refused) from refused
            except BaseException:
                failed.set()
                raise
        with lock:
            totals.created += mine.created
            totals.replayed += mine.replayed
            totals.payments += mine.payments
            totals.captured_minor += mine.captured_minor
            done(len(part))

    parts = [orders[start : start + SLICE] for start in range(0, len(orders), SLICE)]
    with ThreadPoolExecutor(writers, thread_name_prefix="import") as pool:
        for future in list(itertools.starmap(pool.submit, ((work, part) for part in parts))):
            future.result()
    return totals


def _place(checkout: Checkout, command: CreateOrder, known: dict[str, str], mine: ImportTotals) -> None:
    before = known.get(command.order_id)
    if before is not None:
        if before != fingerprint(command):
            raise KeyReused("is in the books with another content; it was not changed", "order_id")
        mine.replayed += 1
        return
    if checkout.create_order(command, META).replayed:
        mine.replayed += 1
        return
    mine.created += 1
    mine.payments += len(command.recorded)
    mine.captured_minor += sum(payment.amount_minor for payment in command.recorded)
