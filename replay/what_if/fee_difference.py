"""What commissions would have been: shares are kept as they were divided, and charged anew.

A commission is given back with the share that it was taken of when a payment goes back, so what went back is charged as
its capture was, and subtracted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from domain.evidence_events import PaymentReturned
from domain.money import share_half_even
from domain.payment_events import Captured
from domain.splitting import Share
from projections.view import Fact
from replay.compare import Cause
from replay.what_if.changes import EVERYBODY, FAILURES, CommissionRule, checked_bps
from replay.what_if.reading import CAUSES_KEPT, Told, refused


class Seller(NamedTuple):
    """A seller of a book in one currency."""

    book: int
    seller_id: str
    currency: str


CaptureOf = Callable[[Fact], Any]
"""The capture that an event says has gone back."""


@dataclass
class FeeDifference:
    """A seller's commissions over the whole history, as they were kept and as they would have been; minor units.

    `captures` and `events` count shares of captures; what went back is in the amounts alone.
    """

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

    topics: Collection[str] = (Captured.TOPIC, PaymentReturned.TOPIC)

    def __init__(
        self, module: str, rule: CommissionRule | None, fees: Mapping[str, int] | None, capture_of: CaptureOf
    ) -> None:
        """A rule is asked about captures alone: `capture_of` finds the one that something has gone back of."""
        self._who = f"{'FEES' if rule is None else 'commission_bps'} of {module}"
        self._rule, self._fees, self._capture_of = rule, fees or {}, capture_of
        self._sellers: dict[Seller, FeeDifference] = {}

    def take(self, page: Sequence[Told]) -> None:
        """Raises EventRefused where the rule fails or gives no basis points."""
        for told in page:
            for share in told.fact.event.shares:
                try:
                    commission = self._commission(told, share)
                except FAILURES as problem:
                    raise refused(self._who, told, problem) from problem
                self._note(told, share, commission)

    def _commission(self, told: Told, share: Share) -> int:
        """A table says nothing about a seller that it does not name: the commission stays what it was."""
        event = told.fact.event
        if self._rule is not None:
            capture = event if isinstance(event, Captured) else self._capture_of(told.fact)
            return share_half_even(share.gross_minor, checked_bps(self._rule(capture, told.fact.book)))
        for name in (share.seller_id, event.currency, EVERYBODY):
            if name in self._fees:
                return share_half_even(share.gross_minor, self._fees[name])
        return share.commission_minor

    def _note(self, told: Told, share: Share, commission_minor: int) -> None:
        seller = Seller(told.fact.book, share.seller_id, told.fact.event.currency)
        known = self._sellers.get(seller)
        if known is None:
            known = self._sellers[seller] = FeeDifference(seller)
        taken = told.topic == Captured.TOPIC
        sign = 1 if taken else -1
        known.captures += taken
        known.gross_minor += sign * share.gross_minor
        known.before_minor += sign * share.commission_minor
        known.after_minor += sign * commission_minor
        if taken and commission_minor != share.commission_minor:
            known.event_count += 1
            if len(known.events) < CAUSES_KEPT:
                known.events.append(told.cause)

    def result(self) -> list[FeeDifference]:
        """Every seller that was charged, in order, also those for whom nothing would change."""
        return [known for _, known in sorted(self._sellers.items())]
