"""order_differences: paid orders whose payments do not add up to their items.

The table keeps every order, since each payment may make or mend a difference; readers see the differing ones.
"""

from __future__ import annotations

from domain.payment_events import Created
from projections.view import Fact, Key, PlainRows, Row, Rows


class OrderDifferences(PlainRows):
    """One row per order: what was due, what was captured, in minor units."""

    name = "order_differences"
    version = 1
    topics = ("payment-order.created.v1", "payment-order.captured.v1")
    stream_column = "stream_id"
    shown = (
        "select *, captured_minor - due_minor as difference_minor from {table}"
        " where captured_minor <> due_minor and captured_minor > 0"
    )
    key = ("stream_id",)
    columns = {
        "stream_id": "uuid",
        "book": "int",
        "order_id": "text",
        "merchant_id": "text",
        "currency": "text",
        "due_minor": "bigint",
        "captured_minor": "bigint",
        "captures": "int",
        "position": "bigint",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return ((fact.stream_id,),)

    def fold(self, rows: Rows, fact: Fact) -> None:
        event = fact.event
        if isinstance(event, Created):
            row: Row = {
                "stream_id": fact.stream_id,
                "book": fact.book,
                "order_id": event.order_id,
                "merchant_id": event.merchant_id,
                "currency": event.currency,
                "due_minor": event.amount_minor,
                "captured_minor": 0,
                "captures": 0,
            }
        else:
            known = rows[(fact.stream_id,)]
            if known is None:
                message = f"order {fact.stream_id} was captured and never created"
                raise LookupError(message)
            row = known
            row["captured_minor"] += event.amount_minor
            row["captures"] += 1
        row["position"] = fact.position
        rows[(fact.stream_id,)] = row


VIEW = OrderDifferences()
