"""A book as the engine holds it in memory: its wallets, monitors and closed period, as last committed.

A head is what the next line needs: version, posted, held. Memory is never evidence: it is read from one disposable
snapshot row per wallet and the log's tail, and thrown away whenever the writer lock was lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from domain.ids import stream_id, wallet_stream_id
from domain.monitor import Monitor, measured, side_of
from domain.period import Period
from domain.wallet import WalletAccount, WalletHead
from eventlog.snapshots import WalletSnapshot
from ledger.wire import WalletNumbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from eventlog.mapper import LogMapper
    from eventlog.recorded import Recorded

_OPENED = WalletAccount.Opened.TOPIC
_POSTED = WalletAccount.Posted.TOPIC
_HELD = WalletAccount.Held.TOPIC
WALLET_TOPICS = (
    _OPENED,
    _POSTED,
    _HELD,
    WalletAccount.Frozen.TOPIC,
    WalletAccount.Unfrozen.TOPIC,
    WalletAccount.Closed.TOPIC,
    WalletAccount.Reopened.TOPIC,
    WalletAccount.LimitChanged.TOPIC,
    WalletAccount.MetadataChanged.TOPIC,
)
BOOK_TOPICS = (Period.Closed.TOPIC, Monitor.Created.TOPIC, Monitor.Crossed.TOPIC, Monitor.Removed.TOPIC)
READ_EVENTS = 10_000
# No horizon is needed to read wallet streams under the book's lock: nobody else can be writing them.
LATEST = 2**63 - 1


class SnapshotsUnusable(Exception):
    """The snapshot rows do not fit the log (rows are missing or too old): fold the whole log instead."""


class Account:
    """One wallet: the identity that events and replies name, and its head as last committed."""

    __slots__ = ("address", "currency", "head", "monitors", "wallet_id")

    def __init__(self, wallet_id: UUID, address: str, currency: str, head: WalletHead) -> None:
        self.wallet_id = wallet_id
        self.address = address
        self.currency = currency
        self.head = head
        self.monitors: tuple[UUID, ...] = ()

    def numbers(self, head: WalletHead | None = None) -> WalletNumbers:
        """The wallet as replies show it; `head` for one that is not committed."""
        head = head or self.head
        return WalletNumbers(
            wallet_id=self.wallet_id,
            address=self.address,
            currency=self.currency,
            version=head.version,
            posted_minor=head.posted,
            held_minor=head.held,
            available_minor=head.available,
            overdraft_limit_minor=head.overdraft_limit_minor,
            frozen=head.frozen,
            closed=head.closed,
        )


class LogRows(Protocol):
    """The part of a recorder that loading needs."""

    def read(
        self, after: int, limit: int, *, topics: Sequence[str] = (), books: Sequence[int] = (), until: int | None = None
    ) -> list[Recorded]: ...


class Heads:
    """All of one book as last committed. Written by the engine's thread; others may read single accounts."""

    def __init__(self, book: int, since: int = 0) -> None:
        """`since` is a position before which there is nothing of this book."""
        self.book = book
        self.position = self._since = since
        self.accounts: dict[UUID, Account] = {}
        self.named: dict[tuple[str, str], Account] = {}
        self.monitors: dict[UUID, Monitor] = {}
        self.period: Period | None = None
        self._changed: set[Account] = set()
        self._round = 0

    def wallet_id(self, address: str, currency: str) -> UUID:
        """The stream id of an address in a currency."""
        known = self.named.get((address, currency))
        return known.wallet_id if known is not None else wallet_stream_id(self.book, address, currency)

    def merge(self, overlay: Mapping[Account, WalletHead], opened: Iterable[Account], position: int) -> None:
        """Take over what a batch changed, once its commit has succeeded; `position` is that of its last event."""
        for account, head in overlay.items():
            account.head = head
        for account in opened:
            self.add(account)
        self._changed.update(overlay)
        self.position = position

    def add(self, account: Account) -> None:
        """Know an account by its id and by its name."""
        self.accounts[account.wallet_id] = account
        self.named[account.address, account.currency] = account

    def watch(self, monitor: Monitor) -> None:
        """Take over a monitor as last committed."""
        self.monitors[monitor.id] = monitor
        account = self.accounts.get(monitor.wallet_id)
        if account is not None:
            others = tuple(each for each in account.monitors if each != monitor.id)
            account.monitors = others if monitor.removed else (*others, monitor.id)

    def load(self, snapshots: Sequence[WalletSnapshot], log: LogRows, mapper: LogMapper) -> int:
        """Read the book anew; answers how many events were folded. Snapshots that do not fit the log are left aside."""
        try:
            self._reset()
            self._restore(snapshots)
            folded = self._fold(log, mapper)
        except SnapshotsUnusable:
            self._reset()
            folded = self._fold(log, mapper)
        return folded + self._fold_book(log, mapper)

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
        rows = [self._row(account) for account in self._changed]
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
            "frozen": head.frozen,
        }
        return WalletSnapshot(account.wallet_id, self.book, head.version, self.position, state)

    def _reset(self) -> None:
        self.accounts.clear()
        self.named.clear()
        self.monitors.clear()
        self.period = None
        self._changed.clear()
        self.position = self._since

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
                state["frozen"],
            )
            self.add(Account(row.stream_id, state["address"], state["currency"], head))
        if snapshots and counted != len(self.accounts):
            raise SnapshotsUnusable(f"{len(self.accounts)} snapshot rows, {counted} wallets")

    def _fold(self, log: LogRows, mapper: LogMapper) -> int:
        folded = 0
        for row in _rows(log, self.book, self.position, WALLET_TOPICS):
            self._apply(row, mapper.decode(row))
            self.position = row.position
            folded += 1
        return folded

    def _apply(self, row: Recorded, event: Any) -> None:
        if row.topic == _OPENED:
            head = WalletHead(event.account_kind, event.overdraft_limit_minor, version=row.version)
            account: Account | None = Account(row.stream_id, event.address, event.currency, head)
            self.add(account)  # type: ignore[arg-type]  # narrowed by the line above
        else:
            account = self.accounts.get(row.stream_id)
            if account is None or account.head.version != row.version - 1:
                raise SnapshotsUnusable(f"wallet {row.stream_id} has no version {row.version - 1} in memory")
            event.change(account.head)
            account.head.version = row.version
        self._changed.add(account)  # type: ignore[arg-type]

    def _fold_book(self, log: LogRows, mapper: LogMapper) -> int:
        """Monitors and closings: few events, always read whole."""
        folded = 0
        for row in _rows(log, self.book, self._since, BOOK_TOPICS):
            event = mapper.decode(row)
            if row.topic == Period.Closed.TOPIC:
                self.period = event.mutate(self.period)
            else:
                self.watch(event.mutate(self.monitors.get(row.stream_id)) or self.monitors[row.stream_id])
            folded += 1
        for monitor in self.monitors.values():
            account = self.accounts.get(monitor.wallet_id)
            if monitor.side is None and account is not None:  # never crossed: it is where the wallet is
                monitor.side = side_of(measured(account.head, monitor.measure), monitor.threshold_minor)
        return folded


def _rows(log: LogRows, book: int, after: int, topics: Sequence[str]) -> Iterator[Recorded]:
    """Events of a book after a position, committed ones all included."""
    while rows := log.read(after, READ_EVENTS, topics=topics, books=[book], until=LATEST):
        yield from rows
        after = rows[-1].position


def balances(accounts: Iterable[Account]) -> dict[str, int]:
    """The sum of `posted` per currency: zero for each, or the books are broken."""
    sums: dict[str, int] = {}
    for account in accounts:
        sums[account.currency] = sums.get(account.currency, 0) + account.head.posted
    return sums
