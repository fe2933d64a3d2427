"""Lines: the parts of a posting, and what can be worked out from them without asking anything else.

A reversal, a commit and a reservation are arithmetic on lines. They are pure functions here, so that the posting
engine, which builds its events without aggregates, and the aggregate, which checks them, cannot disagree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol
from uuid import UUID

import msgspec

from domain.chart import DEBIT_KINDS
from domain.errors import RuleViolation
from domain.money import check_amount


class PostingUnbalanced(RuleViolation):
    """The lines of a posting do not sum to zero in each currency, or there are none."""

    code: ClassVar[str] = "posting_unbalanced"


class PartNotDivisible(RuleViolation):
    """One amount cannot say what part of this posting is meant: only two lines in one currency can be divided so."""

    code: ClassVar[str] = "part_not_divisible"


class NothingToRevert(RuleViolation):
    """A refused request, a hold and a posting without lines moved no money, so there is nothing to take back."""

    code: ClassVar[str] = "nothing_to_revert"


class AlreadyReverted(RuleViolation):
    """All of the posting was taken back before; taking it back again would move money that it never moved."""

    code: ClassVar[str] = "already_reverted"


class ReversalExceedsPosting(RuleViolation):
    """All reversals of a posting together take back at most what it moved."""

    code: ClassVar[str] = "reversal_exceeds_posting"


class HoldNotPending(RuleViolation):
    """The hold was committed in full, voided or has expired: it reserves nothing any more."""

    code: ClassVar[str] = "hold_not_pending"


class CommitExceedsHold(RuleViolation):
    """All commits of a hold together post at most what it reserved, to the same wallets and in the same direction."""

    code: ClassVar[str] = "commit_exceeds_hold"


class AmountOrLines(RuleViolation):
    """What to commit is said by an amount or by lines, never by both, since they could contradict each other."""

    code: ClassVar[str] = "amount_or_lines"


class Line(msgspec.Struct, frozen=True):
    """One wallet's part of a posting, in minor units, + for a debit."""

    wallet_id: UUID
    address: str
    currency: str
    amount_minor: int


class Weighed(Protocol):
    """Anything that has an amount of a currency, so that drafts, proposals and postings balance by one rule."""

    @property
    def currency(self) -> str: ...

    @property
    def amount_minor(self) -> int: ...


def check_balanced(lines: Sequence[Weighed]) -> None:
    """Raise `PostingUnbalanced` unless there are lines and each currency sums to zero."""
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[line.currency] += line.amount_minor
    if lines and not any(sums.values()):
        return
    wrong = {currency: total for currency, total in sums.items() if total}
    if wrong or not lines:
        raise PostingUnbalanced(f"lines must sum to zero per currency; they leave {wrong or 'nothing'}", "lines")


def reserved_minor(line: Line, account_kind: str) -> int:
    """What a line of a hold takes off its wallet's available balance: never negative, zero for what would raise it."""
    change = line.amount_minor if account_kind in DEBIT_KINDS else -line.amount_minor
    return -change if change < 0 else 0


def reversal_lines(lines: Sequence[Line], already_reverted: Sequence[int], amount_minor: int | None) -> list[Line]:
    """Lines of the posting that takes back the whole rest of `lines`, or `amount_minor` of a posting of two lines.

    `already_reverted` has one number per line, with the line's own sign. Raises `NothingToRevert`, `AlreadyReverted`,
    `PartNotDivisible`, `ReversalExceedsPosting` and the refusals of an amount.
    """
    left = [line.amount_minor - taken for line, taken in zip(lines, already_reverted, strict=True)]
    if not any(line.amount_minor for line in lines):
        raise NothingToRevert("this posting moved no money; there is nothing to revert")
    if not any(left):
        raise AlreadyReverted("this posting was reverted in full; look at the reversals it names")
    if amount_minor is not None:
        part = _part_of_two(lines, left, amount_minor)
        if part is None:
            message = f"amount_minor {amount_minor} is more than the {abs(left[0])} minor units left to revert"
            raise ReversalExceedsPosting(message, "amount_minor")
        left = part
    return _with_amounts(lines, [-amount for amount in left])


def reverted_after(lines: Sequence[Line], already_reverted: Sequence[int], reversal: Iterable[Line]) -> list[int]:
    """`already_reverted` after one more reversal (its lines as it posted them), per line with the line's own sign.

    Raises `ReversalExceedsPosting` when the reversal takes back what the posting did not move.
    """
    left = [line.amount_minor - taken for line, taken in zip(lines, already_reverted, strict=True)]
    rest, too_much = _take(lines, left, [(line, -line.amount_minor) for line in reversal])
    if too_much is not None:
        raise ReversalExceedsPosting(f"wallet {too_much.wallet_id} has less than that left to revert", "lines")
    return [line.amount_minor - amount for line, amount in zip(lines, rest, strict=True)]


