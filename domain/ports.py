"""What the domain asks of the world outside: interfaces only, so that use cases meet adapters without importing
them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable
from uuid import UUID


@runtime_checkable
class Clock(Protocol):
    """Tells the time, so that nothing in the books depends on when a test runs or a replay is made."""

    def now(self) -> datetime:
        """The present moment, with a time zone."""
        ...


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """A wish to move money between two wallets of one book; debits `source`, credits `destination`, in minor units."""

    book: int
    reference: str
    source: str
    destination: str
    amount_minor: int
    currency: str
    fingerprint: str
    effective_at: datetime | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LedgerReply:
    """The posting engine's answer: the posting's id, and the rule that refused it (`code`, `detail`) if one did."""

    posting_id: UUID
    code: str | None = None
    detail: str | None = None
    replayed: bool = False


class Ledger(Protocol):
    """The posting engine as use cases see it; requests are answered in order, once they are durable."""

    def requests(self, requests: Sequence[TransferRequest]) -> list[LedgerReply]:
        """Post each request or record its refusal."""
        ...
