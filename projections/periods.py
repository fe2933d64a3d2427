"""periods: through which day the books were closed, closing by closing."""

from __future__ import annotations

from projections.view import Fact, Key, PlainRows, Rows


class Periods(PlainRows):
    """One row per closing; a closing is never undone, so rows are added and never change."""

    name = "periods"
    version = 1
    topics = ("period.closed.v1",)
    key = ("book", "through")
    columns = {
        "book": "int",
        "through": "date",
        "closed_at": "timestamptz",
        "position": "bigint",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return ()

    def fold(self, rows: Rows, fact: Fact) -> None:
        through = fact.event.through
        rows[(fact.book, through)] = {
            "book": fact.book,
            "through": through,
            "closed_at": fact.recorded_at,
            "position": fact.position,
        }


VIEW = Periods()
