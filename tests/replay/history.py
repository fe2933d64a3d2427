"""Histories for tests of replay: orders, wallets, postings and holds at random, written straight to the log."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, date, datetime, timedelta

import msgspec

from domain.adjustment import Adjustment, AdjustmentLine
from domain.lines import reserved_minor
from domain.monitor import Monitor
from domain.payment_order import PaymentOrder
from domain.period import Period
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
        self._monitors: list[Monitor] = []
        self._period: Period | None = None
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

    def write_each(self, times: int = 1) -> None:
        """One of each thing that can happen, so that something changes in every view."""
        happenings = (
            self._order, self._freeze, self._hold, self._monitor, self._adjustment, self._close, self._transfer,
        )  # fmt: skip
        for _ in range(times):
            for happening in happenings:
                self._count += 1
                happening()

    def _at(self) -> datetime:
        return AT + timedelta(minutes=self._count)

    def _transfer(self) -> None:
        source, target, lines = self._two_lines()
        at = self._at()
        effective_at = at - timedelta(days=self.dice.randint(0, 3))
        posting = Posting.record(
            book=1, reference=f"r{self._count}", rule="transfer", lines=lines, effective_at=effective_at, at=at
        )
        self._post(posting, lines, (source, target), effective_at)
        self.log.save(posting, source, target)

    def _two_lines(self) -> tuple[WalletAccount, WalletAccount, list[Line]]:
        source, target = self.dice.sample(self.wallets, 2)
        amount = self.dice.randint(1, 5000)
        lines = [Line(w.id, w.address, "EUR", part) for w, part in ((source, amount), (target, -amount))]
        return source, target, lines

    def _post(
        self, posting: Posting, lines: list[Line], wallets: tuple[WalletAccount, ...], effective_at: datetime
    ) -> None:
        for place, (wallet, line) in enumerate(zip(wallets, lines, strict=True)):
            wallet.post(
                posting_id=posting.id, line=place, amount_minor=line.amount_minor, effective_at=effective_at,
                at=self._at(),
            )  # fmt: skip

    def _hold(self) -> None:
        """Placed in one commit; in another one it is committed, in part or whole, or voided, or stays as it is."""
        source, target, lines = self._two_lines()
        wallets, at = (source, target), self._at()
        hold = Posting.place_hold(
            book=1, reference=f"h{self._count}", rule="hold", lines=lines, effective_at=at, at=at,
            expires_at=self.dice.choice([None, at + timedelta(days=2)]),
        )  # fmt: skip
        self._reserve(hold, lines, wallets, 1)
        self.log.save(hold, *wallets)
        end = self.dice.random()
        if end < 0.4:
            self._reserve(hold, hold.void_hold(at=at), wallets, -1)
            self.log.save(hold, *wallets)
        elif end < 0.8:
            part = self.dice.randint(1, lines[0].amount_minor)
            moved = Posting.record(
                book=1, reference=f"c{self._count}", rule="commit", effective_at=at, at=at,
                lines=[
                    msgspec.structs.replace(line, amount_minor=part)
                    for line, part in zip(lines, (part, -part), strict=True)
                ],
            )  # fmt: skip
            taken = hold.commit_hold(posting_id=moved.id, amount_minor=part, final=False, at=at)
            self._reserve(hold, taken, wallets, -1)
            self._post(moved, moved.lines, wallets, at)
            self.log.save(hold, moved, *wallets)

    def _reserve(self, hold: Posting, lines: list[Line], wallets: tuple[WalletAccount, ...], sign: int) -> None:
        for place, (wallet, line) in enumerate(zip(wallets, lines, strict=True)):
            if held := sign * reserved_minor(line, wallet.head.account_kind):
                wallet.hold(posting_id=hold.id, line=place, held_minor=held, at=self._at())

    def _monitor(self) -> None:
        """A new one, or an older one tells or goes."""
        if not self._monitors or self.dice.random() < 0.5:
            monitor = Monitor.create(
                book=1, key=f"m{self._count}", wallet_id=self.dice.choice(self.wallets).id, measure="posted",
                threshold_minor=self.dice.randint(-5000, 5000), at=self._at(),
            )  # fmt: skip
            self._monitors.append(monitor)
        else:
            monitor = self.dice.choice(self._monitors)
            if not monitor.cross(balance_minor=self.dice.randint(-9000, 9000), wallet_version=1, at=self._at()):
                monitor.remove(at=self._at())
                self._monitors.remove(monitor)
        self.log.save(monitor)

    def _adjustment(self) -> None:
        amount = self.dice.randint(1, 900)
        adjustment = Adjustment.propose(
            book=1, adjustment_id=str(uuid.UUID(int=self.dice.getrandbits(128))), reason="audit", by="ann",
            lines=[AdjustmentLine("exp:writeoff", "EUR", amount), AdjustmentLine("suspense:psp", "EUR", -amount)],
            at=self._at(),
        )  # fmt: skip
        self.log.save(adjustment)
        decided = self.dice.random()
        if decided < 0.4:
            adjustment.approve(by="bob", at=self._at())
        elif decided < 0.8:
            adjustment.reject(by="bob", reason="not ours", at=self._at())
        self.log.save(adjustment)

    def _close(self) -> None:
        if self._period is None:
            self._period = Period.close_first(book=1, through=date(2020, 1, 1), at=self._at())
        else:
            self._period.close(through=self._period.through + timedelta(days=1), at=self._at())
        self.log.save(self._period)

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
