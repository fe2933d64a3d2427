"""wallet_days: what came into and went out of each wallet per effective day, so that back-dating touches one row."""

from __future__ import annotations

from datetime import UTC, date, datetime

from projections.view import Fact, Key, PlainRows, Rows


def day_of(moment: datetime) -> date:
    """The UTC day of a moment; most moments are in UTC already, and then nothing has to be converted."""
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).date()


class WalletDays(PlainRows):
    """One row per wallet and effective day (UTC); minor units, both columns positive."""

    name = "wallet_days"
    version = 1
    topics = ("wallet.posted.v1",)
    stream_column = "wallet_id"
    key = ("wallet_id", "day")
    columns = {
        "wallet_id": "uuid",
        "day": "date",
        "debit_minor": "bigint",
        "credit_minor": "bigint",
        "entries": "int",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return ((fact.stream_id, day_of(fact.event.effective_at)),)

    def fold(self, rows: Rows, fact: Fact) -> None:
        amount = fact.event.amount_minor
        key = (fact.stream_id, day_of(fact.event.effective_at))
        row = rows.get(key)
        if row is None:
            row = rows[key] = {
                "wallet_id": key[0],
                "day": key[1],
                "debit_minor": 0,
                "credit_minor": 0,
                "entries": 0,
            }
        if amount > 0:
            row["debit_minor"] += amount
        else:
            row["credit_minor"] -= amount
        row["entries"] += 1


VIEW = WalletDays()
