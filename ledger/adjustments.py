"""The one way to correct books by hand: proposed by one person, approved or rejected by another.

Proposal and decision are written through the log by people, in their own time; an approved adjustment is a fact, which
the posting engine posts like any other. The key of a proposal is the adjustment's id, so the version conflict of its
stream decides races; a decision that lost one looks again and answers as if it had come second.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from eventsourcing.application import AggregateNotFoundError
from eventsourcing.persistence import IntegrityError

from domain.adjustment import Adjustment, AdjustmentLine
from domain.errors import RuleViolation
from domain.ids import canonical_uuid, stream_id
from domain.payment_rules import KeyReused
from domain.period import closed_until
from eventlog.recorded import NO_META, Meta
from ledger.closings import closings
from ledger.refusals import EFFECTIVE_IN_FUTURE, PERIOD_CLOSED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from domain.ports import Clock
    from eventlog.application import EventLog

TRIES = 5


class AdjustmentNotFound(LookupError):
    """No adjustment of that id in that book."""

    def __init__(self, adjustment_id: str) -> None:
        super().__init__(f"adjustment_id: there is no adjustment {adjustment_id} in this book")


class DecidedMeanwhile(Exception):
    """An adjustment changed under every one of five tries. Nothing was written; the same request may be sent again."""

    def __init__(self, adjustment_id: str) -> None:
        super().__init__(f"adjustment {adjustment_id} is being decided by others; look at it and ask again")


class AdjustmentInClosedPeriod(RuleViolation):
    """A closed period takes nothing, not even what two people agree on."""

    code: ClassVar[str] = PERIOD_CLOSED


class AdjustmentInFuture(RuleViolation):
    """What takes effect later is approved later: until then it may turn out to be wrong."""

    code: ClassVar[str] = EFFECTIVE_IN_FUTURE


class Proposal(NamedTuple):
    """What somebody wants posted. `fingerprint` tells two proposals under one id apart."""

    book: int
    adjustment_id: str
    lines: Sequence[AdjustmentLine]
    reason: str
    by: str
    fingerprint: str
    effective_at: datetime | None = None
    metadata: dict[str, str] | None = None


class Decided(NamedTuple):
    """An adjustment after a command; `replayed` when nothing was written because it had been so decided before."""

    adjustment: Adjustment
    replayed: bool


def posting_id_of(adjustment: Adjustment, book: int) -> UUID:
    """The posting that an approved adjustment becomes."""
    return stream_id(book, "posting", f"adjustment/{adjustment.id}")


class Adjustments:
    """Thread-safe. `clock` says when things happen; who asks is named by `by`, an API key or a person's own id."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def propose(self, proposal: Proposal, meta: Meta = NO_META) -> Decided:
        """Propose a movement; nothing is posted yet.

        Raises KeyReused when the id stands for another proposal, AdjustmentInClosedPeriod, and the refusals of
        `Adjustment.propose`.
        """
        adjustment_id = canonical_uuid(proposal.adjustment_id, "adjustment_id")
        for _ in range(TRIES):
            try:
                found = self.find(proposal.book, adjustment_id, version=1)
            except AdjustmentNotFound:
                try:
                    return self._created(proposal, meta)
                except IntegrityError:
                    continue
            if (found.fingerprint, found.proposed_by) != (proposal.fingerprint, proposal.by):
                raise KeyReused("this key was used for another adjustment; use a new key", "adjustment_id")
            return Decided(found, True)
        raise DecidedMeanwhile(adjustment_id)

    def approve(self, book: int, adjustment_id: str, by: str, meta: Meta = NO_META) -> Decided:
        """Make a proposal a fact. Approving it again by the same changes nothing.

        Raises AdjustmentNotFound, SelfApproval, AdjustmentAlreadyDecided, AdjustmentInClosedPeriod,
        AdjustmentInFuture.
        """

        def decide(adjustment: Adjustment) -> bool:
            if adjustment.state == "approved" and adjustment.decided_by == by:
                return False
            now = self._clock.now()
            adjustment.approve(by=by, at=now)
            self._check_effective(book, adjustment.effective_at or now, now)
            return True

        return self._change(book, adjustment_id, decide, meta)

    def reject(self, book: int, adjustment_id: str, by: str, reason: str, meta: Meta = NO_META) -> Decided:
        """Turn a proposal down, or take one's own back. Rejecting it again by the same changes nothing.

        Raises AdjustmentNotFound, AdjustmentAlreadyDecided, ReasonMissing.
        """

        def decide(adjustment: Adjustment) -> bool:
            if adjustment.state == "rejected" and adjustment.decided_by == by:
                return False
            adjustment.reject(by=by, reason=reason, at=self._clock.now())
            return True

        return self._change(book, adjustment_id, decide, meta)

    def find(self, book: int, adjustment_id: str, version: int | None = None) -> Adjustment:
        """The adjustment as its own stream tells it, or (1) as it was proposed. Raises AdjustmentNotFound."""
        stream = stream_id(book, "adjustment", adjustment_id)
        try:
            adjustment: Adjustment = self._log.repository.get(stream, version=version)
        except AggregateNotFoundError:
            raise AdjustmentNotFound(adjustment_id) from None
        return adjustment

    def _created(self, proposal: Proposal, meta: Meta) -> Decided:
        now = self._clock.now()
        if proposal.effective_at is not None:  # closed periods stay closed: it could never be approved
            self._check_open(proposal.book, proposal.effective_at)
        adjustment = Adjustment.propose(
            book=proposal.book,
            adjustment_id=proposal.adjustment_id,
            lines=proposal.lines,
            reason=proposal.reason,
            by=proposal.by,
            at=now,
            effective_at=proposal.effective_at,
            metadata=proposal.metadata,
            fingerprint=proposal.fingerprint,
        )
        self._log.save(adjustment, book=proposal.book, meta=meta)
        return Decided(adjustment, False)

    def _change(self, book: int, adjustment_id: str, decide: Callable[[Adjustment], bool], meta: Meta) -> Decided:
        for _ in range(TRIES):
            adjustment = self.find(book, adjustment_id)
            if not decide(adjustment):
                return Decided(adjustment, True)
            try:
                self._log.save(adjustment, book=book, meta=meta)
            except IntegrityError:
                continue
            return Decided(adjustment, False)
        raise DecidedMeanwhile(adjustment_id)

    def _check_effective(self, book: int, effective_at: datetime, now: datetime) -> None:
        if effective_at > now:
            message = f"effective_at: {effective_at.isoformat()} is in the future; approve it then"
            raise AdjustmentInFuture(message, "effective_at")
        self._check_open(book, effective_at)

    def _check_open(self, book: int, effective_at: datetime) -> None:
        """What closes between this look and the posting is no harm: the engine posts a late fact in the open period."""
        found = closings(self._log, book)
        if found and effective_at < closed_until(found[-1].through):
            closed = f"lies in a period that is closed through {found[-1].through}; propose it for an open one"
            message = f"effective_at: {effective_at.isoformat()} {closed}"
            raise AdjustmentInClosedPeriod(message, "effective_at")
