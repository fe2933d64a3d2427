"""postings: every movement, hold and refusal of a book, to be searched by what callers know of it."""

from __future__ import annotations

from domain import posting_events as events
from domain.lines import Line, reverted_after
from domain.metadata import merged
from projections.view import Fact, Key, PlainRows, Row, Rows

_CREATED = (events.Recorded, events.HoldPlaced, events.Refused)


class Postings(PlainRows):
    """One row per posting stream. `amounts` (minor units, + for a debit) and `reverted` have one number per line, in
    the order of `wallet_ids`; a line's address and currency are its wallet's and are read from there. `position` is
    that of the last event, `recorded_at` that of the first.
    """

    name = "postings"
    version = 1
    topics = (
        "posting.recorded.v1",
        "posting.refused.v1",
        "posting.reverted.v1",
        "posting.hold-placed.v1",
        "posting.hold-committed.v1",
        "posting.hold-voided.v1",
        "posting.hold-expired.v1",
        "posting.metadata-changed.v1",
    )
    stream_column = "posting_id"
    key = ("posting_id",)
    columns = {
        "posting_id": "uuid",
        "book": "int",
        "reference": "text",
        "external_reference": "text",
        "rule": "text",
        "state": "text",
        "effective_at": "timestamptz",
        "recorded_at": "timestamptz",
        "wallet_ids": "uuid[]",
        "amounts": "bigint[]",
        "metadata": "jsonb",
        "reverts": "uuid",
        "reversals": "uuid[]",
        "reverted": "bigint[]",
        "refusal_code": "text",
        "position": "bigint",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        """Nothing to load for the first event of a stream, which is what nearly all of them are."""
        return () if fact.version == 1 else ((fact.stream_id,),)

    def fold(self, rows: Rows, fact: Fact) -> None:
        if isinstance(fact.event, _CREATED):
            rows[(fact.stream_id,)] = _created(fact)
            return
        row = rows[(fact.stream_id,)]
        if row is None:
            message = f"posting {fact.stream_id} has an event {fact.version} and no beginning"
            raise LookupError(message)
        _change(row, fact.event)
        row["position"] = fact.position


def _created(fact: Fact) -> Row:
    event = fact.event
    refused = isinstance(event, events.Refused)
    recorded = isinstance(event, events.Recorded)
    return {
        "posting_id": fact.stream_id,
        "book": fact.book,
        "reference": event.reference,
        "external_reference": None if refused else event.external_reference,
        "rule": event.rule,
        "state": "recorded" if recorded else "refused" if refused else "pending",
        "effective_at": None if refused else event.effective_at,
        "recorded_at": fact.recorded_at,
        "wallet_ids": [line.wallet_id for line in event.lines],
        "amounts": [line.amount_minor for line in event.lines],
        "metadata": {} if refused else event.metadata,
        "reverts": event.reverts if recorded else None,
        "reversals": None,
        "reverted": None,
        "refusal_code": event.code if refused else None,
        "position": fact.position,
    }


def _change(row: Row, event: events.PostingEvent) -> None:
    if isinstance(event, events.MetadataChanged):
        row["metadata"] = merged(row["metadata"], event.changes)
    elif isinstance(event, events.Reverted):
        row["reverted"] = reverted = _reverted(row, event)
        row["state"] = "reverted" if reverted == row["amounts"] else "partially_reverted"
        row["reversals"] = [*(row["reversals"] or ()), event.by]
    elif isinstance(event, events.HoldCommitted):
        row["state"] = "committed" if event.final else "partially_committed"
    elif isinstance(event, events.HoldVoided):
        row["state"] = "voided"
    elif isinstance(event, events.HoldExpired):
        row["state"] = "expired"


def _reverted(row: Row, event: events.Reverted) -> list[int]:
    """What was taken back so far, by the domain's own arithmetic; a wallet has one currency, so none is kept here."""
    taken = [Line(line.wallet_id, "", "", line.amount_minor) for line in event.lines]
    lines = lines_of(row)
    return reverted_after(lines, row["reverted"] or [0] * len(lines), taken)


def lines_of(row: Row) -> list[Line]:
    """The lines that a row keeps as two arrays, without address and currency."""
    pairs = zip(row["wallet_ids"], row["amounts"], strict=True)
    return [Line(wallet_id, "", "", amount) for wallet_id, amount in pairs]


VIEW = Postings()
