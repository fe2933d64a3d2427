"""Which rail is asked for an order that leaves the choice to us. Pure: facts about rails come in, an order comes out.

A rail is offered when it takes the method, the currency and the payer's token, and was not asked before. Of those,
rails that answer come before rails that are held to be down, cheap ones before dear ones; the name decides the rest, so
that the same facts give the same choice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from rails.port import Capabilities, Takes

BPS: Final = 10_000


@dataclass(frozen=True)
class Cost:
    """What a rail charges for a payment: basis points of it, and a fixed part in minor units."""

    bps: int = 0
    fixed_minor: int = 0

    def of(self, amount_minor: int) -> int:
        """In minor units, times 10,000: exact, and only to be compared."""
        return self.bps * amount_minor + self.fixed_minor * BPS


@dataclass(frozen=True)
class Offer:
    """A rail as it stands now; `why_not` says why it is not to be asked, None when it may be."""

    rail: str
    capabilities: Capabilities
    cost: Cost = Cost()
    why_not: str | None = None


@dataclass(frozen=True)
class Payment:
    """What is to be paid, and how."""

    method: str
    currency: str
    amount_minor: int
    token: str


def why_not_taken(taken: Takes | Capabilities, payment: Payment) -> str | None:
    """Which field of an order a rail does not take, None when it takes the payment."""
    if payment.method not in taken.methods:
        return "method"
    if taken.currencies is not None and payment.currency not in taken.currencies:
        return "currency"
    of_card = payment.method == "card" and taken.token_prefixes is not None
    return "payment_token" if of_card and not payment.token.startswith(taken.token_prefixes or ()) else None


def takes(offer: Offer, payment: Payment) -> bool:
    """Whether a rail can do it at all."""
    able = offer.capabilities
    return able.calls and able.authorise and why_not_taken(able, payment) is None


def ranked(payment: Payment, offers: Iterable[Offer], asked: Collection[str] = ()) -> list[Offer]:
    """The rails that can take a payment and were not asked yet, best first; empty when there is none."""
    fit = [offer for offer in offers if offer.rail not in asked and takes(offer, payment)]
    return sorted(fit, key=lambda offer: (offer.why_not is not None, offer.cost.of(payment.amount_minor), offer.rail))
