"""holds: what is reserved, for whom, until when."""

from __future__ import annotations

from domain import posting_events as events
from domain.lines import Line, remaining_after
from projections.postings import lines_of
from projections.view import Fact, Key, PlainRows, Row, Rows


class Holds(PlainRows):
    """One row per hold. `amounts` and `remaining` (minor units, + for a debit) have one number per line, in the order
    of `wallet_ids`; `commits` are the postings that moved a part of it.
    """

    name = "holds"
    version = 1
    topics = (
        "posting.hold-placed.v1",
        "posting.hold-committed.v1",
        "posting.hold-voided.v1",
        "posting.hold-expired.v1",
    )
    stream_column = "hold_id"
    key = ("hold_id",)
    columns = {
        "hold_id": "uuid",
        "book": "int",
        "reference": "text",
        "external_reference": "text",
        "state": "text",
        "wallet_ids": "uuid[]",
        "amounts": "bigint[]",
        "remaining": "bigint[]",
        "commits": "uuid[]",
        "effective_at": "timestamptz",
        "recorded_at": "timestamptz",
        "expires_at": "timestamptz",
        "position": "bigint",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return () if fact.version == 1 else ((fact.stream_id,),)

    def fold(self, rows: Rows, fact: Fact) -> None:
        if isinstance(fact.event, events.HoldPlaced):
            rows[(fact.stream_id,)] = _placed(fact)
            return
        row = rows[(fact.stream_id,)]
        if row is None:
            message = f"hold {fact.stream_id} has an event {fact.version} and was never placed"
            raise LookupError(message)
        _change(row, fact.event)
        row["position"] = fact.position


def _placed(fact: Fact) -> Row:
    event = fact.event
    amounts = [line.amount_minor for line in event.lines]
    return {
        "hold_id": fact.stream_id,
        "book": fact.book,
        "reference": event.reference,
        "external_reference": event.external_reference,
        "state": "pending",
        "wallet_ids": [line.wallet_id for line in event.lines],
        "amounts": amounts,
        "remaining": amounts,
        "commits": [],
        "effective_at": event.effective_at,
        "recorded_at": fact.recorded_at,
        "expires_at": event.expires_at,
        "position": fact.position,
    }


def _change(row: Row, event: events.PostingEvent) -> None:
    if isinstance(event, events.HoldCommitted):
        row["commits"] = [*row["commits"], event.posting_id]
        row["state"] = "committed" if event.final else "partially_committed"
        if not event.final:
            posted = [Line(line.wallet_id, "", "", line.amount_minor) for line in event.lines]
            row["remaining"] = remaining_after(lines_of(row), row["remaining"], posted)
            return
    else:
        row["state"] = "voided" if isinstance(event, events.HoldVoided) else "expired"
    row["remaining"] = [0] * len(row["amounts"])


VIEW = Holds()
