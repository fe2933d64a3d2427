"""What an order knows of the person who pays it: sealed, so that the person can be forgotten and the order cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.payment_events import PaymentOrderEvent
from domain.sealed import Sealed

if TYPE_CHECKING:
    from domain.payment_order import PaymentOrder


class PayerGiven(PaymentOrderEvent):
    """Somebody said who pays; written with the order's creation. `subject` (UUID text) stands for the person.

    `fingerprint` is a digest of the three texts under the subject's key: it recognises a request that is repeated, and
    tells nobody without that key what the texts were.
    """

    TOPIC = "payment-order.payer-given.v1"
    subject: str
    name: Sealed | None
    email: Sealed | None
    iban: Sealed | None
    fingerprint: str

    def apply(self, aggregate: PaymentOrder) -> None:
        """Keep the event itself: its version is part of the place that its fields open at."""
        aggregate.payer = self
