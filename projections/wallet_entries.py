"""wallet_entries: every line of every wallet, as a statement shows it, and what was held after it."""

from __future__ import annotations

from domain.wallet_events import Posted
from projections.view import Fact, Key, PlainRows, Rows


class WalletEntries(PlainRows):
    """One row per wallet event that changed a number; rows are added and never change.

    A line that was posted has an `effective_at` and no `held_minor`; a hold that reserved or gave back money moves
    nothing (`amount_minor` 0), so it has `held_minor` and no `effective_at`. The key is the position, so that one
    index answers both the order of a wallet's entries and its balance as of any position.
    """

    name = "wallet_entries"
    version = 1
    topics = ("wallet.posted.v1", "wallet.held.v1")
    stream_column = "wallet_id"
    key = ("wallet_id", "position")
    columns = {
        "wallet_id": "uuid",
        "position": "bigint",
        "version": "int",
        "book": "int",
        "posting_id": "uuid",
        "line": "int",
        "amount_minor": "bigint",
        "held_minor": "bigint",
        "posted_after": "bigint",
        "held_after": "bigint",
        "effective_at": "timestamptz",
        "recorded_at": "timestamptz",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return ()

    def fold(self, rows: Rows, fact: Fact) -> None:
        event = fact.event
        posted = isinstance(event, Posted)
        rows[(fact.stream_id, fact.position)] = {
            "wallet_id": fact.stream_id,
            "position": fact.position,
            "version": fact.version,
            "book": fact.book,
            "posting_id": event.posting_id,
            "line": event.line,
            "amount_minor": event.amount_minor if posted else 0,
            "held_minor": None if posted else event.held_minor,
            "posted_after": event.posted_after,
            "held_after": event.held_after,
            "effective_at": event.effective_at if posted else None,
            "recorded_at": fact.recorded_at,
        }


VIEW = WalletEntries()
