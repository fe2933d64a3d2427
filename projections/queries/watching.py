"""Monitors, adjustments and closed periods: what people watch, correct and close."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from projections.queries.reading import Asker, Page, Reader, Row, at, conditions, decoded, own, page, scope

MONITORS = """
select m.monitor_id, m.wallet_id, b.address, b.currency, m.measure, m.threshold_minor, m.reference, m.side,
       m.balance_minor, m.crossings, m.crossed_at, m.created_at, m.removed, m.position
  from monitors m join balances b using (wallet_id)
 where m.book = %(book)s {where}
 order by m.created_at desc, m.monitor_id desc limit %(limit)s
"""
MONITOR = {
    "wallet_id": "m.wallet_id = %(wallet_id)s",
    "measure": "m.measure = %(measure)s",
    "side": "m.side = %(side)s",
    "removed": "m.removed = %(removed)s",
    "at": "(m.created_at, m.monitor_id) < (%(at)s, %(id)s)",
}
ADJUSTMENTS = """
select stream_id, adjustment_id, state, reason, proposed_by, decided_by, rejection_reason, lines, metadata,
       effective_at, proposed_at, decided_at, position
  from adjustments
 where book = %(book)s {where}
 order by proposed_at desc, stream_id desc limit %(limit)s
"""
ADJUSTMENT = {
    "state": "state = %(state)s",
    "proposed_by": "proposed_by = %(proposed_by)s",
    "decided_by": "decided_by = %(decided_by)s",
    "at": "(proposed_at, stream_id) < (%(at)s, %(id)s)",
}
PERIODS = """
select through, closed_at, position from periods where book = %(book)s order by through desc
"""


@dataclass(frozen=True)
class MonitorFilter:
    """Which monitors are meant; `side` is that of the last crossing, so one that never crossed has none."""

    wallet_id: UUID | None = None
    measure: str | None = None
    side: str | None = None
    removed: bool | None = None


@dataclass(frozen=True)
class AdjustmentFilter:
    """Which adjustments are meant; people are named as the log names them, such as `key:ID`."""

    state: str | None = None
    proposed_by: str | None = None
    decided_by: str | None = None


class WatchingQueries(Reader):
    """Lists of monitors, adjustments and closings."""

    def monitors(
        self,
        caller: Asker,
        *,
        cursor: str | None = None,
        limit: int = 50,
        chosen: MonitorFilter | None = None,
        as_of: int | None = None,
    ) -> Page:
        """Monitors of wallets that the caller may see, newest first. Raises CursorUnreadable."""
        asked = dict(vars(chosen or MonitorFilter())) | _place(cursor)
        query = MONITORS.format(where=own(caller) + conditions(MONITOR, asked))
        parameters, then = scope(caller) | asked | {"limit": limit + 1}, at(as_of, caller.book, "monitors")
        rows = self.rows(query, parameters, prepare=False, then=then)
        return page(rows, limit, lambda row: (row["created_at"], row["monitor_id"]))

    def adjustments(
        self,
        caller: Asker,
        *,
        cursor: str | None = None,
        limit: int = 50,
        chosen: AdjustmentFilter | None = None,
        as_of: int | None = None,
    ) -> Page:
        """Adjustments, newest first; none for a merchant, whose books they are not. Raises CursorUnreadable."""
        asked = dict(vars(chosen or AdjustmentFilter())) | _place(cursor)
        if caller.merchant_id is not None:
            return Page([], None)
        query = ADJUSTMENTS.format(where=conditions(ADJUSTMENT, asked))
        parameters, then = scope(caller) | asked | {"limit": limit + 1}, at(as_of, caller.book, "adjustments")
        rows = self.rows(query, parameters, prepare=False, then=then)
        found = page(rows, limit, lambda row: (row["proposed_at"], row["stream_id"]))
        for row in found.items:
            del row["stream_id"]
        return found

    def periods(self, caller: Asker, as_of: int | None = None) -> list[Row]:
        """Every closing of the book, latest first."""
        return self.rows(PERIODS, scope(caller), then=at(as_of, caller.book, "periods"))


def _place(cursor: str | None) -> Row:
    created_at, last_id = decoded(cursor, tuple[datetime, UUID]) if cursor else (None, None)
    return {"at": created_at, "id": last_id}
