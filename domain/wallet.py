"""WalletAccount: one account of the chart in one currency, and the arithmetic of what it can take."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.chart import DEBIT_KINDS, account_kind
from domain.errors import RuleViolation
from domain.ids import wallet_stream_id
from domain.money import check_currency

WALLET_CLOSED = "wallet_closed"
INSUFFICIENT_FUNDS = "insufficient_funds"


class WalletClosed(RuleViolation):
    """A closed wallet takes no more postings and cannot be closed again."""

    code: ClassVar[str] = WALLET_CLOSED


class WalletNotEmpty(RuleViolation):
    """A wallet with a balance or a hold cannot be closed."""

    code: ClassVar[str] = "wallet_not_empty"


class OverdraftLimitNegative(RuleViolation):
    """An overdraft limit says how far below zero a wallet may go, so it cannot be negative itself."""

    code: ClassVar[str] = "overdraft_limit_negative"


class WalletHead:
    """The numbers of one wallet, without its history: what the posting engine keeps in memory for each wallet.

    Amounts are signed minor units, + for a debit. Slots and no validation, because the engine touches one per line.
    """

    __slots__ = ("account_kind", "closed", "held", "overdraft_limit_minor", "posted", "version")

    def __init__(
        self,
        account_kind: str,
        overdraft_limit_minor: int | None = None,
        posted: int = 0,
        held: int = 0,
        version: int = 0,
        closed: bool = False,
    ) -> None:
        self.account_kind = account_kind
        self.overdraft_limit_minor = overdraft_limit_minor
        self.posted = posted
        self.held = held
        self.version = version
        self.closed = closed

    @property
    def natural(self) -> int:
        """Balance with the sign people expect: money owned for assets, money owed for liabilities."""
        return self.posted if self.account_kind in DEBIT_KINDS else -self.posted

    @property
    def available(self) -> int:
        """Natural balance less what is held."""
        return self.natural - self.held

    def refusal(self, amount_minor: int) -> str | None:
        """Code of the rule that refuses a *request* to post this signed amount, or None. Facts do not ask.

        Only a posting that lowers the natural balance can overdraw; a wallet without a limit never does.
        """
        if self.closed:
            return WALLET_CLOSED
        change = amount_minor if self.account_kind in DEBIT_KINDS else -amount_minor
        limit = self.overdraft_limit_minor
        if change < 0 and limit is not None and self.available + change < -limit:
            return INSUFFICIENT_FUNDS
        return None

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"WalletHead({fields})"


class WalletAccount(Aggregate):
    """One address in one currency: an account with a kind, an overdraft rule, and what was posted to it."""

    TOPIC = "wallet"

    class Event(Aggregate.Event):
        """Anything that happens to a wallet."""

    class Opened(Event, Aggregate.Created):
        """The wallet can take postings from now on; without an overdraft limit (None) it may go below zero freely."""

        TOPIC = "wallet.opened.v1"
        address: str
        currency: str
        account_kind: str
        overdraft_limit_minor: int | None
        merchant_id: str | None

    Created = Opened

    class Posted(Event):
        """One line of a posting (+ = debit), with the balance and the hold after it."""

        TOPIC = "wallet.posted.v1"
        posting_id: UUID
        line: int
        amount_minor: int
        posted_after: int
        held_after: int
        effective_at: datetime

        def apply(self, aggregate: WalletAccount) -> None:
            """Take the numbers over as they were written: they were computed by the only writer."""
            aggregate.head.posted = self.posted_after
            aggregate.head.held = self.held_after
            aggregate.head.version = self.originator_version

    class Closed(Event):
        """The wallet takes no more postings."""

        TOPIC = "wallet.closed.v1"

        def apply(self, aggregate: WalletAccount) -> None:
            """Remember that nothing may be posted any more."""
            aggregate.head.closed = True
            aggregate.head.version = self.originator_version

    def __init__(
        self,
        address: str,
        currency: str,
        account_kind: str,
        overdraft_limit_minor: int | None,
        merchant_id: str | None,
    ) -> None:
        self.address = address
        self.currency = currency
        self.merchant_id = merchant_id
        self.head = WalletHead(account_kind, overdraft_limit_minor, version=self.INITIAL_VERSION)

    @classmethod
    def open(
        cls,
        *,
        book: int,
        address: str,
        currency: str,
        at: datetime,
        overdraft_limit_minor: int | None = 0,
        merchant_id: str | None = None,
    ) -> WalletAccount:
        """Open the wallet of an address; raises `UnknownAccount`, `UnknownCurrency`, `OverdraftLimitNegative`."""
        if overdraft_limit_minor is not None and overdraft_limit_minor < 0:
            message = "overdraft_limit_minor must be zero or more minor units, or null for no limit"
            raise OverdraftLimitNegative(message, "overdraft_limit_minor")
        kind = account_kind(address)
        return cls._create(
            cls.Opened,
            id=wallet_stream_id(book, address, check_currency(currency)),
            timestamp=at,
            address=address,
            currency=currency,
            account_kind=kind,
            overdraft_limit_minor=overdraft_limit_minor,
            merchant_id=merchant_id,
        )

    def post(self, *, posting_id: UUID, line: int, amount_minor: int, effective_at: datetime, at: datetime) -> None:
        """Record one line. Refusing is the caller's decision (`head.refusal`), since facts are never refused."""
        self.trigger_event(
            self.Posted,
            timestamp=at,
            posting_id=posting_id,
            line=line,
            amount_minor=amount_minor,
            posted_after=self.head.posted + amount_minor,
            held_after=self.head.held,
            effective_at=effective_at,
        )

    def close(self, *, at: datetime) -> None:
        """Close an empty wallet; raises `WalletClosed` when it is closed and `WalletNotEmpty` when it holds money."""
        if self.head.closed:
            raise WalletClosed(f"wallet {self.address} is closed already", "address")
        if self.head.posted or self.head.held:
            raise WalletNotEmpty(f"wallet {self.address} still holds money; move it away before closing", "address")
        self.trigger_event(self.Closed, timestamp=at)
