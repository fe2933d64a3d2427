"""What commissions would have been: each capture's shares are kept as they were divided, and charged anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.book import check_commission
from domain.money import share_half_even
from domain.payment_events import Captured
from domain.splitting import Share
from replay.compare import Cause
from replay.what_if.changes import EVERYBODY, CommissionRule
from replay.what_if.reading import CAUSES_KEPT, Told, refused


class Seller(NamedTuple):
    """A seller of a book in one currency."""

    book: int
    seller_id: str
    currency: str


@dataclass
class FeeDifference:
    """A seller's commissions over the whole history, as they were taken and as they would have been; minor units."""

    seller: Seller
    captures: int = 0
    gross_minor: int = 0
    before_minor: int = 0
    after_minor: int = 0
    events: list[Cause] = field(default_factory=list)
    event_count: int = 0

    @property
    def difference_minor(self) -> int:
        return self.after_minor - self.before_minor


class FeeComparison:
    """Charges every share of every capture anew; a listener of the pass."""

    topics: Collection[str] = (Captured.TOPIC,)

    def __init__(self, module: str, rule: CommissionRule | None, fees: Mapping[str, int] | None) -> None:
        self._who = f"{'FEES' if rule is None else 'commission_bps'} of {module}"
        self._rule, self._fees = rule, fees or {}
        self._sellers: dict[Seller, FeeDifference] = {}

    def take(self, page: Sequence[Told]) -> None:
        """Raises EventRefused where the rule fails or gives no basis points."""
        for told in page:
            for share in told.fact.event.shares:
                try:
                    commission = self._commission(told, share)
                except Exception as problem:
                    raise refused(self._who, told, problem) from problem
                self._note(told, share, commission)

    def _commission(self, told: Told, share: Share) -> int:
        """A table says nothing about a seller that it does not name: the commission stays what it was."""
        event = told.fact.event
        if self._rule is not None:
            return share_half_even(share.gross_minor, check_commission(self._rule(event, told.fact.book)))
        for name in (share.seller_id, event.currency, EVERYBODY):
            if name in self._fees:
                return share_half_even(share.gross_minor, self._fees[name])
        return share.commission_minor

    def _note(self, told: Told, share: Share, commission_minor: int) -> None:
        seller = Seller(told.fact.book, share.seller_id, told.fact.event.currency)
        known = self._sellers.get(seller)
        if known is None:
            known = self._sellers[seller] = FeeDifference(seller)
        known.captures += 1
        known.gross_minor += share.gross_minor
        known.before_minor += share.commission_minor
        known.after_minor += commission_minor
        if commission_minor != share.commission_minor:
            known.event_count += 1
            if len(known.events) < CAUSES_KEPT:
                known.events.append(told.cause)

    def result(self) -> list[FeeDifference]:
        """Every seller that was charged, in order, also those for whom nothing would change."""
        return [known for _, known in sorted(self._sellers.items())]
