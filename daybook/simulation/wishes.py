"""What the people behind an order want, from a seed and the order's id alone: in whatever order orders come."""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

CARDS: Final = ("tok_visa", "tok_mastercard", "tok_amex", "tok_maestro")
REFUSED: Final = (
    "tok_insufficient_funds",
    "tok_do_not_honour",
    "tok_issuer_unavailable",
    "tok_try_again_later",
    "tok_card_declined",
    "tok_expired_card",
    "tok_stolen_card",
)
CHALLENGED: Final = ("tok_3ds", "tok_3ds_mastercard", "tok_3ds_insufficient_funds", "tok_3ds_frictionless")
PAYS: Final = "DE89370400440532013000"
BROKE: Final = (
    "DE83999000000000009101",
    "DE07999000000000009111",
    "DE50999000000000009404",
    "DE93999000000000009406",
    "DE93999000000000009503",
)
"""Debtors of the simulator's bank that are rejected, or whose money goes back."""
WAYS: Final = (("card", 58), ("refused", 6), ("challenged", 9), ("held", 11), ("debit", 9), ("transfer", 7))
"""How many orders in a hundred are paid how."""
ACTS: Final = {
    "challenged": (("approve", 75), ("decline", 15), ("ignore", 10)),
    "held": (("capture", 50), ("part", 20), ("cancel", 20), ("ignore", 10)),
    "transfer": (("exact", 70), ("less", 10), ("twice", 10), ("ignore", 10)),
}
"""What people then do: the payer, or for a hold the shop."""


class Wish(NamedTuple):
    """How an order is paid, and what is done about it later ("" where nothing is to be)."""

    way: str
    act: str
    asked: dict[str, Any]
    """Members of the order that follow from it."""


def wish(seed: int, order_id: str) -> Wish:
    """The wish of one order."""
    dice = _Dice(f"{seed}/{order_id}")
    way = dice.pick(WAYS)
    act = dice.pick(ACTS[way]) if way in ACTS else ""
    return Wish(way, act, _asked(way, order_id, dice))


def _asked(way: str, order_id: str, dice: _Dice) -> dict[str, Any]:
    if way == "transfer":
        return {"rail": "sepa", "method": "bank_transfer", "currency": "EUR"}
    if way == "debit":
        iban = BROKE[dice.below(len(BROKE))] if dice.below(100) < 20 else PAYS
        mandate = {"reference": f"M-{order_id[:8]}", "signed_on": "2026-01-02"}
        payer = {"name": "Ada Byron", "iban": iban, "mandate": mandate}
        return {"rail": "sepa", "method": "direct_debit", "currency": "EUR", "payer": payer}
    tokens = {"refused": REFUSED, "challenged": CHALLENGED}.get(way, CARDS)
    token = f"{tokens[dice.below(len(tokens))]}.{order_id[:13]}"
    asked = {"rail": "auto" if dice.below(2) else "simulated", "payment_token": token}
    return asked | ({"capture_mode": "manual"} if way == "held" else {})


class _Dice:
    """Numbers that follow from a text."""

    def __init__(self, text: str) -> None:
        self._text, self._thrown = text, 0

    def below(self, limit: int) -> int:
        self._thrown += 1
        return int.from_bytes(hashlib.sha256(f"{self._text}/{self._thrown}".encode()).digest()[:8]) % limit

    def pick(self, shares: tuple[tuple[str, int], ...]) -> str:
        left = self.below(sum(share for _, share in shares))
        for name, share in shares:
            left -= share
            if left < 0:
                return name
        raise AssertionError("shares are counted above")
