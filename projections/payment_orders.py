"""payment_orders: what lists of orders show. The status is the aggregate's own fold, so the two cannot disagree."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NotRequired, TypedDict

import msgspec

from domain.attempts import Attempt, Capture
from domain.payment_order import PaymentOrder
from domain.registry import topics_of
from domain.splitting import Split
from projections.view import Fact, Key, PlainRows, Row, Rows


class _Folded(TypedDict):
    """What of an order its later events and its status need, kept in the row so that the next event can go on from
    there; all else begins anew, for no row shows it."""

    order_id: str
    merchant_id: str | None
    amount_minor: int
    currency: str
    splits: list[Split]
    reference: str | None
    attempts: list[Attempt]
    captures: dict[str, Capture]
    late_successes: list[tuple[int, str, str]]
    authorized_minor: int
    captured_minor: int
    released_minor: int
    returned_minor: NotRequired[int]
    cost_minor: int
    cancelled: bool
    expired: bool
    created_at: datetime


_FIELDS = tuple(_Folded.__annotations__)
_OF_ATTEMPTS = (
    "number", "rail", "method", "amount_minor", "attempt_key", "details", "state", "authorized_minor", "captured_minor",
    "held_minor", "capture_before", "rail_reference", "unknown_operation", "void_requested", "decline_code",
    "decline_class",
)  # fmt: skip
_decode = msgspec.json.Decoder(_Folded).decode
_encode = msgspec.json.Encoder().encode


class PaymentOrders(PlainRows):
    """One row per order, keyed by stream."""

    name = "payment_orders"
    version = 1
    topics = topics_of(PaymentOrder.TOPIC)
    stream_column = "stream_id"
    key = ("stream_id",)
    columns = {
        "stream_id": "uuid",
        "book": "int",
        "order_id": "text",
        "merchant_id": "text",
        "status": "text",
        "amount_minor": "bigint",
        "currency": "text",
        "authorized_minor": "bigint",
        "captured_minor": "bigint",
        "released_minor": "bigint",
        "cost_minor": "bigint",
        "attempts": "int",
        "reference": "text",
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
        "position": "bigint",
        "folded": "text",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return ((fact.stream_id,),)

    def fold(self, rows: Rows, fact: Fact) -> None:
        row = rows.get((fact.stream_id,))
        if row is None:
            order: Any = fact.event.mutate(None)
            order.created_at = fact.event.timestamp
        else:
            order = row.get("order") or _restored(row["folded"])
            fact.event.apply(order)
        rows[(fact.stream_id,)] = _row(order, fact)

    def written(self, row: Row) -> Row:
        """The row as the table keeps it: encoded once per batch, however many events touched the order."""
        order = row.pop("order", None)
        if order is not None:
            row["status"] = order.status
            row["folded"] = _folded(order)
        return row


def _folded(order: Any) -> str:
    state = {field: getattr(order, field) for field in _FIELDS}
    state["attempts"] = [{name: getattr(attempt, name) for name in _OF_ATTEMPTS} for attempt in order.attempts]
    if not order.returned_minor:  # as the rows are that were folded before money could go back
        del state["returned_minor"]
    return _encode(state).decode()


def _restored(folded: str) -> Any:
    order = object.__new__(PaymentOrder)
    vars(order).update({"late_voided": [], "deferred": None, "returned_minor": 0, **_decode(folded)})
    return order


def _row(order: Any, fact: Fact) -> Row:
    return {
        "stream_id": fact.stream_id,
        "book": fact.book,
        "order_id": order.order_id,
        "merchant_id": order.merchant_id,
        "status": "",
        "amount_minor": order.amount_minor,
        "currency": order.currency,
        "authorized_minor": order.authorized_minor,
        "captured_minor": order.captured_minor,
        "released_minor": order.released_minor,
        "cost_minor": order.cost_minor,
        "attempts": len(order.attempts),
        "reference": order.reference,
        "created_at": order.created_at,
        "updated_at": fact.event.timestamp,
        "position": fact.position,
        "order": order,
    }


VIEW = PaymentOrders()
