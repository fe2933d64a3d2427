"""Posting: one balanced movement over several wallets, a reservation of one, or the record of a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Final, Literal
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain import posting_events as events
from domain.errors import RuleViolation
from domain.ids import stream_id
from domain.lines import (
    AlreadyReverted,
    AmountOrLines,
    CommitExceedsHold,
    HoldNotPending,
    Line,
    NothingToRevert,
    PartNotDivisible,
    PostingUnbalanced,
    ReversalExceedsPosting,
    check_balanced,
    commit_lines,
    remaining_after,
    remaining_lines,
    reserved_minor,
    reversal_lines,
    reverted_after,
)
from domain.metadata import MetadataChange, real_changes

__all__ = [
    "OPEN_HOLD_STATES",
    "AlreadyReverted",
    "AmountOrLines",
    "CommitExceedsHold",
    "HoldExpiryInPast",
    "HoldNotExpired",
    "HoldNotPending",
    "Line",
    "NotAHold",
    "NothingToRevert",
    "PartNotDivisible",
    "Posting",
    "PostingState",
    "PostingUnbalanced",
    "ReversalExceedsPosting",
    "check_balanced",
    "commit_lines",
    "remaining_after",
    "remaining_lines",
    "reserved_minor",
    "reversal_lines",
    "reverted_after",
]

PostingState = Literal["recorded", "refused", "pending", "partially_committed", "committed", "voided", "expired"]

OPEN_HOLD_STATES: Final = frozenset({"pending", "partially_committed"})
"""States in which a hold still reserves something: it can be committed, voided, or expire."""


class NotAHold(RuleViolation):
    """Only a hold can be committed, voided or expire; this posting was recorded or refused at once."""

    code: ClassVar[str] = "not_a_hold"


class HoldNotExpired(RuleViolation):
    """A hold expires at its own moment and not before; one without a moment never does."""

    code: ClassVar[str] = "hold_not_expired"


class HoldExpiryInPast(RuleViolation):
    """A hold cannot be placed already expired."""

    code: ClassVar[str] = "hold_expiry_in_past"


class Posting(Aggregate):
    """A movement, or a hold, known by its reference; the reference is its stream key, so nothing is posted twice.

    `reverted` (of a movement) and `remaining` (of a hold) have one number per line, with the line's own sign.
    """

    TOPIC = "posting"

    Event = events.PostingEvent
    Created = events.Recorded
    Recorded = events.Recorded
    Refused = events.Refused
    Reverted = events.Reverted
    HoldPlaced = events.HoldPlaced
    HoldCommitted = events.HoldCommitted
    HoldVoided = events.HoldVoided
    HoldExpired = events.HoldExpired
    MetadataChanged = events.MetadataChanged

    def __init__(self, reference: str, rule: str, lines: list[Line], fingerprint: str | None) -> None:
        self.reference = reference
        self.rule = rule
        self.lines = lines
        self.fingerprint = fingerprint
        self.state: PostingState = "recorded"
        self.effective_at: datetime | None = None
        self.cause_position: int | None = None
        self.external_reference: str | None = None
        self.reverts: UUID | None = None
        self.reverted: list[int] = []
        self.reversals: list[UUID] = []
        self.expires_at: datetime | None = None
        self.remaining: list[int] = []
        self.commits: list[UUID] = []
        self.metadata: dict[str, str] = {}
        self.metadata_history: list[MetadataChange] = []
        self.refusal_code: str | None = None
        self.refusal_detail: str | None = None

    @property
    def refused(self) -> bool:
        """Whether this is the record of a refusal."""
        return self.refusal_code is not None

    @property
    def is_hold(self) -> bool:
        """Whether this is, or was, a hold, and no refused request for one."""
        return self.rule == "hold" and not self.refused

    def is_of(self, book: int) -> bool:
        """Whether this is a posting of that book: its id follows from the book, so another's does not come out."""
        return self.id == stream_id(book, "posting", self.reference)

    @property
    def left_to_revert(self) -> list[int]:
        """What reversals have not taken back yet, per line with its sign; empty for what moved nothing."""
        return [line.amount_minor - taken for line, taken in zip(self.lines, self.reverted, strict=False)]

    @classmethod
    def record(
        cls,
        *,
        book: int,
        reference: str,
        rule: str,
        lines: Sequence[Line],
        effective_at: datetime,
        at: datetime,
        cause_position: int | None = None,
        metadata: dict[str, str] | None = None,
        fingerprint: str | None = None,
        external_reference: str | None = None,
        reverts: UUID | None = None,
    ) -> Posting:
        """Record a movement; raises `PostingUnbalanced`."""
        check_balanced(lines)
        return cls._create(
            cls.Recorded,
            id=stream_id(book, "posting", reference),
            timestamp=at,
            reference=reference,
            rule=rule,
            cause_position=cause_position,
            effective_at=effective_at,
            lines=list(lines),
            metadata=dict(metadata or {}),
            fingerprint=fingerprint,
            external_reference=external_reference,
            reverts=reverts,
        )

    @classmethod
    def refuse(
        cls,
        *,
        book: int,
        reference: str,
        rule: str,
        code: str,
        detail: str,
        lines: Sequence[Line],
        at: datetime,
        fingerprint: str | None = None,
    ) -> Posting:
        """Record that a request was refused by the rule named in `code`."""
        return cls._create(
            cls.Refused,
            id=stream_id(book, "posting", reference),
            timestamp=at,
            reference=reference,
            rule=rule,
            code=code,
            detail=detail,
            lines=list(lines),
            fingerprint=fingerprint,
        )

    @classmethod
    def place_hold(
        cls,
        *,
        book: int,
        reference: str,
        rule: str,
        lines: Sequence[Line],
        effective_at: datetime,
        at: datetime,
        metadata: dict[str, str] | None = None,
        fingerprint: str | None = None,
        external_reference: str | None = None,
        expires_at: datetime | None = None,
    ) -> Posting:
        """Reserve what these lines would take; raises `PostingUnbalanced`, `HoldExpiryInPast`."""
        check_balanced(lines)
        if expires_at is not None and expires_at <= at:
            raise HoldExpiryInPast("expires_at must be in the future; leave it out for a hold that stays", "expires_at")
        return cls._create(
            cls.HoldPlaced,
            id=stream_id(book, "posting", reference),
            timestamp=at,
            reference=reference,
            rule=rule,
            effective_at=effective_at,
            lines=list(lines),
            metadata=dict(metadata or {}),
            fingerprint=fingerprint,
            external_reference=external_reference,
            expires_at=expires_at,
        )

    def reversal_lines(self, amount_minor: int | None = None) -> list[Line]:
        """Lines of the posting that would take the rest, or this part, of the movement back.

        Raises `NothingToRevert` for what moved nothing, and the refusals of `lines.reversal_lines`.
        """
        if self.state != "recorded":
            raise NothingToRevert(f"posting {self.id} is {self.state}; only money that moved can be reverted")
        return reversal_lines(self.lines, self.reverted, amount_minor)

    def revert(self, *, by: UUID, at: datetime, amount_minor: int | None = None) -> list[Line]:
        """Note that posting `by` takes this one back; the lines that it has to post. Raises as `reversal_lines`."""
        lines = self.reversal_lines(amount_minor)
        self.trigger_event(self.Reverted, timestamp=at, by=by, lines=lines)
        return lines

    def commit_hold(
        self,
        *,
        posting_id: UUID,
        at: datetime,
        amount_minor: int | None = None,
        lines: Sequence[Line] | None = None,
        final: bool = True,
    ) -> list[Line]:
        """Note that `posting_id` posts this part of the hold; the lines it has to post. Nothing left makes it final.

        Raises `NotAHold`, `HoldNotPending` and the refusals of `lines.commit_lines`.
        """
        self.check_open_hold()
        posted = commit_lines(self.lines, self.remaining, amount_minor, lines)
        last = final or not any(remaining_after(self.lines, self.remaining, posted))
        self.trigger_event(self.HoldCommitted, timestamp=at, posting_id=posting_id, lines=posted, final=last)
        return posted

    def void_hold(self, *, at: datetime) -> list[Line]:
        """Give the rest of the hold back; what that was. Raises `NotAHold`, `HoldNotPending`."""
        self.check_open_hold()
        lines = remaining_lines(self.lines, self.remaining)
        self.trigger_event(self.HoldVoided, timestamp=at, lines=lines)
        return lines

    def expire_hold(self, *, at: datetime) -> list[Line]:
        """End a hold whose time has run out; what was given back.

        Until this happens a hold past its moment is still pending: it is the event that ends it, not the clock.
        Raises `NotAHold`, `HoldNotPending`, `HoldNotExpired`.
        """
        self.check_open_hold()
        if self.expires_at is None or at < self.expires_at:
            raise HoldNotExpired(f"hold {self.id} expires {self.expires_at or 'never'}; void it to end it now")
        lines = remaining_lines(self.lines, self.remaining)
        self.trigger_event(self.HoldExpired, timestamp=at, lines=lines)
        return lines

    def change_metadata(self, changes: dict[str, str | None], *, at: datetime) -> bool:
        """Set (or, with None, remove) notes; False, and no event, when that changes nothing."""
        real = real_changes(self.metadata, changes)
        if real:
            self.trigger_event(self.MetadataChanged, timestamp=at, changes=real)
        return bool(real)

    def check_open_hold(self) -> None:
        """Raise `NotAHold`, or `HoldNotPending` when nothing of this hold is reserved any more."""
        if self.state in ("recorded", "refused"):
            raise NotAHold(f"posting {self.id} is {self.state} and no hold")
        if self.state not in OPEN_HOLD_STATES:
            raise HoldNotPending(f"hold {self.id} is {self.state}; place a new one")

    def end_hold(self, state: Literal["voided", "expired"]) -> None:
        """Called by the events that end a hold: nothing of it is reserved any more."""
        self.state = state
        self.remaining = [0] * len(self.lines)
