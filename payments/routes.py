"""Which rail an order is to be tried at now: the one it names, or of those that can take it the best one left.

Another rail is tried only where it is known that the one before has not charged: it never had the attempt, or it said
no in a way that another may not. Whoever has no money has none elsewhere either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from domain.attempts import AUTO, ELSEWHERE, Attempt
from domain.payment_order import PaymentOrder
from rails.port import Rail
from rails.routing import Cost, Offer, Payment, ranked, why_not_taken

WhyNot = Callable[[str], str | None]
"""Why a rail is not to be asked now, by its name; None when it may be."""
ATTEMPTS_MAX: Final = 3
"""Rails tried for one order after another has said no: schemes count, and fine, what looks like hammering."""


class Route(NamedTuple):
    """The rail to ask; `away` says why it is not to be asked now. `rail` None: there is none."""

    rail: Rail | None
    away: str | None = None


def _never(_: str) -> str | None:
    return None


class Routes:
    """The choice among rails. `costs` are by rail; one that is not named costs nothing."""

    def __init__(
        self, rails: Mapping[str, Rail], why_not: WhyNot = _never, costs: Mapping[str, Cost] | None = None
    ) -> None:
        self._rails, self._why_not, self._costs = rails, why_not, costs or {}

    def wants_an_attempt(self, order: PaymentOrder) -> bool:
        """No rail was asked yet, the last one never had it, or it said no and another may not."""
        if order.rail is None or order.status not in ("created", "declined"):
            return False
        last = order.attempts[-1] if order.attempts else None
        if last is None or last.state == "not_received":
            return True
        return order.rail == AUTO and self._may_go_elsewhere(order, last)

    def choose(self, order: PaymentOrder) -> Route:
        """Where to try an order that wants an attempt."""
        if order.rail != AUTO:
            rail = self._rails.get(order.rail or "")
            return Route(rail, None if rail is None else self._why_not(rail.name))
        asked = {attempt.rail for attempt in order.attempts}
        found = self._ranked(order, asked)
        if not found or found[0].why_not is not None:
            again = self._ranked(order, {one.rail for one in order.attempts if one.state != "not_received"})
            if not again:
                return Route(None)
            best = again[0]
            tried = best.rail in asked and order.deferred is None
            return Route(self._rails[best.rail], best.why_not or ("no rail could be reached" if tried else None))
        return Route(self._rails[found[0].rail])

    def lane(self, order: PaymentOrder) -> str:
        """The rail that an order is at, or is to be tried at next; "none" for one that has none."""
        if order.attempts and not self.wants_an_attempt(order):
            return order.attempts[-1].rail
        rail = self.choose(order).rail if order.rail is not None else None
        return "none" if rail is None else rail.name

    def can_take(self, order: PaymentOrder, rail: Rail) -> bool:
        """Whether the rail can be paid through in this way; where it cannot, it need not be asked."""
        return why_not_taken(rail.capabilities, _payment(order)) is None

    def _may_go_elsewhere(self, order: PaymentOrder, last: Attempt) -> bool:
        if last.state != "declined" or last.decline_class != "soft" or last.decline_code not in ELSEWHERE:
            return False
        refused = [attempt for attempt in order.attempts if attempt.state == "declined"]
        return len(refused) < ATTEMPTS_MAX and bool(self._ranked(order, {attempt.rail for attempt in order.attempts}))

    def _ranked(self, order: PaymentOrder, asked: set[str]) -> list[Offer]:
        payment = _payment(order)
        offers = [
            Offer(name, rail.capabilities, self._costs.get(name, Cost()), self._why_not(name))
            for name, rail in self._rails.items()
        ]
        return ranked(payment, offers, asked)


def _payment(order: PaymentOrder) -> Payment:
    return Payment(order.method, order.currency, order.amount_minor, order.payment_token or "")