def commit_lines(
    hold_lines: Sequence[Line], remaining: Sequence[int], amount_minor: int | None, lines: Sequence[Line] | None
) -> list[Line]:
    """Lines that a commit posts: all that remains of a hold, `amount_minor` of one of two lines, or lines asked for.

    Lines asked for must balance, and go to wallets of the hold in the hold's direction; where the hold names a wallet
    several times, its lines count together. Their addresses are taken from the hold. `remaining` has one number per
    line with the line's own sign. Raises `HoldNotPending`, `CommitExceedsHold`, `PartNotDivisible`,
    `PostingUnbalanced`, `AmountOrLines` and the refusals of an amount.
    """
    if not any(remaining):
        raise HoldNotPending("nothing of this hold remains; place a new one")
    if lines is not None:
        if amount_minor is not None:
            raise AmountOrLines("send amount_minor or lines, not both", "lines")
        return _lines_within(hold_lines, remaining, lines)
    if amount_minor is None:
        return _with_amounts(hold_lines, remaining)
    part = _part_of_two(hold_lines, remaining, amount_minor)
    if part is None:
        message = f"amount_minor {amount_minor} is more than the {abs(remaining[0])} minor units left of the hold"
        raise CommitExceedsHold(message, "amount_minor")
    return _with_amounts(hold_lines, part)


def remaining_after(hold_lines: Sequence[Line], remaining: Sequence[int], committed: Iterable[Line]) -> list[int]:
    """`remaining` after a commit that posted these lines, per line with the line's own sign; `CommitExceedsHold`."""
    rest, too_much = _take(hold_lines, remaining, [(line, line.amount_minor) for line in committed])
    if too_much is not None:
        message = (
            f"lines: {too_much.amount_minor} {too_much.currency} for wallet {too_much.wallet_id} is not in what is "
            "left of the hold; keep to its wallets, signs and amounts"
        )
        raise CommitExceedsHold(message, "lines")
    return rest


def remaining_lines(hold_lines: Sequence[Line], remaining: Sequence[int]) -> list[Line]:
    """What a hold still reserves, as lines: what voiding or expiry gives back. Empty when nothing remains."""
    return _with_amounts(hold_lines, remaining)


def _lines_within(hold_lines: Sequence[Line], remaining: Sequence[int], lines: Sequence[Line]) -> list[Line]:
    for line in lines:
        check_amount(abs(line.amount_minor), "lines.amount_minor")
    check_balanced(lines)
    remaining_after(hold_lines, remaining, lines)
    addresses = {line.wallet_id: line.address for line in hold_lines}
    return [Line(line.wallet_id, addresses[line.wallet_id], line.currency, line.amount_minor) for line in lines]


def _with_amounts(lines: Sequence[Line], amounts: Sequence[int]) -> list[Line]:
    return [
        Line(line.wallet_id, line.address, line.currency, amount)
        for line, amount in zip(lines, amounts, strict=True)
        if amount
    ]


def _part_of_two(lines: Sequence[Line], left: Sequence[int], amount_minor: int) -> list[int] | None:
    """`amount_minor` with the signs of what is left of two lines; None when that is less."""
    check_amount(amount_minor)
    if len(lines) != 2 or lines[0].currency != lines[1].currency:
        message = "amount_minor can name a part only of a posting with two lines in one currency; leave it out"
        raise PartNotDivisible(message, "amount_minor")
    if amount_minor > abs(left[0]):
        return None
    return [amount_minor if amount > 0 else -amount_minor for amount in left]


def _take(
    lines: Sequence[Line], left: Sequence[int], parts: Iterable[tuple[Line, int]]
) -> tuple[list[int], Line | None]:
    """What is left per line once the parts are taken, first lines first; also the first part that does not fit."""
    rest = list(left)
    places: dict[tuple[UUID, str], list[int]] = defaultdict(list)
    for index, line in enumerate(lines):
        places[line.wallet_id, line.currency].append(index)
    for part, wanted in parts:
        for index in places.get((part.wallet_id, part.currency), ()):
            if rest[index] * wanted > 0:
                step = wanted if abs(wanted) < abs(rest[index]) else rest[index]
                rest[index] -= step
                wanted -= step
        if wanted:
            return rest, part
    return rest, None
