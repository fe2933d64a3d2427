"""Compares what customers were told with the log, the views and the rail's own books.

It shares no code with the program: rows are read as JSON and summed here, so that no wrong fold agrees with itself.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from tests.faults.traffic import Acknowledged

EVENTS = """
select stream_id, version, topic, convert_from(state, 'utf8')::jsonb from log.events where topic = any(%s)
 order by position
"""
BALANCES = "select wallet_id, posted_minor, held_minor, version from views.balances"
TRIAL_BALANCE = "select currency, address, debit_minor, credit_minor from views.trial_balance"
ORDERS = "select order_id, status, captured_minor from views.payment_orders"
TAKEN = "select order_id, captured_minor from authorisations where captured_minor > 0"


class Taken(NamedTuple):
    """Money of an order, in minor units, and the reference that its posting must have."""

    order_id: str
    amount_minor: int
    reference: str


class Line(NamedTuple):
    """One wallet's part of a posting; + is a debit."""

    wallet_id: str
    address: str
    currency: str
    amount_minor: int


class Entry(NamedTuple):
    """One event of a wallet's stream."""

    wallet_id: str
    version: int
    posting_id: str
    amount_minor: int
    posted_after: int
    held_after: int


@dataclass(frozen=True)
class Books:
    """Everything that must fit together once all is quiet; lists, because what is there twice must be seen twice."""

    created: list[tuple[str, int]]
    taken: list[Taken]
    taken_by_rail: list[tuple[str, int]]
    postings: list[tuple[str, str, tuple[Line, ...]]]
    """(posting id, reference, lines)"""
    entries: list[Entry]
    balances: dict[str, tuple[int, int, int]]
    """wallet id: (posted, held, version)"""
    trial_balance: dict[tuple[str, str], tuple[int, int]]
    """(currency, address): (debit, credit)"""
    orders_view: dict[str, tuple[str, int]]
    """order id: (status, captured)"""


def read_books(database_url: str, simulator_database: Path) -> Books:
    """Read the log, the views and the rail's file."""
    with psycopg.connect(database_url) as connection:

        def events(*topics: str) -> list[tuple[str, int, dict[str, Any]]]:
            rows = connection.execute(EVENTS, [list(topics)]).fetchall()
            return [(str(stream), version, state) for stream, version, _, state in rows]

        created = {stream: state for stream, _, state in events("payment-order.created.v1")}
        return Books(
            created=[(s["order_id"], s["amount_minor"]) for _, _, s in events("payment-order.created.v1")],
            taken=[
                Taken(created[stream]["order_id"], state["amount_minor"], f"payment-order/{stream}/{version}")
                for stream, version, state in events("payment-order.captured.v1")
            ],
            taken_by_rail=_taken_by_rail(simulator_database),
            postings=[
                (stream, state["reference"], tuple(Line(*map(line.get, Line._fields)) for line in state["lines"]))
                for stream, _, state in events("posting.recorded.v1")
            ],
            entries=[
                Entry(stream, version, *map(state.get, Entry._fields[2:]))
                for stream, version, state in events("wallet.opened.v1", "wallet.posted.v1")
                if "posting_id" in state
            ],
            balances={str(wallet): tuple(row) for wallet, *row in connection.execute(BALANCES)},  # type: ignore[misc]
            trial_balance={(row[0], row[1]): (row[2], row[3]) for row in connection.execute(TRIAL_BALANCE)},
            orders_view={str(row[0]): (row[1], row[2]) for row in connection.execute(ORDERS)},
        )


def _taken_by_rail(path: Path) -> list[tuple[str, int]]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(TAKEN).fetchall()
    finally:
        connection.close()


def findings(acknowledged: Acknowledged, books: Books) -> list[str]:
    """What does not fit, one sentence each; nothing when nothing is lost or doubled and the books balance."""
    return [
        *_orders(acknowledged, books),
        *_transfers(acknowledged, books),
        *misposted(books),
        *_wallets(books),
        *_trial_balance(books),
    ]


def misposted(books: Books) -> list[str]:
    """What of the money that the rail took is not posted once, and only that: the part that needs no views."""
    return [*_rail(books), *_captures(books), *_postings(books)]


