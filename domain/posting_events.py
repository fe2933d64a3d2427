"""Events of a posting: what each one says, and what it changes.

Lines are signed minor units, + for a debit. A posting's stream begins with a movement, a refusal or a hold.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.lines import Line, remaining_after, reverted_after
from domain.metadata import MetadataChange, merged

if TYPE_CHECKING:
    from domain.posting import Posting


class PostingEvent(Aggregate.Event):
    """Anything that happens to a posting."""


class Recorded(PostingEvent, Aggregate.Created):
    """The movement was made; each line is a `wallet.posted` event of the same commit.

    `external_reference` is the caller's own name for it, unique in the book by a claim; `reverts` is the posting that
    it takes back.
    """

    TOPIC = "posting.recorded.v1"
    reference: str
    rule: str
    cause_position: int | None
    effective_at: datetime
    lines: list[Line]
    metadata: dict[str, str]
    fingerprint: str | None
    external_reference: str | None
    reverts: UUID | None

    def apply(self, aggregate: Posting) -> None:
        """Take over what only a recorded posting has."""
        aggregate.effective_at = self.effective_at
        aggregate.cause_position = self.cause_position
        aggregate.metadata = self.metadata
        aggregate.external_reference = self.external_reference
        aggregate.reverts = self.reverts
        aggregate.reverted = [0] * len(self.lines)


class Refused(PostingEvent, Aggregate.Created):
    """A rule turned the request down; no wallet changed. Kept so that the same request gets the same answer."""

    TOPIC = "posting.refused.v1"
    reference: str
    rule: str
    code: str
    detail: str
    lines: list[Line]
    fingerprint: str | None

    def apply(self, aggregate: Posting) -> None:
        """Take over why it was refused."""
        aggregate.state = "refused"
        aggregate.refusal_code = self.code
        aggregate.refusal_detail = self.detail


class Reverted(PostingEvent):
    """Another posting (`by`) took this one back, wholly or in part; `lines` are that posting's own, signs turned."""

    TOPIC = "posting.reverted.v1"
    by: UUID
    lines: list[Line]

    def apply(self, aggregate: Posting) -> None:
        """Count what was taken back against what was moved."""
        aggregate.reverted = reverted_after(aggregate.lines, aggregate.reverted, self.lines)
        aggregate.reversals.append(self.by)


class HoldPlaced(PostingEvent, Aggregate.Created):
    """Money is reserved, not moved: each line that lowers its wallet is a `wallet.held` event of the same commit.

    Without `expires_at` the hold stands until somebody commits or voids it.
    """

    TOPIC = "posting.hold-placed.v1"
    reference: str
    rule: str
    effective_at: datetime
    lines: list[Line]
    metadata: dict[str, str]
    fingerprint: str | None
    external_reference: str | None
    expires_at: datetime | None

    def apply(self, aggregate: Posting) -> None:
        """Take over what only a hold has: all of it remains."""
        aggregate.state = "pending"
        aggregate.effective_at = self.effective_at
        aggregate.metadata = self.metadata
        aggregate.external_reference = self.external_reference
        aggregate.expires_at = self.expires_at
        aggregate.remaining = [line.amount_minor for line in self.lines]


class HoldCommitted(PostingEvent):
    """A part of the hold was posted, by a posting of its own; a final commit gives back whatever then remains."""

    TOPIC = "posting.hold-committed.v1"
    posting_id: UUID
    lines: list[Line]
    final: bool

    def apply(self, aggregate: Posting) -> None:
        """Take what was posted off what remains; the last commit ends the hold."""
        remaining = remaining_after(aggregate.lines, aggregate.remaining, self.lines)
        ended = self.final or not any(remaining)
        aggregate.remaining = [0] * len(remaining) if ended else remaining
        aggregate.state = "committed" if ended else "partially_committed"
        aggregate.commits.append(self.posting_id)


class _HoldEnded(PostingEvent):
    """What voiding and expiry have in common: `lines` are what was still reserved and is given back."""

    lines: list[Line]


class HoldVoided(_HoldEnded):
    """Somebody gave the rest of the hold back."""

    TOPIC = "posting.hold-voided.v1"

    def apply(self, aggregate: Posting) -> None:
        """Nothing remains."""
        aggregate.end_hold("voided")


class HoldExpired(_HoldEnded):
    """The hold's time ran out, and the rest of it was given back."""

    TOPIC = "posting.hold-expired.v1"

    def apply(self, aggregate: Posting) -> None:
        """Nothing remains."""
        aggregate.end_hold("expired")


class MetadataChanged(PostingEvent):
    """Notes were added, replaced or (None) removed; amounts never change."""

    TOPIC = "posting.metadata-changed.v1"
    changes: dict[str, str | None]

    def apply(self, aggregate: Posting) -> None:
        """Change the notes and remember since when."""
        aggregate.metadata = merged(aggregate.metadata, self.changes)
        aggregate.metadata_history.append(MetadataChange(self.originator_version, self.timestamp, self.changes))
