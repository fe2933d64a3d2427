"""monitors: who wants to know when a wallet crosses a threshold, and on which side it was seen last."""

from __future__ import annotations

from domain.monitor import Monitor
from projections.view import Fact, Key, PlainRows, Row, Rows


class Monitors(PlainRows):
    """One row per monitor. `side` and `balance_minor` (natural sign) are those of the last crossing, null before."""

    name = "monitors"
    version = 1
    topics = ("monitor.created.v1", "monitor.crossed.v1", "monitor.removed.v1")
    stream_column = "monitor_id"
    key = ("monitor_id",)
    columns = {
        "monitor_id": "uuid",
        "book": "int",
        "wallet_id": "uuid",
        "measure": "text",
        "threshold_minor": "bigint",
        "reference": "text",
        "side": "text",
        "balance_minor": "bigint",
        "crossings": "int",
        "crossed_at": "timestamptz",
        "created_at": "timestamptz",
        "removed": "boolean",
        "position": "bigint",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return () if fact.version == 1 else ((fact.stream_id,),)

    def fold(self, rows: Rows, fact: Fact) -> None:
        event, key = fact.event, (fact.stream_id,)
        if isinstance(event, Monitor.Created):
            rows[key] = _created(fact)
            return
        row = rows[key]
        if row is None:
            message = f"monitor {fact.stream_id} has an event {fact.version} and was never created"
            raise LookupError(message)
        if isinstance(event, Monitor.Crossed):
            row["side"], row["balance_minor"] = event.side, event.balance_minor
            row["crossings"] += 1
            row["crossed_at"] = fact.recorded_at
        else:
            row["removed"] = True
        row["position"] = fact.position


def _created(fact: Fact) -> Row:
    event = fact.event
    return {
        "monitor_id": fact.stream_id,
        "book": fact.book,
        "wallet_id": event.wallet_id,
        "measure": event.measure,
        "threshold_minor": event.threshold_minor,
        "reference": event.reference,
        "side": None,
        "balance_minor": None,
        "crossings": 0,
        "crossed_at": None,
        "created_at": fact.recorded_at,
        "removed": False,
        "position": fact.position,
    }


VIEW = Monitors()