def _orders(acknowledged: Acknowledged, books: Books) -> Iterator[str]:
    created = dict(books.created)
    captures = Counter(one.order_id for one in books.taken)
    taken = {one.order_id: one.amount_minor for one in books.taken}
    for order, times in Counter(order for order, _ in books.created).items():
        if times > 1:
            yield f"order {order} was created {times} times"
        if captures[order] != 1 or taken[order] != created[order]:
            yield f"order {order} over {created[order]} was captured {captures[order]} times, {taken.get(order)}"
        if books.orders_view.get(order) != ("captured", created[order]):
            yield f"order {order} is {books.orders_view.get(order)} in its view"
    for order, amount in acknowledged.orders.items():
        if created.get(order) != amount:
            yield f"acknowledged order {order} over {amount} is in the log over {created.get(order)}"
    for order in acknowledged.captured:
        if order not in taken:
            yield f"order {order} was told to be captured and is not"


def _rail(books: Books) -> Iterator[str]:
    ours = Counter((one.order_id, one.amount_minor) for one in books.taken)
    rails = Counter(books.taken_by_rail)
    for (order, amount), times in (rails - ours).items():
        yield f"the rail took {amount} for order {order} {times} times more than we know"
    for (order, amount), times in (ours - rails).items():
        yield f"we think that {amount} was taken for order {order} {times} times more than the rail did"


def _transfers(acknowledged: Acknowledged, books: Books) -> Iterator[str]:
    posted = defaultdict(list)
    for _, reference, lines in books.postings:
        posted[reference].append(max((line.amount_minor for line in lines), default=0))
    for key, amount in acknowledged.transfers.items():
        if posted[f"transfer/{key}"] != [amount]:
            yield f"acknowledged transfer {key} of {amount} was posted as {posted[f'transfer/{key}']}"


def _captures(books: Books) -> Iterator[str]:
    posted = Counter(reference for _, reference, _ in books.postings)
    for one in books.taken:
        if posted[one.reference] != 1:
            yield f"the capture of order {one.order_id} was posted {posted[one.reference]} times"


def _postings(books: Books) -> Iterator[str]:
    """Each is there once and balances, and its lines are exactly the events of its wallets."""
    for reference, times in Counter(reference for _, reference, _ in books.postings).items():
        if times > 1:
            yield f"{reference} was posted {times} times"
    wanted: Counter[tuple[str, str, int]] = Counter()
    for posting, reference, lines in books.postings:
        sums: Counter[str] = Counter()
        for line in lines:
            sums[line.currency] += line.amount_minor
            wanted[posting, line.wallet_id, line.amount_minor] += 1
        if any(sums.values()):
            yield f"posting {reference} does not balance: {dict(sums)}"
    found = Counter((entry.posting_id, entry.wallet_id, entry.amount_minor) for entry in books.entries)
    for what, difference in (("lacks", wanted - found), ("has too many of", found - wanted)):
        for (posting, wallet, amount), times in difference.items():
            yield f"wallet {wallet} {what} the line {amount} of posting {posting} ({times})"


def _wallets(books: Books) -> Iterator[str]:
    """Each stream adds up, and `balances` shows what it adds up to."""
    folded: dict[str, tuple[int, int, int]] = {}
    for entry in books.entries:
        posted, _, version = folded.get(entry.wallet_id, (0, 0, 1))
        if entry.version != version + 1 or entry.posted_after != posted + entry.amount_minor:
            yield f"wallet {entry.wallet_id} does not add up at version {entry.version}"
        folded[entry.wallet_id] = (posted + entry.amount_minor, entry.held_after, entry.version)
    for wallet in folded.keys() | books.balances.keys():
        sums, shown = folded.get(wallet, (0, 0, 1)), books.balances.get(wallet)
        if sums != shown:
            yield f"wallet {wallet} is {shown} in balances and {sums} by its stream"


def _trial_balance(books: Books) -> Iterator[str]:
    folded: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for _, _, lines in books.postings:
        for line in lines:
            debit, credit = folded[line.currency, line.address]
            amount = line.amount_minor
            folded[line.currency, line.address] = (debit + max(amount, 0), credit + max(-amount, 0))
    for account in folded.keys() | books.trial_balance.keys():
        if folded[account] != books.trial_balance.get(account):
            shown = books.trial_balance.get(account)
            yield f"account {account} is {shown} in trial_balance and {folded[account]} by the postings"
    sums: Counter[str] = Counter()
    for (currency, _), (debit, credit) in books.trial_balance.items():
        sums[currency] += debit - credit
    for currency, amount in sums.items():
        if amount:
            yield f"the trial balance is {amount} {currency} off"
