"""wallet_entries: every line of every wallet, as a statement shows it."""

from __future__ import annotations

from projections.view import Fact, Key, PlainRows, Rows


class WalletEntries(PlainRows):
    """One row per wallet event that moved money; rows are added and never change."""

    name = "wallet_entries"
    version = 1
    topics = ("wallet.posted.v1",)
    key = ("wallet_id", "version")
    columns = {
        "wallet_id": "uuid",
        "version": "int",
        "book": "int",
        "posting_id": "uuid",
        "line": "int",
        "amount_minor": "bigint",
        "posted_after": "bigint",
        "held_after": "bigint",
        "effective_at": "timestamptz",
        "recorded_at": "timestamptz",
        "position": "bigint",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return ()

    def fold(self, rows: Rows, fact: Fact) -> None:
        event = fact.event
        rows[(fact.stream_id, fact.version)] = {
            "wallet_id": fact.stream_id,
            "version": fact.version,
            "book": fact.book,
            "posting_id": event.posting_id,
            "line": event.line,
            "amount_minor": event.amount_minor,
            "posted_after": event.posted_after,
            "held_after": event.held_after,
            "effective_at": event.effective_at,
            "recorded_at": fact.recorded_at,
            "position": fact.position,
        }


VIEW = WalletEntries()
