"""The amounts at which the simulator misbehaves, as data. README.md of this folder holds the same table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Fault(Enum):
    """How a connection goes wrong, whatever was decided about the money."""

    NO_REPLY = "connection closed without a reply"
    BROKEN_REPLY = "reply cut off in the middle"
    SERVER_ERROR = "status 500"


@dataclass(frozen=True, slots=True)
class Decline:
    """A refusal that is remembered: nothing moves, and inquiries tell of it."""

    code: str
    decline_class: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A fault, before or after the money moved.

    Before: every time, so that the operation never happens. After: the first time only, so that sending the same key
    again, or asking, shows what was done.
    """

    fault: Fault
    after_effect: bool


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
    NO_REPLY_BEFORE_EFFECT: Failure(Fault.NO_REPLY, after_effect=False),
    NO_REPLY_AFTER_EFFECT: Failure(Fault.NO_REPLY, after_effect=True),
    SERVER_ERROR_BEFORE_EFFECT: Failure(Fault.SERVER_ERROR, after_effect=False),
    SERVER_ERROR_AFTER_EFFECT: Failure(Fault.SERVER_ERROR, after_effect=True),
    BROKEN_REPLY_AFTER_EFFECT: Failure(Fault.BROKEN_REPLY, after_effect=True),
}
