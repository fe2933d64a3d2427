"""The amounts at which the simulator misbehaves, as data. README.md of this folder holds the same table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Decline:
    """A refusal that is remembered: nothing moves, and inquiries tell of it."""

    code: str
    decline_class: str


HARD_DECLINE: Final = 66_601
SOFT_DECLINE: Final = 66_602
NO_REPLY_BEFORE_EFFECT: Final = 66_603
NO_REPLY_AFTER_EFFECT: Final = 66_604
SERVER_ERROR_BEFORE_EFFECT: Final = 66_605
SERVER_ERROR_AFTER_EFFECT: Final = 66_606
BROKEN_REPLY_AFTER_EFFECT: Final = 66_607

DECLINES: Final = {
    HARD_DECLINE: Decline("card_declined", "hard"),
    SOFT_DECLINE: Decline("insufficient_funds", "soft"),
}

FAILURES: Final = {
    NO_REPLY_BEFORE_EFFECT: "hang_up_before",
    NO_REPLY_AFTER_EFFECT: "hang_up_after",
    SERVER_ERROR_BEFORE_EFFECT: "server_error_before",
    SERVER_ERROR_AFTER_EFFECT: "server_error_after",
    BROKEN_REPLY_AFTER_EFFECT: "truncated_reply",
}
"""Faults of the catalogue in `faults/kinds.py`. Before the effect: every time, so that the operation never happens.
After: the first time only, so that sending the same key again, or asking, shows what was done."""
