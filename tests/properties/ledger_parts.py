"""What the dict model of the ledger is told and tells: requests, answers, postings and arithmetic on their lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Asked = dict[str, Any]
Line = tuple[str, str, int]  # wallet, currency, minor units (+ = debit)

DONE = {
    "transfer": "posted", "post": "posted", "hold": "held", "commit": "committed", "void": "voided",
    "expire": "expired", "revert": "reverted", "open": "opened", "change": "changed", "metadata": "changed",
    "period": "closed", "watch": "created", "unwatch": "removed", "bulk": "applied",
}  # fmt: skip
FAILED = ("refused", "error")


@dataclass(frozen=True)
class Answer:
    """What is expected: `reasons` are the codes that a refusal may have, `after` the wallets touched (posted, held)."""

    status: str
    reasons: frozenset[str] = frozenset()
    after: dict[str, tuple[int, int]] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)
    items: tuple[Answer, ...] = ()
    replayed: bool = False


@dataclass
class Posting:
    """A request's record. `left` is what can still be reverted or committed, per line, with the line's sign."""

    lines: list[Line] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    effective_at: datetime | None = None
    hold: str = ""
    expires_at: datetime | None = None
    refused: bool = False


def take(posting: Posting, parts: Sequence[Line]) -> list[int] | None:
    """What is left per line once these parts are gone, the first lines first; None when there is not so much."""
    left = list(posting.left)
    for name, currency, amount in parts:
        for number, (holder, unit, _) in enumerate(posting.lines):
            if (holder, unit) == (name, currency) and left[number] * amount > 0:
                step = amount if abs(amount) < abs(left[number]) else left[number]
                left[number] -= step
                amount -= step
        if amount:
            return None
    return left


def part_of(posting: Posting, amount: int | None, too_much: str) -> list[Line] | str:
    """All that is left of a posting, or this much of one of two lines; a code where that cannot be."""
    left = posting.left
    if amount is not None:
        if len(posting.lines) != 2 or len({currency for _, currency, _ in posting.lines}) > 1:
            return "part_not_divisible"
        if amount > abs(left[0]):
            return too_much
        left = [amount if part > 0 else -amount for part in left]
    return [(name, currency, part) for (name, currency, _), part in zip(posting.lines, left, strict=True) if part]


def mistake(asked: Asked) -> str | None:
    """The code of what makes no sense whatever the books say."""
    if asked["op"] == "bulk":
        return next(filter(None, map(mistake, asked["items"])), None)
    if asked.get("amount") is not None and asked["amount"] <= 0:
        return "amount_not_positive"
    if (asked.get("limit") or 0) < 0:
        return "overdraft_limit_negative"
    sums: Counter[str] = Counter()
    for _, currency, amount in asked.get("lines") or ():
        sums[currency] += amount
    return "posting_unbalanced" if any(sums.values()) or asked.get("lines") == [] else None
