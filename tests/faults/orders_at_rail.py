"""Orders that a payment process takes to the simulator, and what its books and ours must say of them in the end."""

from __future__ import annotations

import random
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import psycopg

from daybook.beside import beside
from daybook.bootstrap import checkout, open_book, view_machine
from daybook.session import Session
from daybook.settings import Settings
from domain.ids import stream_id
from domain.payment_order import PaymentOrder
from eventlog.application import EventLog
from eventlog.postgres import PostgresRecorder
from payments.commands import CancelOrder, CaptureOrder, CreateOrder
from payments.process import NAME, TOPICS
from rails.simulator import magic
from tests.faults.audit import misposted, read_books
from tests.faults.running_copy import PATIENCE_S, wait_until
from tests.ledger.engines import RunningEngine

BOOK: Final = 1
RAIL: Final = "simulated"
SELLER: Final = "0a2c4e60-0000-4000-8000-000000000001"
HISTORIES: Final = """
select stream_id, string_agg(split_part(topic, '.', 2) || ' ', '' order by version) from log.events
 where topic like 'payment-order.%' group by stream_id
"""
LAST: Final = "select max(position) from log.events where topic = any(%s)"
DOUBT: Final = "(attempt-outcome-unknown (attempt-inquired )*attempt-resolved )?"
BEGUN: Final = f"created (attempt-deferred )?attempt-started {DOUBT}"


class Kind(NamedTuple):
    """What is wanted of an order: how it begins, and how it must end in our books and in the rail's."""

    capture_mode: str
    token: str
    status: str
    rail_state: str
    history: str
    """A pattern: only an answer of the rail decides an attempt, and there is one attempt only."""

    @property
    def end(self) -> str:
        """The event after which nothing is left to do."""
        return re.findall("[a-z-]+ ", self.history)[-1]


KINDS: Final = {
    "automatic": Kind("automatic", "tok_visa", "captured", "captured", f"{BEGUN}captured "),
    "captured": Kind(
        "manual", "tok_visa", "captured", "captured", f"{BEGUN}authorized capture-requested {DOUBT}captured "
    ),
    "voided": Kind("manual", "tok_visa", "cancelled", "voided", f"{BEGUN}authorized void-requested {DOUBT}voided "),
    "declined": Kind("automatic", "tok_issuer_unavailable", "declined", "declined", f"{BEGUN}attempt-declined "),
    "refused": Kind("manual", "tok_stolen_card", "failed", "declined", f"{BEGUN}attempt-declined "),
}
EACH: Final = {"automatic": 4, "captured": 4, "voided": 4, "declined": 1, "refused": 1}
OUTCOMES: Final = ("authorized", "captured", "attempt-declined")
DOUBTFUL: Final = (
    magic.NO_REPLY_AFTER_EFFECT,
    magic.SERVER_ERROR_AFTER_EFFECT,
    magic.BROKEN_REPLY_AFTER_EFFECT,
)
"""Amounts at which the rail does what it is asked and says nothing that can be read. No more of them than these: a
rail that fails five times in a row is held to be down."""


class Wish(NamedTuple):
    """One order. `take_minor` is what is captured where a hold comes first: less than half, so that twice would fit."""

    order_id: str
    kind: str
    amount_minor: int
    currency: str
    take_minor: int

    @property
    def captured_minor(self) -> int:
        """What of it must have been taken in the end."""
        return {"automatic": self.amount_minor, "captured": self.take_minor}.get(self.kind, 0)


