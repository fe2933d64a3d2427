"""The wallets of a book as the engine holds them in memory, and how they are read from the log at a start.

A head is what the next line needs: version, posted, held. Memory is never evidence: it is read from one disposable
snapshot row per wallet and the log's tail, and thrown away whenever the writer lock was lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from domain.ids import stream_id, wallet_stream_id
from domain.wallet import WalletAccount, WalletHead
from eventlog.snapshots import WalletSnapshot
from ledger.wire import WalletNumbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from eventlog.mapper import LogMapper
    from eventlog.recorded import Recorded

WALLET_TOPICS = (WalletAccount.Opened.TOPIC, WalletAccount.Posted.TOPIC, WalletAccount.Closed.TOPIC)
READ_EVENTS = 10_000
# No horizon is needed to read wallet streams under the book's lock: nobody else can be writing them.
LATEST = 2**63 - 1


class SnapshotsUnusable(Exception):
    """The snapshot rows do not fit the log (rows are missing or too old): fold the whole log instead."""


class Account:
    """One wallet: its head plus the identity that events and replies name."""

    __slots__ = ("address", "currency", "head", "wallet_id")

    def __init__(self, wallet_id: UUID, address: str, currency: str, head: WalletHead) -> None:
        self.wallet_id = wallet_id
        self.address = address
        self.currency = currency
        self.head = head

    def copy(self) -> Account:
        """A twin to change while its batch is not committed yet."""
        head = self.head
        twin = WalletHead(
            head.account_kind, head.overdraft_limit_minor, head.posted, head.held, head.version, head.closed
        )
        return Account(self.wallet_id, self.address, self.currency, twin)

    def numbers(self) -> WalletNumbers:
        """The wallet as replies show it."""
        head = self.head
        return WalletNumbers(
            wallet_id=self.wallet_id,
            address=self.address,
            currency=self.currency,
            version=head.version,
            posted_minor=head.posted,
            held_minor=head.held,
            available_minor=head.available,
            closed=head.closed,
        )


class LogRows(Protocol):
    """The part of a recorder that loading needs."""

    def read(
        self, after: int, limit: int, *, topics: Sequence[str] = (), books: Sequence[int] = (), until: int | None = None
    ) -> list[Recorded]: ...


class Heads:
    """All wallets of one book as last committed. Written by the engine's thread; others may read single accounts."""

    def __init__(self, book: int) -> None:
        self.book = book
        self.position = 0
        self.accounts: dict[UUID, Account] = {}
        self._ids: dict[tuple[str, str], UUID] = {}
        self._changed: set[UUID] = set()
        self._round = 0

    def wallet_id(self, address: str, currency: str) -> UUID:
        """The stream id of an address in a currency, remembered because hashing it costs more than the line itself."""
        known = self._ids.get((address, currency))
        if known is None:
            known = self._ids[address, currency] = wallet_stream_id(self.book, address, currency)
        return known

    def merge(self, overlay: dict[UUID, Account], position: int) -> None:
        """Take over what a batch changed, once its commit has succeeded; `position` is that of its last event."""
        self.accounts.update(overlay)
        self._changed.update(overlay)
        self.position = position

    def load(self, snapshots: Sequence[WalletSnapshot], log: LogRows, mapper: LogMapper) -> int:
        """Read the book anew; answers how many events were folded. Snapshots that do not fit the log are left aside."""
        try:
            self._reset()
            self._restore(snapshots)
            return self._fold(log, mapper)
        except SnapshotsUnusable:
            self._reset()
            return self._fold(log, mapper)

    @property
    def changed(self) -> int:
        """How many wallets have moved since the last snapshots."""
        return len(self._changed)

    def snapshots(self) -> list[WalletSnapshot]:
        """The rows to write now, in one statement: every wallet that moved, and one row that counts the wallets.

        Because all of them are written at once, every older row is still right at this position, so that a start reads
        the log from the newest position on.
        """
        if not self._changed:
            return []
        rows = [self._row(self.accounts[wallet_id]) for wallet_id in self._changed]
        count = {"wallets": len(self.accounts)}
        rows.append(WalletSnapshot(self._counter, self.book, self._round + 1, self.position, count))
        return rows

    def snapshots_written(self) -> None:
        """The rows of `snapshots()` are durable."""
        self._changed.clear()
        self._round += 1

    @property
    def _counter(self) -> UUID:
        return stream_id(self.book, "engine", "wallet-count")

    def _row(self, account: Account) -> WalletSnapshot:
        head = account.head
        state: dict[str, Any] = {
            "address": account.address,
            "currency": account.currency,
            "account_kind": head.account_kind,
            "overdraft_limit_minor": head.overdraft_limit_minor,
            "posted": head.posted,
            "held": head.held,
            "closed": head.closed,
        }
        return WalletSnapshot(account.wallet_id, self.book, head.version, self.position, state)

    def _reset(self) -> None:
        self.accounts.clear()
        self._changed.clear()
        self.position = 0

    def _restore(self, snapshots: Sequence[WalletSnapshot]) -> None:
        counted = None
        for row in snapshots:
            self.position = max(self.position, row.position)
            if row.stream_id == self._counter:
                counted, self._round = row.state["wallets"], row.version
                continue
            state = row.state
            head = WalletHead(
                state["account_kind"],
                state["overdraft_limit_minor"],
                state["posted"],
                state["held"],
                row.version,
                state["closed"],
            )
            self.accounts[row.stream_id] = Account(row.stream_id, state["address"], state["currency"], head)
        if snapshots and counted != len(self.accounts):
            raise SnapshotsUnusable(f"{len(self.accounts)} snapshot rows, {counted} wallets")

    def _fold(self, log: LogRows, mapper: LogMapper) -> int:
        folded = 0
        for row in _rows(log, self.book, self.position):
            self._apply(row, mapper.decode(row))
            self._changed.add(row.stream_id)
            self.position = row.position
            folded += 1
        return folded

    def _apply(self, row: Recorded, event: Any) -> None:
        if row.topic == WalletAccount.Opened.TOPIC:
            head = WalletHead(event.account_kind, event.overdraft_limit_minor, version=row.version)
            self.accounts[row.stream_id] = Account(row.stream_id, event.address, event.currency, head)
            return
        account = self.accounts.get(row.stream_id)
        if account is None or account.head.version != row.version - 1:
            raise SnapshotsUnusable(f"wallet {row.stream_id} has no version {row.version - 1} in memory")
        account.head.version = row.version
        if row.topic == WalletAccount.Posted.TOPIC:
            account.head.posted = event.posted_after
            account.head.held = event.held_after
        else:
            account.head.closed = True


def _rows(log: LogRows, book: int, after: int) -> Iterator[Recorded]:
    """The wallet events of a book after a position, committed ones all included."""
    while rows := log.read(after, READ_EVENTS, topics=WALLET_TOPICS, books=[book], until=LATEST):
        yield from rows
        after = rows[-1].position


def balances(accounts: Iterable[Account]) -> dict[str, int]:
    """The sum of `posted` per currency: zero for each, or the books are broken."""
    sums: dict[str, int] = {}
    for account in accounts:
        sums[account.currency] = sums.get(account.currency, 0) + account.head.posted
    return sums
