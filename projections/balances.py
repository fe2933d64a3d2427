"""balances: where each wallet stands, taken from the last event of its stream."""

from __future__ import annotations

from domain import wallet_events as events
from domain.metadata import merged
from projections.view import Fact, Key, PlainRows, Row, Rows


class Balances(PlainRows):
    """One row per wallet. Amounts are signed minor units, + for a debit; queries show the natural sign."""

    name = "balances"
    version = 1
    topics = (
        "wallet.opened.v1",
        "wallet.posted.v1",
        "wallet.held.v1",
        "wallet.frozen.v1",
        "wallet.unfrozen.v1",
        "wallet.closed.v1",
        "wallet.reopened.v1",
        "wallet.limit-changed.v1",
        "wallet.metadata-changed.v1",
    )
    supersedes = ("wallet.posted.v1", "wallet.held.v1")
    stream_column = "wallet_id"
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
        "frozen": "boolean",
        "closed": "boolean",
        "metadata": "jsonb",
        "version": "int",
        "position": "bigint",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return ((fact.stream_id,),)

    def fold(self, rows: Rows, fact: Fact) -> None:
        event, key = fact.event, (fact.stream_id,)
        row = rows[key]
        if isinstance(event, events.Opened):
            row = rows[key] = _opened(fact)
        elif row is None:
            message = f"wallet {fact.stream_id} has an event {fact.version} and was never opened"
            raise LookupError(message)
        elif isinstance(event, (events.Posted, events.Held)):
            row["posted_minor"] = event.posted_after
            row["held_minor"] = event.held_after
        else:
            _change(row, event)
        row["version"] = fact.version
        row["position"] = fact.position


def _opened(fact: Fact) -> Row:
    event = fact.event
    return {
        "wallet_id": fact.stream_id,
        "book": fact.book,
        "address": event.address,
        "currency": event.currency,
        "account_kind": event.account_kind,
        "merchant_id": event.merchant_id,
        "overdraft_limit_minor": event.overdraft_limit_minor,
        "posted_minor": 0,
        "held_minor": 0,
        "frozen": False,
        "closed": False,
        "metadata": {},
    }


def _change(row: Row, event: events.WalletEvent) -> None:
    """What changes a wallet and moves nothing."""
    if isinstance(event, (events.Frozen, events.Unfrozen)):
        row["frozen"] = isinstance(event, events.Frozen)
    elif isinstance(event, (events.Closed, events.Reopened)):
        row["closed"] = isinstance(event, events.Closed)
    elif isinstance(event, events.LimitChanged):
        row["overdraft_limit_minor"] = event.overdraft_limit_minor
    elif isinstance(event, events.MetadataChanged):
        row["metadata"] = merged(row["metadata"], event.changes)


VIEW = Balances()
