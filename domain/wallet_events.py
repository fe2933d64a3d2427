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
    from domain.wallet_head import WalletHead


class WalletEvent(Aggregate.Event):
    """Anything that happens to a wallet; each one raises the version of its head."""

    def apply(self, aggregate: WalletAccount) -> None:
        """Change the head, and say which event it is as of."""
        self.change(aggregate.head)
        aggregate.head.version = self.originator_version

    def change(self, head: WalletHead) -> None:
        """What this event makes of a head, but for its version: for the aggregate and for the posting engine alike."""


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

    def change(self, head: WalletHead) -> None:
        """Take the numbers over as they were written: they were computed by the only writer."""
        head.posted = self.posted_after
        head.held = self.held_after


class Held(WalletEvent):
    """One line of a hold (`posting_id`) reserved money (`held_minor` above zero) or gave it back (below zero)."""

    TOPIC = "wallet.held.v1"
    posting_id: UUID
    line: int
    held_minor: int
    posted_after: int
    held_after: int

    def change(self, head: WalletHead) -> None:
        """Take the numbers over as they were written: they were computed by the only writer."""
        head.posted = self.posted_after
        head.held = self.held_after


class Frozen(WalletEvent):
    """The wallet takes no more requests until it is unfrozen; facts still pass, since they have happened."""

    TOPIC = "wallet.frozen.v1"
    reason: str

    def change(self, head: WalletHead) -> None:
        """Refuse requests from now on."""
        head.frozen = True


class Unfrozen(WalletEvent):
    """The wallet takes requests again."""

    TOPIC = "wallet.unfrozen.v1"
    reason: str

    def change(self, head: WalletHead) -> None:
        """Take requests again."""
        head.frozen = False


class Closed(WalletEvent):
    """The wallet takes no more postings: requests are refused, facts go to suspense."""

    TOPIC = "wallet.closed.v1"
    reason: str

    def change(self, head: WalletHead) -> None:
        """Remember that nothing may be posted any more."""
        head.closed = True


class Reopened(WalletEvent):
    """Closing is undone; a wallet that was frozen when it closed is still frozen."""

    TOPIC = "wallet.reopened.v1"
    reason: str

    def change(self, head: WalletHead) -> None:
        """Take postings again."""
        head.closed = False


class LimitChanged(WalletEvent):
    """The wallet may go this far below zero from now on; None means as far as it likes."""

    TOPIC = "wallet.limit-changed.v1"
    overdraft_limit_minor: int | None

    def change(self, head: WalletHead) -> None:
        """Judge later requests by the new limit; what is drawn already stays drawn."""
        head.overdraft_limit_minor = self.overdraft_limit_minor


class MetadataChanged(WalletEvent):
    """Notes were added, replaced or (None) removed; numbers never change."""

    TOPIC = "wallet.metadata-changed.v1"
    changes: dict[str, str | None]

    def apply(self, aggregate: WalletAccount) -> None:
        """Change the notes and remember since when."""
        super().apply(aggregate)
        aggregate.metadata = merged(aggregate.metadata, self.changes)
        aggregate.metadata_history.append(MetadataChange(self.originator_version, self.timestamp, self.changes))
