"""What becomes of a direct debit, as data: the debtor's account tells. README.md of the simulator holds the same table.

Reason codes are those of ISO 20022's external code list, as SEPA's rulebook uses them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from rails.simulator.bank.iban import iban


@dataclass(frozen=True, slots=True)
class Fate:
    """Rejected at once when `days` is None; else collected, and returned that many days after."""

    reason: str
    days: int | None


REASONS: Final = {
    "AC01": "the account number is incorrect",
    "AC04": "the account is closed",
    "AC06": "the account is blocked",
    "AG01": "direct debits are forbidden on this account",
    "AM04": "there are not sufficient funds on the account",
    "MD01": "there is no mandate",
    "MD06": "the debtor asked for the money back",
    "MD07": "the debtor has died",
    "MS02": "the debtor refused",
    "MS03": "no reason was given",
}
FATES: Final = {
    iban("0000009101"): Fate("AC01", None),
    iban("0000009104"): Fate("AC04", None),
    iban("0000009111"): Fate("AG01", None),
    iban("0000009201"): Fate("MD01", None),
    iban("0000009304"): Fate("AC04", 2),
    iban("0000009306"): Fate("AC06", 2),
    iban("0000009404"): Fate("AM04", 2),
    iban("0000009406"): Fate("MD06", 5),
    iban("0000009407"): Fate("MD07", 2),
    iban("0000009502"): Fate("MS02", 3),
    iban("0000009503"): Fate("MS03", 3),
}
"""Accounts that have a fate. Every other account pays."""
USUAL_DAYS: Final = {"MD06": 5, "MS02": 3, "MS03": 3}
RETURNS: Final = tuple(reason for reason in REASONS if reason not in ("AC01", "AG01", "MD01"))
"""Reasons that a plan can spread over direct debits at a rate."""


def fate(debtor_iban: str, end_to_end_id: str, seed: int, rates: dict[str, float]) -> Fate | None:
    """What is to happen; None when the debtor simply pays. The plan's part is decided by its seed and the id alone."""
    known = FATES.get(debtor_iban)
    if known is not None or not rates:
        return known
    draw = int.from_bytes(hashlib.sha256(f"{seed}\nreturn\n{end_to_end_id}".encode()).digest()[:8], "big") / 2**64
    for reason in RETURNS:
        draw -= rates.get(reason, 0.0)
        if draw < 0:
            return Fate(reason, USUAL_DAYS.get(reason, 2))
    return None
