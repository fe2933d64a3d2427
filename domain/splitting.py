"""Who of an order's sellers gets what: the due list at creation, and the shares of each capture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from domain.errors import RuleViolation
from domain.ids import canonical_uuid
from domain.money import allocate, share_half_even


class SplitsDoNotSum(RuleViolation):
    """What is due to the sellers is not the order's amount, so money would have no owner or two."""

    code: ClassVar[str] = "splits_do_not_sum"


class SplitNegative(RuleViolation):
    """A seller cannot be due less than nothing."""

    code: ClassVar[str] = "split_negative"


class SellerMissing(RuleViolation):
    """An order without splits needs a merchant, who is then its one seller."""

    code: ClassVar[str] = "seller_missing"


class Split(msgspec.Struct, frozen=True):
    """What is due to one seller of an order, in minor units."""

    seller_id: str
    amount_minor: int


class Share(msgspec.Struct, frozen=True):
    """One seller's part of a capture: gross, and the platform's commission taken out of it, in minor units."""

    seller_id: str
    gross_minor: int
    commission_minor: int

    @property
    def net_minor(self) -> int:
        """What the seller is owed."""
        return self.gross_minor - self.commission_minor


def due_list(amount_minor: int, splits: Sequence[Split], merchant_id: str | None) -> list[Split]:
    """One entry per seller, sorted by seller id; without splits the order's merchant is due everything.

    Several splits of one seller (one per item) are added up. Raises `SplitsDoNotSum`, `SplitNegative`, `SellerMissing`,
    `NotAUuid`.
    """
    if not splits:
        if merchant_id is None:
            raise SellerMissing("merchant_id is needed when splits name no seller", "merchant_id")
        return [Split(merchant_id, amount_minor)]
    due: dict[str, int] = defaultdict(int)
    for split in splits:
        if split.amount_minor < 0:
            raise SplitNegative(f"splits must be zero or more minor units, not {split.amount_minor}", "splits")
        due[canonical_uuid(split.seller_id, "splits.seller_id")] += split.amount_minor
    total = sum(due.values())
    if total != amount_minor:
        message = f"splits sum to {total} but amount_minor is {amount_minor}; make them equal"
        raise SplitsDoNotSum(message, "splits")
    return [Split(seller_id, due[seller_id]) for seller_id in sorted(due)]


def divide(amount_minor: int, due: Sequence[Split], commission_bps: int) -> list[Share]:
    """Divide one capture over the sellers by what is due to each, and take the commission from each share.

    Largest remainder, ties to the lowest seller id (`due` is sorted); commission half-even per share. Sellers whose
    share is nothing are left out, so a capture of zero has no shares.
    """
    if amount_minor == 0:
        return []
    parts = allocate(amount_minor, [split.amount_minor for split in due])
    return [
        Share(split.seller_id, part, share_half_even(part, commission_bps))
        for split, part in zip(due, parts, strict=True)
        if part
    ]
