"""A book as a ledger that Beancount reads, with assertions by which `bean-check` itself proves the balances.

Transactions come from the postings, the asserted balances from the wallets' own events: two records of the same
movements, which must agree to the last minor unit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec

from domain.chart import account_kind
from domain.money import EXPONENTS
from domain.posting import Posting
from domain.wallet import WalletAccount
from replay.archive.beancount_names import account_name
from replay.unreadable import read

if TYPE_CHECKING:
    from eventlog.follower import LogReader
    from eventlog.recorded import Recorded

PAGE: Final = 5_000
POSTINGS: Final = (Posting.Recorded.TOPIC,)
STANDING: Final = (WalletAccount.Closed.TOPIC, WalletAccount.Reopened.TOPIC)
MOVEMENTS: Final = (WalletAccount.Opened.TOPIC, WalletAccount.Posted.TOPIC, *STANDING, *POSTINGS)


class PositionNotReached(Exception):
    """The books cannot be shown as of a position that the log has not reached."""


class _Account(msgspec.Struct):
    """What there is to say about an address: its balances are signed minor units by currency, + for a debit.

    `moved` is the last day on which something moved; `closed` is when which currencies of it were closed.
    """

    address: str
    name: str
    kind: str
    opened: date
    moved: date
    balances: dict[str, int]
    closed: dict[str, date]

    @property
    def over(self) -> date | None:
        """The day on which it can be closed: when all of its wallets are, and nothing moves after it."""
        if self.closed.keys() != self.balances.keys():
            return None
        return max(*self.closed.values(), _day_after(self.moved))


class BeancountExport:
    """Reads a book's log twice: first which accounts there are, then what was posted.

    Kept in memory are the accounts with their balances, not the postings. `until` is the last position to be shown, in
    a log that has reached it; a posting recorded there is shown whole, with the lines that follow it in the log.
    """

    def __init__(self, log: LogReader, decode: Callable[[Recorded], Any], book: int, until: int | None = None) -> None:
        """Raises PositionNotReached, and EventUnreadable for a damaged row, as `directives` does."""
        self._log, self._decode, self._book = log, decode, book
        end = log.max_notification_id() or 0
        if until is not None and until > end:
            raise PositionNotReached(f"the log ends at position {end}; ask for that or an earlier one")
        self.until = end if until is None else until
        self.postings = 0
        self._accounts: dict[str, _Account] = {}
        self._wallets: dict[UUID, tuple[_Account, str]] = {}
        self._unposted: Counter[UUID] = Counter()
        self._first, self._last = date.max, date.min
        self._look_ahead()

    @property
    def accounts(self) -> int:
        """How many accounts the book has."""
        return len(self._accounts)

    def directives(self) -> Iterator[str]:
        """The ledger's text, directive by directive: each one ends its line."""
        yield f"; Book {self._book} of Daybook as of position {self.until}, written by daybook export beancount\n"
        yield f'option "title" "Book {self._book}"\n\n'
        if not self._accounts:
            return
        currencies = sorted({currency for account in self._accounts.values() for currency in account.balances})
        for currency in currencies:
            yield f"{self._first} commodity {currency}\n  minor-digits: {EXPONENTS[currency]}\n\n"
        accounts = sorted(self._accounts.values(), key=lambda account: account.address)
        for account in accounts:
            yield _open(account)
        for row, event in self._events(POSTINGS, self.until):
            if event.lines:  # an opened wallet or a new limit is a posting too, of nothing
                self.postings += 1
                yield self._transaction(row, event)
        yield "\n"
        closing = _day_after(self._last)
        for account in accounts:
            yield from _ended(account, closing)

    def _look_ahead(self) -> None:
        for row, event in self._events(MOVEMENTS, self.until):
            self._look_at(row, event)
        if not self._unposted:
            return
        # The engine writes a posting and then the lines of it: the position lies between them.
        for row, event in self._events((WalletAccount.Posted.TOPIC,), None, self.until):
            if event.posting_id in self._unposted:
                self._look_at(row, event)
            if not self._unposted:
                return

    def _look_at(self, row: Recorded, event: Any) -> None:
        if isinstance(event, WalletAccount.Opened):
            self._wallet(row.stream_id, event.address, event.currency, _day(event.timestamp))
        elif isinstance(event, WalletAccount.Posted):
            account, currency = self._wallets[row.stream_id]
            account.balances[currency] = event.posted_after
            self._count(event.posting_id, -1)
        elif isinstance(event, WalletAccount.Closed):
            account, currency = self._wallets[row.stream_id]
            account.closed[currency] = _day(event.timestamp)
        elif isinstance(event, WalletAccount.Reopened):
            account, currency = self._wallets[row.stream_id]
            account.closed.pop(currency, None)
        else:
            day = _day(event.effective_at)
            for line in event.lines:
                self._wallet(line.wallet_id, line.address, line.currency, day)
            self._count(row.stream_id, len(event.lines))

    def _wallet(self, wallet_id: UUID, address: str, currency: str, day: date) -> None:
        """A wallet is there from its opening on, or from an earlier day on which a posting takes effect."""
        account = self._accounts.get(address)
        if account is None:
            kind = account_kind(address)
            account = self._accounts[address] = _Account(address, account_name(address, kind), kind, day, day, {}, {})
        account.opened, account.moved = min(account.opened, day), max(account.moved, day)
        account.balances.setdefault(currency, 0)
        self._wallets[wallet_id] = account, currency
        self._extend(day)

    def _count(self, posting_id: UUID, lines: int) -> None:
        self._unposted[posting_id] += lines
        if self._unposted[posting_id] == 0:
            del self._unposted[posting_id]

    def _extend(self, day: date) -> None:
        self._first, self._last = min(self._first, day), max(self._last, day)

    def _transaction(self, row: Recorded, event: Any) -> str:
        lines = [
            f"\n{_day(event.effective_at)} * {_text(event.rule)}\n",
            f'  posting-id: "{row.stream_id}"\n',
            f'  position: "{row.position}"\n',
            f"  reference: {_text(event.reference)}\n",
        ]
        if event.external_reference is not None:
            lines.append(f"  external-reference: {_text(event.external_reference)}\n")
        if event.reverts is not None:
            lines.append(f'  reverts: "{event.reverts}"\n')
        for line in event.lines:
            name = self._accounts[line.address].name
            lines.append(f"  {name}  {shown(line.amount_minor, line.currency)} {line.currency}\n")
        return "".join(lines)

    def _events(self, topics: tuple[str, ...], until: int | None, after: int = 0) -> Iterator[tuple[Recorded, Any]]:
        while rows := self._log.read(after, PAGE, topics=topics, books=[self._book], until=until):
            for row in rows:
                yield row, read(self._decode, row)
            after = rows[-1].position