def wishes(seed: object, doubtful: str | None) -> list[Wish]:
    """Orders of every kind in a random order; with some at which the rail is in doubt about the operation
    `doubtful`."""
    rng = random.Random(f"{seed}/orders")
    made = []

    def wish(kind: str, amount: int, take: int) -> None:
        order_id = str(uuid.UUID(int=rng.getrandbits(128)))
        made.append(Wish(order_id, kind, amount, rng.choice(("EUR", "USD")), take))

    for kind, count in EACH.items():
        for _ in range(count):
            amount = rng.randint(10, 60_000)
            wish(kind, amount, rng.randint(1, amount // 2 - 1))
    for amount in DOUBTFUL:
        if doubtful == "authorise":
            wish("automatic", amount, 0)
        elif doubtful == "capture":
            wish("captured", 3 * amount, amount)
    rng.shuffle(made)
    return made


def is_attempted(history: str) -> bool:
    """Whether the order's attempt is decided in our books."""
    return any(f"{outcome} " in history for outcome in OUTCOMES)


class Orders:
    """The orders of one book and what can be asked about them; close it at the end."""

    def __init__(self, settings: Settings, simulator_database: Path) -> None:
        assert settings.database_url is not None
        self.settings = settings
        self._simulator_database = simulator_database
        self._recorder = PostgresRecorder(settings.database_url)
        self.log = EventLog(self._recorder)
        open_book(self.log, settings)
        self._checkout = checkout(self.log, rails=frozenset({RAIL}))
        self._rail = httpx.Client(base_url=settings.simulator_url, trust_env=False)
        self._connection = psycopg.connect(settings.database_url, autocommit=True)
        self._wishes: dict[uuid.UUID, Wish] = {}
        assert self._rail.post("/reset").status_code == 200

    def close(self) -> None:
        """Leave nothing open."""
        self._connection.close()
        self._rail.close()
        self.log.close()

    def place(self, wanted: list[Wish]) -> None:
        """Create them."""
        for wish in wanted:
            kind = KINDS[wish.kind]
            command = CreateOrder(
                book=BOOK,
                order_id=wish.order_id,
                amount_minor=wish.amount_minor,
                currency=wish.currency,
                merchant_id=SELLER,
                capture_mode=kind.capture_mode,
                rail=RAIL,
                payment_token=f"{kind.token}.{wish.order_id}",  # a card of its own
            )
            self._checkout.create_order(command)
            self._wishes[stream_id(BOOK, PaymentOrder.TOPIC, wish.order_id)] = wish

    def ask_for_the_rest(self) -> None:
        """Ask for the capture or the void of every hold that is to have one."""
        histories = self.histories()
        for stream, wish in self._wishes.items():
            if not histories[stream].endswith("authorized "):
                continue
            if wish.kind == "captured":
                key, amount = wish.order_id, wish.take_minor
                command = CaptureOrder(book=BOOK, order_id=wish.order_id, capture_id=key, amount_minor=amount)
                self._checkout.request_capture(command)
            else:
                self._checkout.request_cancel(CancelOrder(book=BOOK, order_id=wish.order_id))

    def wait_for_attempts(self) -> None:
        """Until every attempt is decided."""
        wait_until(lambda: all(map(is_attempted, self.histories().values())), "every attempt is decided")

    def wait_for_the_end(self) -> None:
        """Until every order has what was asked for."""
        wait_until(self._are_done, "every order has what was asked for")

    def _are_done(self) -> bool:
        histories = self.histories()
        return all(histories[stream].endswith(KINDS[wish.kind].end) for stream, wish in self._wishes.items())

    def wait_until_looked_at(self) -> None:
        """Until the process has looked at everything that names an order, also at what needed nothing any more."""
        row = self._connection.execute(LAST, [list(TOPICS)]).fetchone()
        assert row is not None
        wait_until(lambda: (self._recorder.max_tracking_id(NAME) or 0) >= row[0], "everything is looked at")

    def order(self, wish: Wish) -> PaymentOrder:
        """The order as its stream tells it."""
        return self._checkout.order(BOOK, wish.order_id)

    def order_id(self, stream: uuid.UUID) -> str:
        """The id of one of them."""
        return self._wishes[stream].order_id

    def histories(self) -> dict[uuid.UUID, str]:
        """By stream, the events of each order in a row."""
        return dict(self._connection.execute(HISTORIES).fetchall())

    def rows(self, order_id: str) -> list[dict[str, Any]]:
        """The rail's own books about an order: a row for each time its payer was charged."""
        rows: list[dict[str, Any]] = self._rail.get("/v1/payments", params={"order_id": order_id}).json()["payments"]
        return rows

    def findings(self, directory: Path) -> list[str]:
        """What does not fit, one sentence each."""
        histories = self.histories()
        found = [sentence for stream, wish in self._wishes.items() for sentence in self._wrong(histories[stream], wish)]
        return [*found, *self._totals(), *self._postings(directory)]

    def _wrong(self, history: str, wish: Wish) -> Iterator[str]:
        kind, order, rows = KINDS[wish.kind], self.order(wish), self.rows(wish.order_id)
        what = f"{wish.kind} order {wish.order_id} over {wish.amount_minor}"
        if not re.fullmatch(kind.history, history):
            yield f"{what} went another way: {history}"
        if len(rows) != 1:
            yield f"{what} has {len(rows)} payments at the rail"
        for row in rows:
            attempt = order.attempts[0]
            ours = (order.status, order.captured_minor, order.held_minor, order.cost_minor, attempt.attempt_key)
            wanted = (kind.status, wish.captured_minor, 0, row["fee_minor"], row["key"])
            if ours != wanted:
                yield f"{what} is {ours} in our books instead of {wanted}"
            rails = (row["state"], row["captured_minor"], row["held_minor"], row["currency"], row["requested_minor"])
            if rails != (kind.rail_state, wish.captured_minor, 0, wish.currency, wish.amount_minor):
                yield f"{what} is {rails} in the rail's books"
            if kind.rail_state != "declined" and attempt.rail_reference != row["id"]:
                yield f"{what} is {attempt.rail_reference} to us and {row['id']} to the rail"

    def _totals(self) -> Iterator[str]:
        ours: Counter[tuple[str, str]] = Counter()
        for wish in self._wishes.values():
            order = self.order(wish)
            ours[wish.currency, "captured_minor"] += order.captured_minor
            ours[wish.currency, "cost_minor"] += order.cost_minor
            ours[wish.currency, "held_minor"] += order.held_minor
        totals = self._rail.get("/v1/totals").json()["currencies"]
        for (currency, name), amount in ours.items():
            if totals.get(currency, {}).get(name, 0) != amount:
                yield f"{name} of {currency} is {amount} to us and {totals.get(currency)} to the rail"

    def _postings(self, directory: Path) -> list[str]:
        """Have the posting engine post what happened, and look whether it is posted once."""
        with RunningEngine(self._recorder.database_url, directory / "engine.sock"):
            books = Session(self.settings, self._recorder, self.log, self._checkout)
            assert books.wait_for_books(PATIENCE_S)
        return misposted(read_books(self._recorder.database_url, self._simulator_database))


@contextmanager
def timers_filled(log: EventLog) -> Iterator[None]:
    """The view of what is due follows the log during the block: a doubt is asked about again by its timer."""
    with beside(view_machine(log, ["due"]).run, "due"):
        yield
