"""Events of a wallet: what each one says, and what it changes.

Those that move numbers carry them as they are afterwards, worked out by the one writer of wallets. Amounts are signed
minor units, + for a debit; what is held is never negative.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.metadata import MetadataChange, merged

if TYPE_CHECKING:
    from domain.wallet import WalletAccount


class WalletEvent(Aggregate.Event):
    """Anything that happens to a wallet; each one raises the version of its head."""

    def apply(self, aggregate: WalletAccount) -> None:
        """Say which event the numbers are as of."""
        aggregate.head.version = self.originator_version


class Opened(WalletEvent, Aggregate.Created):
    """The wallet can take postings from now on; without an overdraft limit (None) it may go below zero freely."""

    TOPIC = "wallet.opened.v1"
    address: str
    currency: str
    account_kind: str
    overdraft_limit_minor: int | None
    merchant_id: str | None


class Posted(WalletEvent):
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
        aggregate.head.version = self.originator_version
        aggregate.head.posted = self.posted_after
        aggregate.head.held = self.held_after


class Held(WalletEvent):
    """One line of a hold (`posting_id`) reserved money (`held_minor` above zero) or gave it back (below zero)."""

    TOPIC = "wallet.held.v1"
    posting_id: UUID
    line: int
    held_minor: int
    posted_after: int
    held_after: int

    def apply(self, aggregate: WalletAccount) -> None:
        """Take the numbers over as they were written: they were computed by the only writer."""
        aggregate.head.version = self.originator_version
        aggregate.head.posted = self.posted_after
        aggregate.head.held = self.held_after


class Frozen(WalletEvent):
    """The wallet takes no more requests until it is unfrozen; facts still pass, since they have happened."""

    TOPIC = "wallet.frozen.v1"
    reason: str

    def apply(self, aggregate: WalletAccount) -> None:
        """Refuse requests from now on."""
        aggregate.head.version = self.originator_version
        aggregate.head.frozen = True


class Unfrozen(WalletEvent):
    """The wallet takes requests again."""

    TOPIC = "wallet.unfrozen.v1"
    reason: str

    def apply(self, aggregate: WalletAccount) -> None:
        """Take requests again."""
        aggregate.head.version = self.originator_version
        aggregate.head.frozen = False


class Closed(WalletEvent):
    """The wallet takes no more postings: requests are refused, facts go to suspense."""

    TOPIC = "wallet.closed.v1"
    reason: str

    def apply(self, aggregate: WalletAccount) -> None:
        """Remember that nothing may be posted any more."""
        aggregate.head.version = self.originator_version
        aggregate.head.closed = True


class Reopened(WalletEvent):
    """Closing is undone; a wallet that was frozen when it closed is still frozen."""

    TOPIC = "wallet.reopened.v1"
    reason: str

    def apply(self, aggregate: WalletAccount) -> None:
        """Take postings again."""
        aggregate.head.version = self.originator_version
        aggregate.head.closed = False


class LimitChanged(WalletEvent):
    """The wallet may go this far below zero from now on; None means as far as it likes."""

    TOPIC = "wallet.limit-changed.v1"
    overdraft_limit_minor: int | None

    def apply(self, aggregate: WalletAccount) -> None:
        """Judge later requests by the new limit; what is drawn already stays drawn."""
        aggregate.head.version = self.originator_version
        aggregate.head.overdraft_limit_minor = self.overdraft_limit_minor


class MetadataChanged(WalletEvent):
    """Notes were added, replaced or (None) removed; numbers never change."""

    TOPIC = "wallet.metadata-changed.v1"
    changes: dict[str, str | None]

    def apply(self, aggregate: WalletAccount) -> None:
        """Change the notes and remember since when."""
        aggregate.head.version = self.originator_version
        aggregate.metadata = merged(aggregate.metadata, self.changes)
        aggregate.metadata_history.append(MetadataChange(self.originator_version, self.timestamp, self.changes))
