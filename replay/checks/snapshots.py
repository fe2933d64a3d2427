"""snapshots: the rows from which an engine starts are the fold of its wallets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from domain.ids import stream_id
from domain.registry import ALL_EVENTS
from domain.wallet import WalletAccount, WalletHead
from eventlog.snapshots import WalletSnapshot
from replay.checks.check import Finding, PlainCheck, Scope, Seen


class _Wallet(NamedTuple):
    book: int
    address: str
    currency: str
    head: WalletHead


class Snapshots(PlainCheck):
    """An engine takes over every row of a book as of the newest row's position, so they are compared there together.

    Rows that are missing are no finding when the count beside them tells: the engine then folds the whole log.
    """

    name: ClassVar[str] = "snapshots"
    meaning: ClassVar[str] = "every row of log.wallet_snapshots is what its wallet's events fold to"
    advice: ClassVar[str] = (
        "stop the engine, delete the book's rows of log.wallet_snapshots and start it: they are made again from the log"
    )
    topics: ClassVar[tuple[str, ...]] = tuple(topic for topic in ALL_EVENTS if topic.startswith("wallet."))

    def __init__(self, scope: Scope) -> None:
        """Books whose newest row is younger than the end of the pass cannot be judged by it and are left out."""
        self._newest: dict[int, int] = {}
        for row in scope.snapshots:
            self._newest[row.book] = max(row.position, self._newest.get(row.book, 0))
        self._rows = [row for row in scope.snapshots if self._newest[row.book] <= scope.end]
        self._wallets: dict[UUID, _Wallet] = {}

    def see(self, seen: Seen) -> Iterator[Finding]:
        """Fold up to where the book's rows were written."""
        row, event = seen.row, seen.event
        if row.position > self._newest.get(row.book, 0):
            return
        if isinstance(event, WalletAccount.Opened):
            head = WalletHead(event.account_kind, event.overdraft_limit_minor, version=row.version)
            self._wallets[row.stream_id] = _Wallet(row.book, event.address, event.currency, head)
        elif row.stream_id in self._wallets:
            head = self._wallets[row.stream_id].head
            event.change(head)
            head.version = row.version
        yield from ()

    def end(self) -> Iterator[Finding]:
        """Row by row, then the count of each book."""
        counted: dict[int, int] = {}
        told: dict[int, WalletSnapshot] = {}
        for row in self._rows:
            if row.stream_id == stream_id(row.book, "engine", "wallet-count"):
                told[row.book] = row
                continue
            counted[row.book] = counted.get(row.book, 0) + 1
            yield from self._compared(row)
        for book, row in told.items():
            wallets = sum(wallet.book == book for wallet in self._wallets.values())
            if row.state["wallets"] == counted.get(book, 0) != wallets:
                problem = f"the rows of book {book} claim to be all of its wallets"
                yield _at(row, problem, None, wallets, counted.get(book, 0))

    def _compared(self, row: WalletSnapshot) -> Iterator[Finding]:
        wallet = self._wallets.get(row.stream_id)
        if wallet is None:
            yield _at(row, "a snapshot of a wallet that was never opened", str(row.state.get("address")), None, None)
            return
        for name, expected in (("version", wallet.head.version), *_state(wallet).items()):
            found = row.version if name == "version" else row.state.get(name)
            if found != expected:
                problem = f"the snapshot of {wallet.address} in {wallet.currency} has another {name}"
                yield _at(row, problem, wallet.address, _plain(expected), _plain(found))


def _state(wallet: _Wallet) -> dict[str, Any]:
    head = wallet.head
    return {
        "address": wallet.address,
        "currency": wallet.currency,
        "account_kind": head.account_kind,
        "overdraft_limit_minor": head.overdraft_limit_minor,
        "posted": head.posted,
        "held": head.held,
        "closed": head.closed,
        "frozen": head.frozen,
    }


def _plain(value: Any) -> int | str | None:
    return value if value is None or type(value) is int else str(value)


def _at(row: WalletSnapshot, problem: str, reference: str | None, expected: Any, found: Any) -> Finding:
    return Finding(problem, row.position, row.book, row.stream_id, reference=reference, expected=expected, found=found)


CHECK = Snapshots
