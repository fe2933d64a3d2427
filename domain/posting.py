"""Posting: one balanced movement over several wallets, or the record that a request for one was refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.errors import RuleViolation
from domain.ids import stream_id


class PostingUnbalanced(RuleViolation):
    """The lines of a posting do not sum to zero in each currency, or there are none."""

    code: ClassVar[str] = "posting_unbalanced"


@dataclass(frozen=True, slots=True)
class Line:
    """One wallet's part of a posting, in minor units, + for a debit."""

    wallet_id: UUID
    address: str
    currency: str
    amount_minor: int


def check_balanced(lines: Sequence[Line]) -> None:
    """Raise `PostingUnbalanced` unless there are lines and each currency sums to zero."""
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[line.currency] += line.amount_minor
    wrong = {currency: total for currency, total in sums.items() if total}
    if wrong or not lines:
        raise PostingUnbalanced(f"lines must sum to zero per currency; they leave {wrong or 'nothing'}", "lines")


class Posting(Aggregate):
    """A movement known by its reference; the reference is its stream key, so nothing is posted twice."""

    TOPIC = "posting"

    class Event(Aggregate.Event):
        """Anything that happens to a posting."""

    class Recorded(Event, Aggregate.Created):
        """The movement was made; each line is a `wallet.posted` event of the same commit."""

        TOPIC = "posting.recorded.v1"
        reference: str
        rule: str
        cause_position: int | None
        effective_at: datetime
        lines: list[Line]
        metadata: dict[str, str]
        fingerprint: str | None

        def apply(self, aggregate: Posting) -> None:
            """Take over what only a recorded posting has."""
            aggregate.effective_at = self.effective_at
            aggregate.cause_position = self.cause_position
            aggregate.metadata = self.metadata

    class Refused(Event, Aggregate.Created):
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
            aggregate.refusal_code = self.code
            aggregate.refusal_detail = self.detail

    Created = Recorded

    def __init__(self, reference: str, rule: str, lines: list[Line], fingerprint: str | None) -> None:
        self.reference = reference
        self.rule = rule
        self.lines = lines
        self.fingerprint = fingerprint
        self.effective_at: datetime | None = None
        self.cause_position: int | None = None
        self.metadata: dict[str, str] = {}
        self.refusal_code: str | None = None
        self.refusal_detail: str | None = None

    @property
    def refused(self) -> bool:
        """Whether this is the record of a refusal."""
        return self.refusal_code is not None

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
