"""adjustments: corrections of the books by hand: who proposed what and why, and who decided."""

from __future__ import annotations

from domain.adjustment import Adjustment
from projections.view import Fact, Key, PlainRows, Row, Rows


class Adjustments(PlainRows):
    """One row per adjustment; `lines` as proposed, + for a debit, in minor units."""

    name = "adjustments"
    version = 1
    topics = ("adjustment.proposed.v1", "adjustment.approved.v1", "adjustment.rejected.v1")
    stream_column = "stream_id"
    key = ("stream_id",)
    columns = {
        "stream_id": "uuid",
        "book": "int",
        "adjustment_id": "text",
        "state": "text",
        "reason": "text",
        "proposed_by": "text",
        "decided_by": "text",
        "rejection_reason": "text",
        "lines": "jsonb",
        "metadata": "jsonb",
        "effective_at": "timestamptz",
        "proposed_at": "timestamptz",
        "decided_at": "timestamptz",
        "position": "bigint",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return () if fact.version == 1 else ((fact.stream_id,),)

    def fold(self, rows: Rows, fact: Fact) -> None:
        event, key = fact.event, (fact.stream_id,)
        if isinstance(event, Adjustment.Proposed):
            rows[key] = _proposed(fact)
            return
        row = rows[key]
        if row is None:
            message = f"adjustment {fact.stream_id} was decided and never proposed"
            raise LookupError(message)
        if isinstance(event, Adjustment.Approved):
            row["state"], row["decided_by"] = "approved", event.approved_by
            row["effective_at"] = event.effective_at
        else:
            row["state"], row["decided_by"] = "rejected", event.rejected_by
            row["rejection_reason"] = event.reason
        row["decided_at"] = fact.recorded_at
        row["position"] = fact.position


def _proposed(fact: Fact) -> Row:
    event = fact.event
    return {
        "stream_id": fact.stream_id,
        "book": fact.book,
        "adjustment_id": event.adjustment_id,
        "state": "proposed",
        "reason": event.reason,
        "proposed_by": event.proposed_by,
        "decided_by": None,
        "rejection_reason": None,
        "lines": event.lines,
        "metadata": event.metadata,
        "effective_at": event.effective_at,
        "proposed_at": fact.recorded_at,
        "decided_at": None,
        "position": fact.position,
    }


VIEW = Adjustments()
