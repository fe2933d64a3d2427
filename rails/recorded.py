"""The rail of payments that have already happened elsewhere.

Imported history and terminals outside our reach bring facts: money was taken, by an instrument, under a reference.
Nothing is asked and nothing can be refused, so that no operation is declared; a process that reads the capabilities
records the fact in the order's stream instead of calling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from rails.port import Capabilities, CapabilityNotDeclared, Captured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rails.port import AuthoriseRequest, CaptureRequest, InquiryRequest, VoidRequest

NAME: Final = "recorded"


class RecordedAmountNegative(ValueError):
    """A recorded payment says that less than nothing was taken, or that taking it cost less than nothing."""


class RecordedRail:
    """Turns what is known of a past payment into the reply a live rail would have given, and refuses every call."""

    name: Final = NAME
    capabilities: Final = Capabilities(
        authorise=False,
        capture=False,
        partial_capture=False,
        multiple_capture=False,
        void=False,
        inquiry=False,
        idempotency_keys=False,
        calls=False,
    )

    def fact(self, rail_reference: str, amount_minor: int, cost_minor: int = 0) -> Captured:
        """The fact of a payment that took `amount_minor`. Zero is a fact too: a voucher that covered nothing.

        Raises `RecordedAmountNegative`: money that went back is a refund, and a refund is not a payment.
        """
        for field, value in (("amount_minor", amount_minor), ("cost_minor", cost_minor)):
            if value < 0:
                raise RecordedAmountNegative(f"{field} is {value}: give zero or more, and record refunds as refunds")
        return Captured(rail_reference, amount_minor, cost_minor)

    def authorise(self, request: AuthoriseRequest) -> NoReturn:
        """Forbidden: the payer was asked elsewhere."""
        self._refuse("authorise")

    def capture(self, request: CaptureRequest) -> NoReturn:
        """Forbidden: the money was taken elsewhere."""
        self._refuse("capture")

    def void(self, request: VoidRequest) -> NoReturn:
        """Forbidden: there is no hold here to give back."""
        self._refuse("void")

    def inquire(self, request: InquiryRequest) -> NoReturn:
        """Forbidden: a fact has no unknown outcome."""
        self._refuse("inquiry")

    def close(self) -> None:
        """Holds nothing."""

    def _refuse(self, capability: str) -> NoReturn:
        raise CapabilityNotDeclared(self.name, capability, "its payments are facts, record them instead of calling")


def from_settings(settings: Mapping[str, str]) -> RecordedRail:  # noqa: ARG001  the registry's signature
    """Needs no settings."""
    return RecordedRail()
