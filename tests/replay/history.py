"""Histories for tests of replay: orders, wallets, postings and holds at random, written straight to the log."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta

from domain.payment_order import PaymentOrder
from domain.posting import Line, Posting
from domain.splitting import Split
from domain.wallet import WalletAccount
from eventlog.application import EventLog
from eventlog.connections import connect
from projections.registry import views
from replay.builds import find
from replay.digest import digest
from replay.machine import ViewMachine

AT = datetime(2026, 1, 1, tzinfo=UTC)
MERCHANT = "00000000-0000-4000-8000-0000000000aa"


class History:
    """Writes to a log; the same seed writes the same, whatever else is going on."""

    def __init__(self, log: EventLog, seed: int = 1) -> None:
        self.log = log
        self.dice = random.Random(seed)
        self.wallets: list[WalletAccount] = []
        self._count = 0

    def open_wallets(self, count: int, merchant: str | None = None) -> None:
        for _ in range(count):
            self._count += 1
            address = f"wallet:w{self._count}" if merchant is None else f"merchant:{merchant}:available"
            wallet = WalletAccount.open(
                book=1, address=address, currency="EUR", at=AT, overdraft_limit_minor=None, merchant_id=merchant
            )
            self.log.save(wallet)
            self.wallets.append(wallet)

    def write(self, count: int) -> None:
        """`count` things that happen, each a commit: mostly transfers, some orders, a freeze now and then."""
        for _ in range(count):
            self._count += 1
            what = self.dice.random()
            if what < 0.2:
                self._order()
            elif what < 0.3:
                self._freeze()
            else:
                self._transfer()

    def _at(self) -> datetime:
        return AT + timedelta(minutes=self._count)

    def _transfer(self) -> None:
        source, target = self.dice.sample(self.wallets, 2)
        amount, at = self.dice.randint(1, 5000), self._at()
        effective_at = at - timedelta(days=self.dice.randint(0, 3))
        lines = [Line(w.id, w.address, "EUR", part) for w, part in ((source, amount), (target, -amount))]
        posting = Posting.record(
            book=1, reference=f"r{self._count}", rule="transfer", lines=lines, effective_at=effective_at, at=at
        )
        for place, (wallet, part) in enumerate(((source, amount), (target, -amount))):
            wallet.post(posting_id=posting.id, line=place, amount_minor=part, effective_at=effective_at, at=at)
        self.log.save(posting, source, target)

    def _freeze(self) -> None:
        wallet = self.dice.choice(self.wallets)
        wallet.freeze(reason="test", at=self._at())
        wallet.unfreeze(reason="test", at=self._at())
        self.log.save(wallet)

    def _order(self) -> None:
        due, at = self.dice.randint(100, 9000), self._at()
        order = PaymentOrder.create(
            book=1, order_id=str(uuid.UUID(int=self.dice.getrandbits(128))), amount_minor=due, currency="EUR", at=at,
            splits=[Split(MERCHANT, due)], commission_bps=1000, expires_at=at + timedelta(days=1),
            merchant_id=self.dice.choice([MERCHANT, None]),
        )  # fmt: skip
        if self.dice.random() < 0.8:
            order.start_attempt(rail="simulated", method="card", amount_minor=due, attempt_key=order.order_id, at=at)
            order.capture(
                attempt=1, capture_id=str(uuid.UUID(int=self.dice.getrandbits(128))), amount_minor=due, currency="EUR",
                rail_reference="r", at=at, effective_at=at,
            )  # fmt: skip
        self.log.save(order)


def view_machine(log: EventLog, database_url: str) -> ViewMachine:
    """The machine over all views as they are now."""
    recorder = log.log_recorder
    return ViewMachine(database_url, recorder, recorder.horizon, log.log_mapper.decode, list(views().values()))


def catch_up(log: EventLog, database_url: str) -> None:
    """Brings every followed build to the end of the log."""
    machine = view_machine(log, database_url)
    machine.catch_up()
    machine.close()


def digest_of(database_url: str, view: str, state: str) -> str:
    """The digest of a view's newest build in a state."""
    with connect(database_url) as connection:
        return digest(connection, find(connection, view, state))
