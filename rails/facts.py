"""What rails tell later and by themselves: money that came in and money that went back, by bookings or settlements.

It arrives in pages, each to be asked for by the number that the page before named. A page that is asked for again tells
the same, so whoever keeps the number together with what was made of the facts loses none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import date

    from rails.port import NotSent, Unknown


@dataclass(frozen=True, slots=True)
class MoneyIn:
    """Money came in: `amount_minor` is what really came, above zero.

    `payment` is what the rail calls the payment, its own reference or the attempt's key; `capture_key` the capture that
    was asked for, None where money came without one. `rail_reference` is the rail's own, where `payment` is the key.
    `repeatable`: the payer may pay again under the same name, as by
    transfer, so that each booking is money of its own. `booking_key` names the booking wherever it is told of.
    """

    payment: str
    amount_minor: int
    currency: str
    booking_key: str
    capture_key: str | None = None
    cost_minor: int = 0
    effective_on: date | None = None
    repeatable: bool = False
    rail_reference: str | None = None


@dataclass(frozen=True, slots=True)
class MoneyBack:
    """Money that had come in went back: `amount_minor` left the account, above zero, with the bank's fee if it takes
    one. `reason` is the code that the rail gives."""

    payment: str
    amount_minor: int
    currency: str
    booking_key: str
    reason: str
    effective_on: date | None = None


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """Money that belongs to no payment by its form; `amount` and `why` are for people."""

    booking_key: str
    amount: str
    why: str


Fact = MoneyIn | MoneyBack | Unclaimed


@dataclass(frozen=True, slots=True)
class FactsPage:
    """`next_after` is where to go on: the number asked from, when there was nothing."""

    facts: tuple[Fact, ...]
    next_after: int


class TellsFacts(Protocol):
    """A rail whose capabilities declare `facts`."""

    def facts(self, after: int) -> FactsPage | NotSent | Unknown:
        """The page after a number, 0 for the first. Raises nothing for what the rail or the network does."""
