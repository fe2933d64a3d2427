"""balances: where each wallet stands, taken from the last event of its stream."""

from __future__ import annotations

from domain.wallet import WalletAccount
from projections.view import Fact, Key, PlainRows, Rows


class Balances(PlainRows):
    """One row per wallet. Amounts are signed minor units, + for a debit; queries show the natural sign."""

    name = "balances"
    version = 1
    topics = ("wallet.opened.v1", "wallet.posted.v1", "wallet.closed.v1")
    key = ("wallet_id",)
    columns = {
        "wallet_id": "uuid",
        "book": "int",
        "address": "text",
        "currency": "text",
        "account_kind": "text",
        "merchant_id": "text",
        "overdraft_limit_minor": "bigint",
        "posted_minor": "bigint",
        "held_minor": "bigint",
        "closed": "boolean",
        "version": "int",
        "position": "bigint",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return ((fact.stream_id,),)

    def fold(self, rows: Rows, fact: Fact) -> None:
        event = fact.event
        if isinstance(event, WalletAccount.Opened):
            row = {
                "wallet_id": fact.stream_id,
                "book": fact.book,
                "address": event.address,
                "currency": event.currency,
                "account_kind": event.account_kind,
                "merchant_id": event.merchant_id,
                "overdraft_limit_minor": event.overdraft_limit_minor,
                "posted_minor": 0,
                "held_minor": 0,
                "closed": False,
            }
        else:
            known = rows[(fact.stream_id,)]
            if known is None:
                message = f"wallet {fact.stream_id} has an event {fact.version} and was never opened"
                raise LookupError(message)
            row = known
            if isinstance(event, WalletAccount.Posted):
                row["posted_minor"] = event.posted_after
                row["held_minor"] = event.held_after
            else:
                row["closed"] = True
        row["version"] = fact.version
        row["position"] = fact.position
        rows[(fact.stream_id,)] = row


VIEW = Balances()
