"""Parts of a payment order: an attempt is one try at one rail, a capture is one taking of money by an attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from domain.splitting import Share

AttemptState = Literal[
    "submitting",
    "requires_action",
    "pending",
    "authorized",
    "captured",
    "declined",
    "not_received",
    "voided",
    "expired",
]
UNDECIDED: Final = frozenset({"submitting", "requires_action", "pending"})
"""States of an attempt that a rail may still decide either way."""
CaptureState = Literal["requested", "captured", "failed", "returned"]
OF_THE_RAIL: Final = frozenset({"issuer_unavailable", "issuer_not_available", "processing_error", "try_again_later"})
"""Codes of declines that say nothing about the payer: something on the way to their bank failed, and such payments have
been known to succeed later."""
ELSEWHERE: Final = frozenset({"generic_decline", "do_not_honour", "do_not_honor"})
"""Codes of soft declines that another route to the same issuer may not meet. Those `OF_THE_RAIL` are none of these: a
success that comes after all would be a second charge."""
AUTO: Final = "auto"
"""What an order says instead of a rail's name when any may be asked; said of what it waits for, that none is left."""
RECHECK_AFTER: Final = timedelta(hours=1)
"""When a rail is asked once more about such a decline: late answers come within minutes, and the payer may by then have
paid in another way."""


@dataclass(slots=True)
class Attempt:
    """One try at one rail. `held_minor` is what of its authorisation still stands on the memo hold, in minor units."""

    number: int
    rail: str
    method: str
    amount_minor: int
    attempt_key: str
    details: dict[str, str]
    state: AttemptState = "submitting"
    authorized_minor: int = 0
    captured_minor: int = 0
    held_minor: int = 0
    capture_before: datetime | None = None
    rail_reference: str | None = None
    unknown_operation: str | None = None
    void_requested: bool = False
    decline_code: str | None = None
    decline_class: str | None = None
    action_url: str | None = None
    instructions: dict[str, str] = field(default_factory=dict)
    waits_until: datetime | None = None
    started_at: datetime | None = None
    doubted_at: datetime | None = None
    inquiries: int = 0
    next_inquiry_at: datetime | None = None
    not_found_at: datetime | None = None
    escalated: bool = False
    recheck_at: datetime | None = None

    @property
    def undecided(self) -> bool:
        """Whether its outcome is still to come."""
        return self.state in UNDECIDED


@dataclass(slots=True)
class Capture:
    """One taking of money, known by its own key (`capture_id`), from request to outcome."""

    capture_id: str
    attempt: int
    amount_minor: int
    final: bool
    state: CaptureState
    fingerprint: str = ""
    code: str | None = None
    effective_at: datetime | None = None
    shares: list[Share] = field(default_factory=list)
    funds_released: bool = False

    @property
    def taken(self) -> bool:
        """Whether money was taken, even if it went back since."""
        return self.state in ("captured", "returned")
