"""What calls are given besides plain values: lines, conditions, and keys."""

from __future__ import annotations

from typing import NotRequired, TypedDict
from uuid import UUID, uuid4

WalletName = str | UUID
"""A wallet by its id, or by its address; an address needs a currency beside it."""


class MoneyLine(TypedDict):
    """One wallet's part of a movement; `amount_minor` is signed minor units, + for a debit."""

    wallet: WalletName
    currency: str
    amount_minor: int


class Condition(TypedDict):
    """What must be true of a wallet right before a movement; exactly one of the three numbers.

    `at_least_minor` is about what is available, `exactly_minor` about the natural posted balance.
    """

    wallet: WalletName
    currency: NotRequired[str]
    at_least_minor: NotRequired[int]
    exactly_minor: NotRequired[int]
    version: NotRequired[int]


def key_of(key: str | UUID | None) -> str:
    """The Idempotency-Key of a call: the caller's, or a new one."""
    return str(key or uuid4())
