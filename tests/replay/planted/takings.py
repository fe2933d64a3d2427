"""What was taken with each capture: a view to be given other currencies, merchants, columns, types and keys."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from projections.view import Fact, Key, PlainRows, Row, Rows

OTHER = "00000000-0000-4000-8000-0000000000bb"


class Takings(PlainRows):
    """One row per order; minor units."""

    name = "takings"
    version = 1
    topics = ("payment-order.captured.v1",)
    key: tuple[str, ...] = ("order_stream",)
    stream_column: str | None = "order_stream"
    columns: ClassVar[dict[str, str]] = {
        "order_stream": "uuid",
        "book": "int",
        "merchant_id": "text",
        "currency": "text",
        "amount_minor": "bigint",
    }
    corrections: ClassVar[dict[str, tuple[str, str]]] = {"amount_minor": ("rev:fees", "merchant:{merchant_id}:pending")}

    def row(self, fact: Fact) -> Row:
        """The row that a capture makes."""
        event = fact.event
        return {
            "order_stream": fact.stream_id,
            "book": fact.book,
            "merchant_id": event.shares[0].seller_id,
            "currency": event.currency,
            "amount_minor": event.amount_minor,
        }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        row = self.row(fact)
        return (tuple(row[column] for column in self.key),)

    def fold(self, rows: Rows, fact: Fact) -> None:
        rows[self.keys(fact)[0]] = self.row(fact)


class InSek(Takings):
    """Says another currency of the same money."""

    version = 2

    def row(self, fact: Fact) -> Row:
        return {**super().row(fact), "currency": "SEK"}


class OfAnother(Takings):
    """Says another merchant of the same money."""

    version = 2

    def row(self, fact: Fact) -> Row:
        return {**super().row(fact), "merchant_id": OTHER}


class WithRail(Takings):
    """Has a column more."""

    version = 2
    columns: ClassVar[dict[str, str]] = {**Takings.columns, "rail": "text"}

    def row(self, fact: Fact) -> Row:
        return {**super().row(fact), "rail": "simulated"}


class ByCurrency(Takings):
    """Has a key of columns that both builds have."""

    version = 3
    key = ("order_stream", "currency")


class ByCapture(Takings):
    """Has a key of a column that only one build has."""

    version = 2
    key = ("capture_id",)
    stream_column = None
    columns: ClassVar[dict[str, str]] = {"capture_id": "text", **Takings.columns}

    def row(self, fact: Fact) -> Row:
        return {**super().row(fact), "capture_id": fact.event.capture_id}


class ByText(Takings):
    """Has a key of the same column in another type."""

    version = 2
    columns: ClassVar[dict[str, str]] = {**Takings.columns, "order_stream": "text"}

    def row(self, fact: Fact) -> Row:
        return {**super().row(fact), "order_stream": str(fact.stream_id)}


class TypedMerchant(Takings):
    """Keeps the same merchants in another type, and says another amount where it is asked to."""

    version = 2
    columns: ClassVar[dict[str, str]] = {**Takings.columns, "merchant_id": "uuid", "amount_minor": "int"}

    def __init__(self, more_minor: int = 0) -> None:
        self._more_minor = more_minor

    def row(self, fact: Fact) -> Row:
        row = super().row(fact)
        amount = row["amount_minor"] + self._more_minor
        return {**row, "merchant_id": UUID(row["merchant_id"]), "amount_minor": amount}


VIEW = Takings()
