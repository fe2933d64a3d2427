"""What an order knows of who pays it, and how: what is about the person is sealed, so that the person can be forgotten
and the order cannot."""

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


class MandateGiven(PaymentOrderEvent):
    """The payer has signed for a direct debit: under which reference, and on which day (ISO 8601); both sealed for the
    subject of the payer. Written with the order's creation."""

    TOPIC = "payment-order.mandate-given.v1"
    subject: str
    reference: Sealed
    signed_on: Sealed

    def apply(self, aggregate: PaymentOrder) -> None:
        """As with the payer."""
        aggregate.mandate = self


class MethodChosen(PaymentOrderEvent):
    """The order is not paid by a mere card: `method` says how, `return_url` where a payer comes back to who was sent
    elsewhere. Written with the order's creation; without it the method is a card."""

    TOPIC = "payment-order.method-chosen.v1"
    method: str
    return_url: str | None

    def apply(self, aggregate: PaymentOrder) -> None:
        """Rails are asked for it so."""
        aggregate.method = self.method
        aggregate.return_url = self.return_url
