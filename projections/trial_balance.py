"""trial_balance: debits and credits per account, from the postings themselves.

It reads the postings and not the wallets, so that it and `balances` are two independent sums of the same books.
"""

from __future__ import annotations

from domain.chart import account_kind
from projections.view import Fact, Key, PlainRows, Row, Rows


class TrialBalance(PlainRows):
    """One row per book, currency and account; minor units, both columns positive."""

    name = "trial_balance"
    version = 1
    topics = ("posting.recorded.v1",)
    key = ("book", "currency", "address")
    columns = {
        "book": "int",
        "currency": "text",
        "address": "text",
        "account_kind": "text",
        "debit_minor": "bigint",
        "credit_minor": "bigint",
        "lines": "bigint",
        "position": "bigint",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return tuple((fact.book, line.currency, line.address) for line in fact.event.lines)

    def fold(self, rows: Rows, fact: Fact) -> None:
        for line in fact.event.lines:
            key = (fact.book, line.currency, line.address)
            row = rows.get(key)
            if row is None:
                row = rows[key] = {
                    "book": fact.book,
                    "currency": line.currency,
                    "address": line.address,
                    "account_kind": account_kind(line.address),
                    "debit_minor": 0,
                    "credit_minor": 0,
                    "lines": 0,
                    "position": 0,
                }
            row["debit_minor" if line.amount_minor > 0 else "credit_minor"] += abs(line.amount_minor)
            row["lines"] += 1
            # A posting that was parked is taken after later ones: what is last is not what is folded last.
            row["position"] = max(row["position"], fact.position)

    def merged(self, one: Row, other: Row) -> Row:
        """Sums of some postings and of others are sums of all of them."""
        added = {column: one[column] + other[column] for column in ("debit_minor", "credit_minor", "lines")}
        return {**one, **added, "position": max(one["position"], other["position"])}


VIEW = TrialBalance()
