"""Payment orders and the merchants they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from daybook.client.answer import Row
from daybook.client.asked import key_of
from daybook.client.connection import Connection, given, in_path
from daybook.client.models import Merchant, OrderExplanation, OrderStep, PaymentOrder

COMES_BACK_S = 2.0
OVER = frozenset({"captured", "returned", "failed", "cancelled", "expired"})


class Merchants:
    """Parties that sell through the book. Each call raises a `Problem` or NoAnswer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def register(self, *, merchant_id: str | UUID | None = None, reference: str | None = None) -> Merchant:
        """Register a merchant; its id, made here unless given, makes repeating safe.

        Raises Refused when the id stands for another reference.
        """
        body = {"merchant_id": merchant_id or uuid4()} | given(reference=reference)
        return self._connection.ask(Merchant, "POST", "/v1/merchants", body=body)


class PaymentOrders:
    """What someone owes, and its payments. Each call raises a `Problem` or NoAnswer.

    `wait_s` (0 to 30) lets the API wait that long for the outcome before it answers.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        *,
        amount_minor: int,
        currency: str,
        merchant_id: str | UUID | None = None,
        splits: Sequence[Mapping[str, Any]] | None = None,
        capture_mode: str | None = None,
        rail: str | None = None,
        payment_token: str | None = None,
        method: str | None = None,
        return_url: str | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
        expires_at: datetime | None = None,
        payer: Mapping[str, Any] | None = None,
        wait_s: int | None = None,
        key: str | UUID | None = None,
    ) -> PaymentOrder:
        """Create an order; the key becomes its id. `splits` (seller_id, amount_minor) sum to `amount_minor`. `payer`
        (subject, name, email, iban, mandate) is kept encrypted.

        Raises Refused (unknown_rail, splits_mismatch, card_number, key_reused, ...).
        """
        body = {"amount_minor": amount_minor, "currency": currency} | given(
            merchant_id=merchant_id,
            splits=splits,
            capture_mode=capture_mode,
            rail=rail,
            payment_token=payment_token,
            method=method,
            return_url=return_url,
            reference=reference,
            metadata=metadata,
            expires_at=expires_at,
            payer=payer,
        )
        return self._connection.ask(
            PaymentOrder, "POST", "/v1/payment-orders", body=body, key=key_of(key), wait_s=wait_s
        )

    def show(self, order_id: str | UUID, *, as_of: str | datetime | None = None) -> PaymentOrder:
        """One order as it stands, or stood as of a position or a time. Raises NotFound."""
        return self._connection.ask(PaymentOrder, "GET", _path(order_id), query={"as_of": as_of})

    def explain(self, order_id: str | UUID, *, as_of: str | datetime | None = None) -> OrderExplanation:
        """What happened to an order, step by step, with the arithmetic of its shares. Raises NotFound."""
        return self._connection.ask(OrderExplanation, "GET", f"{_path(order_id)}/explanation", query={"as_of": as_of})

    def list(
        self,
        *,
        status: str | None = None,
        merchant_id: str | UUID | None = None,
        reference: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        as_of: str | datetime | None = None,
        at_least: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """Orders, newest first; `created_to` is not included."""
        query = {
            "status": status,
            "merchant_id": merchant_id,
            "reference": reference,
            "created_from": created_from,
            "created_to": created_to,
            "as_of": as_of,
            "at_least": at_least,
            "limit": limit,
        }
        return self._connection.rows(Row, "/v1/payment-orders", query)

    def follow(self, order_id: str | UUID, *, after: int = 0) -> Iterator[OrderStep]:
        """What happens to an order after a version of it, as it happens, until it is over. The server ends a stream now
        and then; it is taken up where it ended. Raises NotFound."""
        while True:
            before = after
            for number, step in self._connection.messages(OrderStep, f"{_path(order_id)}/events", str(after)):
                after = int(number)
                yield step
                if step.status in OVER:
                    return
            if after == before:  # nothing came: there may be nothing to come
                shown = self.show(order_id)
                if shown.status in OVER and shown.version <= after:
                    return
            self._connection.pause(COMES_BACK_S)

    def capture(
        self,
        order_id: str | UUID,
        *,
        amount_minor: int | None = None,
        final: bool | None = None,
        wait_s: int | None = None,
        key: str | UUID | None = None,
    ) -> PaymentOrder:
        """Take authorised money: all that is left, or `amount_minor`; `final` gives back the rest. Raises Refused."""
        body, path = given(amount_minor=amount_minor, final=final), f"{_path(order_id)}/capture"
        return self._connection.ask(PaymentOrder, "POST", path, body=body, key=key_of(key), wait_s=wait_s)

    def cancel(
        self,
        order_id: str | UUID,
        *,
        reason: str | None = None,
        wait_s: int | None = None,
        key: str | UUID | None = None,
    ) -> PaymentOrder:
        """Give an order up; an authorisation is asked back from its rail. Raises Refused, NotFound."""
        body, path = given(reason=reason), f"{_path(order_id)}/cancel"
        return self._connection.ask(PaymentOrder, "POST", path, body=body, key=key_of(key), wait_s=wait_s)


def _path(order_id: str | UUID) -> str:
    return f"/v1/payment-orders/{in_path(order_id)}"