def shown(amount_minor: int, currency: str) -> str:
    """Minor units as Beancount wants them: with the decimals of the currency (ISO 4217), without its code."""
    exponent = EXPONENTS[currency]
    digits = str(abs(amount_minor)).rjust(exponent + 1, "0")
    whole, part = digits[: len(digits) - exponent], digits[len(digits) - exponent :]
    return f"{'-' if amount_minor < 0 else ''}{whole}{'.' if part else ''}{part}"


def _open(account: _Account) -> str:
    currencies = ",".join(sorted(account.balances))
    notes = f'  address: "{account.address}"\n  kind: "{account.kind}"\n'
    return f"{account.opened} open {account.name} {currencies}\n{notes}"


def _ended(account: _Account, closing: date) -> Iterator[str]:
    """What it holds at its end, and that it is closed, where it is. Beancount asserts what was there before a day."""
    over = account.over
    day = closing if over is None else over
    if account.moved == date.max:
        yield f"; {account.name}: nothing is asserted, since something moves on the last day there is\n"
    else:
        for currency, amount_minor in sorted(account.balances.items()):
            # Without `~ 0` Beancount lets a balance be wrong by one minor unit.
            yield f"{day} balance {account.name}  {shown(amount_minor, currency)} ~ 0 {currency}\n"
    if over is not None:
        yield f"{over} close {account.name}\n"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    # A line break would be allowed, and would hide what follows it from a reader.
    return f'"{escaped}"'.replace("\n", "\\n").replace("\r", "\\r")


def _day_after(day: date) -> date:
    return day if day == date.max else day + timedelta(days=1)


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
