"""Payers and shops, who do what they wish when it is their turn."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import uuid5

from daybook.simulation.bank_and_provider import OtherSide
from daybook.simulation.sales import Sale
from domain.errors import RuleViolation
from domain.ids import stream_id
from domain.payment_order import PaymentOrder
from payments.checkout import Checkout
from payments.commands import CancelOrder, CaptureOrder

IGNORE = "ignore"
WAITING = {"challenged": "requires_action", "transfer": "requires_action", "held": "authorized"}
"""The status in which an order waits for its people, by the way it is paid."""
STATUSES = tuple(sorted(set(WAITING.values())))


class People:
    """Everybody acts once for an order, and never after."""

    def __init__(self, checkout: Checkout, other_side: OtherSide) -> None:
        self._checkout, self._other_side = checkout, other_side
        self._waiting: dict[str, Sale] = {}
        self.paid_twice: set[str] = set()

    def expect(self, sale: Sale) -> None:
        """Somebody will have to do something about this order."""
        if sale.wish.act not in ("", IGNORE):
            self._waiting[sale.order_id] = sale

    def act(self, order_ids: Iterable[str]) -> int:
        """Those whose orders are among these act, if it is for them to; answers how many did."""
        acted = 0
        for order_id in order_ids:
            sale = self._waiting.get(order_id)
            if sale is None:
                continue
            order = self._checkout.order(sale.command.book, order_id)
            if order.status == WAITING[sale.wish.way] and self._acts(sale, order):
                del self._waiting[order_id]
                acted += 1
        return acted

    def _acts(self, sale: Sale, order: PaymentOrder) -> bool:
        if sale.wish.way == "held":
            return self._shop(sale, order)
        attempt = next(one for one in order.attempts if one.state == "requires_action")
        if sale.wish.way == "challenged":
            return self._other_side.decide(attempt.action_url or "", sale.wish.act)
        reference, amount = attempt.rail_reference or "", order.amount_minor
        if sale.wish.act == "less" and amount > 1:
            amount -= max(1, amount // 10)
        if not self._other_side.transfer(f"{order.order_id}/1", reference, amount):
            return False
        if sale.wish.act == "twice" and self._other_side.transfer(f"{order.order_id}/2", reference, amount):
            self.paid_twice.add(order.order_id)
        return True

    def _shop(self, sale: Sale, order: PaymentOrder) -> bool:
        book, order_id = sale.command.book, order.order_id
        try:
            if sale.wish.act == "cancel":
                self._checkout.request_cancel(CancelOrder(book=book, order_id=order_id))
            else:
                part = max(1, order.capturable_minor // 3) if sale.wish.act == "part" else None
                key = str(uuid5(stream_id(book, "payment-order", order_id), "capture"))
                self._checkout.request_capture(
                    CaptureOrder(book=book, order_id=order_id, capture_id=key, amount_minor=part)
                )
        except RuleViolation:  # it changed just now: the shop looks again
            return False
        return True
