"""WalletAccount: one account of the chart in one currency, and what may be done with it."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain import wallet_events as events
from domain.chart import account_kind
from domain.errors import RuleViolation
from domain.ids import wallet_stream_id
from domain.metadata import MetadataChange, real_changes
from domain.money import check_currency
from domain.wallet_head import INSUFFICIENT_FUNDS, WALLET_CLOSED, WALLET_FROZEN, WalletHead

__all__ = [
    "INSUFFICIENT_FUNDS",
    "WALLET_CLOSED",
    "WALLET_FROZEN",
    "HeldNegative",
    "OverdraftLimitNegative",
    "WalletAccount",
    "WalletClosed",
    "WalletFrozen",
    "WalletHead",
    "WalletNotClosed",
    "WalletNotEmpty",
    "WalletNotFrozen",
    "check_overdraft_limit",
]


class WalletClosed(RuleViolation):
    """A closed wallet takes no more postings and cannot be closed again."""

    code: ClassVar[str] = WALLET_CLOSED


class WalletNotClosed(RuleViolation):
    """Only a closed wallet can be reopened."""

    code: ClassVar[str] = "wallet_not_closed"


class WalletFrozen(RuleViolation):
    """A frozen wallet takes no request and cannot be frozen again."""

    code: ClassVar[str] = WALLET_FROZEN


class WalletNotFrozen(RuleViolation):
    """Only a frozen wallet can be unfrozen."""

    code: ClassVar[str] = "wallet_not_frozen"


class WalletNotEmpty(RuleViolation):
    """A wallet with a balance or a hold cannot be closed."""

    code: ClassVar[str] = "wallet_not_empty"


class OverdraftLimitNegative(RuleViolation):
    """An overdraft limit says how far below zero a wallet may go, so it cannot be negative itself."""

    code: ClassVar[str] = "overdraft_limit_negative"


class HeldNegative(RuleViolation):
    """A wallet cannot give back more than is held on it."""

    code: ClassVar[str] = "held_negative"


def check_overdraft_limit(overdraft_limit_minor: int | None) -> int | None:
    """Give a limit of zero or more minor units, or None for no limit, back; else raise `OverdraftLimitNegative`."""
    if overdraft_limit_minor is not None and overdraft_limit_minor < 0:
        message = "overdraft_limit_minor must be zero or more minor units, or null for no limit"
        raise OverdraftLimitNegative(message, "overdraft_limit_minor")
    return overdraft_limit_minor


class WalletAccount(Aggregate):
    """One address in one currency: an account with a kind, an overdraft rule, and what was posted to it."""

    TOPIC = "wallet"

    Event = events.WalletEvent
    Created = events.Opened
    Opened = events.Opened
    Posted = events.Posted
    Held = events.Held
    Frozen = events.Frozen
    Unfrozen = events.Unfrozen
    Closed = events.Closed
    Reopened = events.Reopened
    LimitChanged = events.LimitChanged
    MetadataChanged = events.MetadataChanged

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
        self.head = WalletHead(account_kind, overdraft_limit_minor)
        self.metadata: dict[str, str] = {}
        self.metadata_history: list[MetadataChange] = []

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
        limit = check_overdraft_limit(overdraft_limit_minor)
        kind = account_kind(address)
        return cls._create(
            cls.Opened,
            id=wallet_stream_id(book, address, check_currency(currency)),
            timestamp=at,
            address=address,
            currency=currency,
            account_kind=kind,
            overdraft_limit_minor=limit,
            merchant_id=merchant_id,
        )

    def is_of(self, book: int) -> bool:
        """Whether this is a wallet of that book: its id follows from the book, so another's does not come out."""
        return self.id == wallet_stream_id(book, self.address, self.currency)

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

    def hold(self, *, posting_id: UUID, line: int, held_minor: int, at: datetime) -> None:
        """Reserve minor units for one line of a hold, or give them back (below zero); raises `HeldNegative`.

        Refusing for want of funds is the caller's decision (`head.hold_refusal`).
        """
        held_after = self.head.held + held_minor
        if held_after < 0:
            message = f"wallet {self.address} holds {self.head.held} minor units and cannot give {-held_minor} back"
            raise HeldNegative(message, "held_minor")
        self.trigger_event(
            self.Held,
            timestamp=at,
            posting_id=posting_id,
            line=line,
            held_minor=held_minor,
            posted_after=self.head.posted,
            held_after=held_after,
        )

    def freeze(self, *, reason: str, at: datetime) -> None:
        """Take no more requests; facts still pass. Raises `WalletClosed`, `WalletFrozen`."""
        self._check_not_closed()
        if self.head.frozen:
            raise WalletFrozen(f"wallet {self.address} is frozen already", "address")
        self.trigger_event(self.Frozen, timestamp=at, reason=reason)

    def unfreeze(self, *, reason: str, at: datetime) -> None:
        """Take requests again; raises `WalletClosed`, `WalletNotFrozen`."""
        self._check_not_closed()
        if not self.head.frozen:
            raise WalletNotFrozen(f"wallet {self.address} is not frozen", "address")
        self.trigger_event(self.Unfrozen, timestamp=at, reason=reason)

    def close(self, *, at: datetime, reason: str = "") -> None:
        """Close an empty wallet, frozen or not; raises `WalletClosed`, `WalletNotEmpty` when it holds money."""
        self._check_not_closed()
        if self.head.posted or self.head.held:
            raise WalletNotEmpty(f"wallet {self.address} still holds money; move it away before closing", "address")
        self.trigger_event(self.Closed, timestamp=at, reason=reason)

    def reopen(self, *, reason: str, at: datetime) -> None:
        """Undo closing; a wallet frozen before is frozen still. Raises `WalletNotClosed`."""
        if not self.head.closed:
            raise WalletNotClosed(f"wallet {self.address} is open", "address")
        self.trigger_event(self.Reopened, timestamp=at, reason=reason)

    def change_limit(self, overdraft_limit_minor: int | None, *, at: datetime) -> bool:
        """Set how far below zero the wallet may go; False, and no event, when that is the limit already.

        Any number from zero up, or None, is taken, even one below what is drawn or held: money that is gone cannot be
        refused afterwards. Such a wallet then takes only what raises its balance, until it is within the limit again.
        Raises `OverdraftLimitNegative`, `WalletClosed`.
        """
        self._check_not_closed()
        limit = check_overdraft_limit(overdraft_limit_minor)
        if limit == self.head.overdraft_limit_minor:
            return False
        self.trigger_event(self.LimitChanged, timestamp=at, overdraft_limit_minor=limit)
        return True

    def change_metadata(self, changes: dict[str, str | None], *, at: datetime) -> bool:
        """Set (or, with None, remove) notes; False, and no event, when that changes nothing."""
        real = real_changes(self.metadata, changes)
        if real:
            self.trigger_event(self.MetadataChanged, timestamp=at, changes=real)
        return bool(real)

    def _check_not_closed(self) -> None:
        if self.head.closed:
            raise WalletClosed(f"wallet {self.address} is closed; reopen it first", "address")
