"""payment_orders: what lists of orders show. The status is the aggregate's own fold, so the two cannot disagree."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any, TypedDict

import msgspec

from domain.attempts import Attempt, Capture
from domain.payment_order import PaymentOrder
from domain.registry import ALL_EVENTS
from domain.splitting import Split
from projections.view import Fact, Key, PlainRows, Row, Rows


class _First(TypedDict):
    """What the first version of the row kept."""

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
    cost_minor: int
    cancelled: bool
    expired: bool
    created_at: datetime


class _Folded(_First, total=False):
    """The order as far as it is folded, kept in the row so that the next event can go on from there."""

    late_voided: list[str]
    deferred: str | None


_FIELDS = tuple(_First.__annotations__)
_LATER_FIELDS = tuple(name for name in _Folded.__annotations__ if name not in _FIELDS)
_LATER_OF_ATTEMPTS = (
    "action_url", "instructions", "waits_until", "inquiries", "next_inquiry_at", "not_found_at", "escalated",
)  # fmt: skip
_FIRST_OF_ATTEMPTS = tuple(part.name for part in fields(Attempt) if part.name not in _LATER_OF_ATTEMPTS)
_decode = msgspec.json.Decoder(_Folded).decode
_encode = msgspec.json.Encoder().encode


class PaymentOrders(PlainRows):
    """One row per order, keyed by stream."""

    name = "payment_orders"
    version = 1
    topics = tuple(topic for topic in ALL_EVENTS if topic.startswith("payment-order."))
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
    """What came later than the first version of the row is left out where it says nothing, so that a row which such
    things never happened to is the same whichever program folded it."""
    state = {field: getattr(order, field) for field in _FIELDS}
    state |= {field: value for field in _LATER_FIELDS if (value := getattr(order, field))}
    if any(any(getattr(attempt, name) for name in _LATER_OF_ATTEMPTS) for attempt in order.attempts):
        return _encode(state).decode()
    plain = [{name: getattr(attempt, name) for name in _FIRST_OF_ATTEMPTS} for attempt in order.attempts]
    return _encode(state | {"attempts": plain}).decode()


def _restored(folded: str) -> Any:
    order = object.__new__(PaymentOrder)
    vars(order).update({"late_voided": [], "deferred": None, **_decode(folded)})
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
