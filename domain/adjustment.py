"""Adjustment: a movement that no fact and no request explains, written by one person and approved by another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Literal

import msgspec
from eventsourcing.domain import Aggregate

from domain.chart import account_kind
from domain.errors import RuleViolation
from domain.ids import canonical_uuid, stream_id
from domain.lines import check_balanced
from domain.money import check_amount, check_currency


class ReasonMissing(RuleViolation):
    """An adjustment is explained by nothing but its reason, so it needs one."""

    code: ClassVar[str] = "reason_missing"


class SelfApproval(RuleViolation):
    """Four eyes: whoever proposed an adjustment cannot approve it."""

    code: ClassVar[str] = "self_approval"


class AdjustmentAlreadyDecided(RuleViolation):
    """An adjustment is approved or rejected once, and never both."""

    code: ClassVar[str] = "adjustment_already_decided"


class AdjustmentLine(msgspec.Struct, frozen=True):
    """One account's part of an adjustment; + is a debit, in minor units."""

    address: str
    currency: str
    amount_minor: int


def _checked(lines: Sequence[AdjustmentLine]) -> list[AdjustmentLine]:
    for number, line in enumerate(lines):
        account_kind(line.address)
        check_currency(line.currency, f"lines.{number}.currency")
        check_amount(abs(line.amount_minor), f"lines.{number}.amount_minor")
    check_balanced(lines)
    return list(lines)


def _reason(reason: str) -> str:
    if not reason.strip():
        raise ReasonMissing("reason is needed: say why the books have to be adjusted", "reason")
    return reason


class Adjustment(Aggregate):
    """A proposal that becomes a fact by its approval; the posting engine posts it then like any other fact.

    It is a stream of its own and no request to the engine, because people decide it, in their own time.
    """

    TOPIC = "adjustment"

    class Event(Aggregate.Event):
        """Anything that happens to an adjustment."""

    class Proposed(Event, Aggregate.Created):
        """Somebody wants these lines posted; nothing has moved."""

        TOPIC = "adjustment.proposed.v1"
        adjustment_id: str
        lines: list[AdjustmentLine]
        reason: str
        proposed_by: str
        effective_at: datetime | None
        metadata: dict[str, str]
        fingerprint: str

    Created = Proposed

    class Approved(Event):
        """Somebody else agreed. A fact from now on: it says all that its posting needs."""

        TOPIC = "adjustment.approved.v1"
        adjustment_id: str
        approved_by: str
        lines: list[AdjustmentLine]
        effective_at: datetime
        reason: str

        def apply(self, aggregate: Adjustment) -> None:
            """Remember the decision."""
            aggregate.state = "approved"
            aggregate.decided_by = self.approved_by
            aggregate.effective_at = self.effective_at

    class Rejected(Event):
        """Nothing will be posted."""

        TOPIC = "adjustment.rejected.v1"
        rejected_by: str
        reason: str

        def apply(self, aggregate: Adjustment) -> None:
            """Remember the decision."""
            aggregate.state = "rejected"
            aggregate.decided_by = self.rejected_by
            aggregate.rejection_reason = self.reason

    def __init__(
        self,
        adjustment_id: str,
        lines: list[AdjustmentLine],
        reason: str,
        proposed_by: str,
        effective_at: datetime | None,
        metadata: dict[str, str],
        fingerprint: str,
    ) -> None:
        self.adjustment_id = adjustment_id
        self.lines = lines
        self.reason = reason
        self.proposed_by = proposed_by
        self.effective_at = effective_at
        self.metadata = metadata
        self.fingerprint = fingerprint
        self.state: Literal["proposed", "approved", "rejected"] = "proposed"
        self.decided_by: str | None = None
        self.rejection_reason: str | None = None

    @classmethod
    def propose(
        cls,
        *,
        book: int,
        adjustment_id: str,
        lines: Sequence[AdjustmentLine],
        reason: str,
        by: str,
        at: datetime,
        effective_at: datetime | None = None,
        metadata: dict[str, str] | None = None,
        fingerprint: str = "",
    ) -> Adjustment:
        """Propose a balanced movement over accounts of the chart, whatever their limits.

        Raises `NotAUuid`, `ReasonMissing`, `UnknownAccount`, `UnknownCurrency`, `PostingUnbalanced` and the refusals of
        an amount.
        """
        key = canonical_uuid(adjustment_id, "adjustment_id")
        return cls._create(
            cls.Proposed,
            id=stream_id(book, "adjustment", key),
            timestamp=at,
            adjustment_id=key,
            lines=_checked(lines),
            reason=_reason(reason),
            proposed_by=by,
            effective_at=effective_at,
            metadata=dict(metadata or {}),
            fingerprint=fingerprint,
        )

    def approve(self, *, by: str, at: datetime, effective_at: datetime | None = None) -> None:
        """Make it a fact; raises `AdjustmentAlreadyDecided`, `SelfApproval`.

        It takes effect when its proposal says, since that is what was looked at; where the proposal names no moment, at
        `effective_at`, else at `at`.
        """
        self._check_undecided()
        if by == self.proposed_by:
            raise SelfApproval(f"{by} proposed this adjustment; somebody else has to approve it", "approved_by")
        self.trigger_event(
            self.Approved,
            timestamp=at,
            adjustment_id=self.adjustment_id,
            approved_by=by,
            lines=self.lines,
            effective_at=self.effective_at or effective_at or at,
            reason=self.reason,
        )

    def reject(self, *, by: str, reason: str, at: datetime) -> None:
        """Turn it down, or take one's own back; raises `AdjustmentAlreadyDecided`, `ReasonMissing`."""
        self._check_undecided()
        self.trigger_event(self.Rejected, timestamp=at, rejected_by=by, reason=_reason(reason))

    def _check_undecided(self) -> None:
        if self.state != "proposed":
            raise AdjustmentAlreadyDecided(f"adjustment {self.adjustment_id} is {self.state} already")
