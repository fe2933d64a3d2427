"""What goes wrong in a simulation, by level: the plan that the simulator is given."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

MONEY: Final = ("authorise", "capture")
ASKED: Final = ("void", "inquiry", "settlement", "direct_debit", "notification")
ON_THE_WIRE: Final = {
    "no_reply_before": 0.107,
    "no_reply_after": 0.107,
    "server_error_after": 0.107,
    "truncated_reply": 0.107,
    "reset_after": 0.107,
    "slow_drip": 0.107,
    "server_error_before": 0.015,
    "reset_before": 0.015,
    "hang_up_before": 0.015,
    "hang_up_after": 0.015,
    "broken_json": 0.015,
}
"""Each way in which a call can fail befalls a tenth of them at least: time-outs before and after the effect, 5xx,
broken reply, reset, slow drip; its variants are there as well. A little more than a tenth, because a fault counts where
it changes something: what was done already is not done wrongly again."""
IN_THE_BOOKS: Final = {"late_success": 0.13, "wrong_amount": 0.12}
LEVELS: Final = {"none": 0.0, "light": 0.1, "heavy": 1.0}
"""How much of these rates a level has. Without faults there are no outages either."""
SILENCE_S: Final = 3.0
DRIP_S: Final = 0.3
LATE_S: Final = 1_200
RETURNS: Final = {"AM04": 0.05, "MD06": 0.03, "MS02": 0.02}
OUTAGES: Final = (
    ("psp", timedelta(hours=3), timedelta(minutes=40)),
    ("bank", timedelta(hours=5), timedelta(hours=1)),
    ("psp", timedelta(hours=9), timedelta(minutes=90)),
    ("both", timedelta(hours=14), timedelta(minutes=40)),
    ("bank", timedelta(days=2), timedelta(hours=6)),
)
"""Whose, how long after the beginning, and for how long."""


def plan(level: str, seed: int, start: datetime) -> dict[str, Any]:
    """The body of the simulator's `POST /faults`. `level` is one of `LEVELS`."""
    share = LEVELS[level]
    wire = {name: rate * share for name, rate in ON_THE_WIRE.items()}
    books = {name: rate * share for name, rate in IN_THE_BOOKS.items()}
    return {
        "seed": seed,
        "rates": {**dict.fromkeys(MONEY, wire | books), **dict.fromkeys(ASKED, wire)} if share else {},
        "parameters": {
            "no_reply_before": {"seconds": SILENCE_S},
            "no_reply_after": {"seconds": SILENCE_S},
            "slow_drip": {"seconds": DRIP_S},
            "late_success": {"seconds": LATE_S},
        },
        "returns": RETURNS if share else {},
        "outages": [
            {"from": (start + after).isoformat(), "until": (start + after + time).isoformat(), "of": side}
            for side, after, time in (OUTAGES if share else ())
        ],
    }
