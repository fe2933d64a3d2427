"""The catalogue of faults, as data. README.md of the simulator holds the same table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from rails.simulator.problem import invalid

GREATEST_WAIT_SECONDS: Final = 600.0
GREATEST_LATENESS_SECONDS: Final = 30 * 86_400.0
HEADER: Final = "X-Fault"


class Manner(Enum):
    """What goes wrong: the line, the reply, or the books themselves."""

    SILENCE = "no reply while the client waits"
    HANG_UP = "connection closed without a reply"
    RESET = "connection reset"
    SERVER_ERROR = "a status of the 500s"
    BROKEN = "a whole reply that cannot be read"
    TRUNCATED = "a reply cut off in the middle"
    DRIP = "a reply byte by byte"
    LATE = "declined, and done later"
    AMOUNT = "another amount is booked and told"


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault of the catalogue. `seconds` is what it takes when nobody says how long."""

    name: str
    manner: Manner
    after_effect: bool
    seconds: float = 0.0

    @property
    def is_of_the_books(self) -> bool:
        """It changes what is booked and not how the reply arrives, so that only payments know it."""
        return self.manner in (Manner.LATE, Manner.AMOUNT)


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("no_reply_before", Manner.SILENCE, after_effect=False, seconds=60.0),
        Kind("no_reply_after", Manner.SILENCE, after_effect=True, seconds=60.0),
        Kind("hang_up_before", Manner.HANG_UP, after_effect=False),
        Kind("hang_up_after", Manner.HANG_UP, after_effect=True),
        Kind("reset_before", Manner.RESET, after_effect=False),
        Kind("reset_after", Manner.RESET, after_effect=True),
        Kind("server_error_before", Manner.SERVER_ERROR, after_effect=False),
        Kind("server_error_after", Manner.SERVER_ERROR, after_effect=True),
        Kind("broken_json", Manner.BROKEN, after_effect=True),
        Kind("truncated_reply", Manner.TRUNCATED, after_effect=True),
        Kind("slow_drip", Manner.DRIP, after_effect=True, seconds=10.0),
        Kind("late_success", Manner.LATE, after_effect=True, seconds=60.0),
        Kind("wrong_amount", Manner.AMOUNT, after_effect=True),
    )
}
"""The order is part of the seeded decision: a new fault goes to the end."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as it is to be played.

    `status` is of server errors, `by_minor` is what `wrong_amount` adds (None: one unit less, or one more of one).
    """

    kind: Kind
    seconds: float
    status: int = 500
    by_minor: int | None = None


def fault(name: str, parameters: dict[str, str] | None = None, field: str = HEADER) -> Fault:
    """A fault by its name, with parameters as text. Raises `Problem` 400 naming `field`."""
    kind = KINDS.get(name)
    if kind is None:
        raise invalid(field, f"names the fault {name!r}: use one of {', '.join(KINDS)}")
    given = parameters or {}
    allowed = _parameters(kind)
    for parameter in given:
        if parameter not in allowed:
            raise invalid(field, f"gives {parameter!r}, which {name} does not take: {', '.join(allowed) or 'nothing'}")
    greatest = GREATEST_LATENESS_SECONDS if kind.manner is Manner.LATE else GREATEST_WAIT_SECONDS
    return Fault(
        kind,
        _number(given, "seconds", kind.seconds, 0.0, greatest, field),
        int(_number(given, "status", 500, 500, 599, field)),
        int(_number(given, "by_minor", 0, -(10**15), 10**15, field)) or None,
    )


def from_header(header: str) -> Fault:
    """`X-Fault: no_reply_after;seconds=5`. Raises `Problem` 400."""
    name, *parameters = (part.strip() for part in header.split(";"))
    pairs = [parameter.partition("=") for parameter in parameters if parameter]
    return fault(name, {key.strip(): value.strip() for key, _, value in pairs})


def _parameters(kind: Kind) -> tuple[str, ...]:
    if kind.manner in (Manner.SILENCE, Manner.DRIP, Manner.LATE):
        return ("seconds",)
    if kind.manner is Manner.SERVER_ERROR:
        return ("status",)
    return ("by_minor",) if kind.manner is Manner.AMOUNT else ()


def _number(given: dict[str, str], name: str, usual: float, least: float, greatest: float, field: str) -> float:
    try:
        value = float(given.get(name, usual))
    except ValueError:
        value = float("nan")
    if not least <= value <= greatest:
        raise invalid(field, f"gives {name}={given[name]}: it must be a number from {least:g} to {greatest:g}")
    return value
