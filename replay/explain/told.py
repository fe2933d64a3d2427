"""What every explanation says of an event: where it is, when it was recorded, who caused it, by which versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from domain.lines import Line
from eventlog.recorded import Recorded


class Told(NamedTuple):
    """A row of the log with its event."""

    row: Recorded
    event: Any


class Source(msgspec.Struct, frozen=True):
    """Where an event is in the log (positions as text: they are beyond what JavaScript's numbers hold) and whose it is.

    `actor`, `correlation`, `causation`, `rule_version` and `code_version` are what its writer noted; empty where it
    noted nothing.
    """

    position: str
    stream_id: UUID
    version: int
    topic: str
    recorded_at: datetime
    actor: str = ""
    correlation: str = ""
    causation: str = ""
    rule_version: str = ""
    code_version: str = ""


class PostingLine(msgspec.Struct, frozen=True):
    """One wallet's part of a posting, in minor units: what it was debited or credited with."""

    wallet_id: UUID
    address: str
    currency: str
    debit_minor: int
    credit_minor: int


class PostingTold(msgspec.Struct, frozen=True):
    """A posting that an event caused: by which rule, with which lines, and what was noted on it."""

    posting_id: UUID
    reference: str
    rule: str
    effective_at: datetime
    lines: list[PostingLine]
    metadata: dict[str, str]
    source: Source


def source(told: Told) -> Source:
    """Where an event is and whose it is."""
    row = told.row
    names = ("actor", "correlation", "causation")
    noted = {name: row.meta.get(name, "") for name in names}
    versions = {"rule_version": row.meta.get("rule", ""), "code_version": row.meta.get("code", "")}
    return Source(str(row.position), row.stream_id, row.version, row.topic, row.recorded_at, **noted, **versions)


def posting_told(told: Told) -> PostingTold:
    """A recorded posting."""
    event = told.event
    return PostingTold(
        told.row.stream_id,
        event.reference,
        event.rule,
        event.effective_at,
        posting_lines(event.lines),
        event.metadata,
        source(told),
    )


def posting_lines(lines: Sequence[Line]) -> list[PostingLine]:
    """Lines as debits and credits."""
    return [
        PostingLine(line.wallet_id, line.address, line.currency, max(line.amount_minor, 0), max(-line.amount_minor, 0))
        for line in lines
    ]
