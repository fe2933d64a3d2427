"""What each seller earned: a view whose fee rule is one function, so that a wrong rule can be planted and mended."""

from __future__ import annotations

from domain.splitting import Share
from projections.view import Fact, Key, PlainRows, Row, Rows


class Earnings(PlainRows):
    """One row per book, seller and currency; minor units."""

    name = "earnings"
    topics = ("payment-order.captured.v1",)
    key = ("book", "seller_id", "currency")
    columns = {
        "book": "int",
        "seller_id": "text",
        "currency": "text",
        "gross_minor": "bigint",
        "commission_minor": "bigint",
        "net_minor": "bigint",
        "captures": "int",
    }
    corrections = {"net_minor": ("rev:fees", "merchant:{seller_id}:available")}

    def commission(self, share: Share) -> int:
        """The platform's part of a share, in minor units."""
        raise NotImplementedError

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return tuple((fact.book, share.seller_id, fact.event.currency) for share in fact.event.shares)

    def fold(self, rows: Rows, fact: Fact) -> None:
        for share in fact.event.shares:
            key = (fact.book, share.seller_id, fact.event.currency)
            row = rows.get(key)
            if row is None:
                row = rows[key] = dict.fromkeys(self.columns, 0)
                row["book"], row["seller_id"], row["currency"] = key
            commission = self.commission(share)
            row["gross_minor"] += share.gross_minor
            row["commission_minor"] += commission
            row["net_minor"] += share.gross_minor - commission
            row["captures"] += 1

    def merged(self, one: Row, other: Row) -> Row:
        sums = ("gross_minor", "commission_minor", "net_minor", "captures")
        return {**one, **{column: one[column] + other[column] for column in sums}}
