"""What an order may ask for when it is created: a rail that is there, and all that the rail needs to be asked.

What is refused here costs its sender an answer; found out later it would cost a payer an order that fails.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from domain.attempts import AUTO
from domain.errors import RuleViolation
from domain.payment_facts import CARD, DIRECT_DEBIT
from payments.commands import CreateOrder
from rails.port import Takes
from rails.routing import Payment, why_not_taken


class RailNotOffered(RuleViolation):
    """The order names a rail that nothing here can call."""

    code = "rail_not_offered"


class PaymentTokenMissing(RuleViolation):
    """A card is paid with through a token that stands for it."""

    code = "payment_token_missing"


class NotTakenByRail(RuleViolation):
    """The rail cannot be paid through in this way, in this currency or with this token."""

    code = "not_taken_by_rail"


class MandateMissing(RuleViolation):
    """Money is debited only from an account whose holder has signed for it."""

    code = "mandate_missing"


class CaptureModeNotOffered(RuleViolation):
    """Banks move money or do not: nothing is held of a transfer or a debit."""

    code = "capture_mode_not_offered"


class Offered:
    """The rails that orders may name; `takes` says what of them is known."""

    def __init__(self, rails: Collection[str], takes: Mapping[str, Takes] | None = None) -> None:
        self._rails = sorted(rails)
        self._takes = {name: taken for name, taken in (takes or {}).items() if name in rails}

    def check(self, command: CreateOrder) -> None:
        """Raises the refusals of this module. An order without a rail asks for nothing."""
        if command.rail is None:
            return
        if command.recorded:
            raise RailNotOffered("an order with recorded payments calls no rail; leave rail out", "rail")
        if command.rail not in self._rails and (command.rail != AUTO or not self._rails):
            offered = ", ".join([*self._rails, AUTO]) if self._rails else "none is configured"
            raise RailNotOffered(f"rail {command.rail} cannot be called here; choose one of: {offered}", "rail")
        if command.method == CARD:
            if command.payment_token is None:
                raise PaymentTokenMissing("payment_token is needed to pay by card", "payment_token")
        elif command.capture_mode != "automatic":
            raise CaptureModeNotOffered(f"a {command.method} is captured as it comes: automatic", "capture_mode")
        if command.method == DIRECT_DEBIT:
            _check_debtor(command)
        self._check_taken(command)

    def _check_taken(self, command: CreateOrder) -> None:
        payment = Payment(command.method, command.currency, command.amount_minor, command.payment_token or "")
        wrong = [why_not_taken(taken, payment) for taken in self._asked(command.rail)]
        if not wrong or None in wrong:
            return
        field = next((one for one in wrong if one not in (None, "method")), None) or "method"
        if command.rail == AUTO:
            message = f"no rail here takes this {command.method} in {command.currency}: change method or currency"
            raise NotTakenByRail(message, field)
        taken = self._takes[command.rail or ""]
        allowed = {"method": taken.methods, "currency": taken.currencies, "payment_token": taken.token_prefixes}[field]
        what = "tokens that begin with" if field == "payment_token" else f"the {field}"
        raise NotTakenByRail(f"rail {command.rail} takes {what} {', '.join(sorted(allowed or ()))}", field)

    def _asked(self, rail: str | None) -> Iterator[Takes]:
        if rail == AUTO and len(self._takes) < len(self._rails):
            return  # there is one of which nothing is known
        yield from (taken for name, taken in self._takes.items() if rail in (name, AUTO))


NOTHING_OFFERED: Final = Offered(())


def _check_debtor(command: CreateOrder) -> None:
    payer = command.payer
    for name in ("name", "iban", "mandate"):
        if payer is None or getattr(payer, name) is None:
            raise MandateMissing(f"a direct debit needs the payer's {name}", f"payer.{name}")
