"""Postings and holds, by what callers know of them.

A merchant sees those that touch a wallet of its own, and of these its own lines; metadata speaks of all lines, so it is
shown, and searched, only where all of them are the merchant's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.ids import stream_id
from projections.queries.reading import Asker, Page, Reader, Row, Then, at, conditions, decoded, page, scope

POSTINGS = """
select posting_id, rule, state, external_reference as reference, reference as ledger_reference, effective_at,
       recorded_at, wallet_ids, amounts, reverted, metadata, reverts, reversals, refusal_code, position
  from postings
 where book = %(book)s {where}
 order by recorded_at desc, posting_id desc limit %(limit)s
"""
POSTING = {
    "own": "wallet_ids && %(own)s::uuid[]",
    "posting_id": "posting_id = %(posting_id)s",
    "reference": "external_reference = %(reference)s",
    "wallet_id": "wallet_ids @> array[%(wallet_id)s::uuid]",
    "rule": "rule = %(rule)s",
    "state": "state = %(state)s",
    "metadata": "metadata <> '{}' and metadata @> %(metadata)s",
    "own_metadata": "wallet_ids <@ %(own)s::uuid[]",
    "effective_from": "effective_at >= %(effective_from)s",
    "effective_to": "effective_at < %(effective_to)s",
    "recorded_from": "recorded_at >= %(recorded_from)s",
    "recorded_to": "recorded_at < %(recorded_to)s",
    "at": "(recorded_at, posting_id) < (%(at)s, %(id)s)",
}
HOLDS = """
select hold_id, state, external_reference as reference, effective_at, recorded_at, expires_at, wallet_ids, amounts,
       remaining, commits, position
  from holds
 where book = %(book)s {where}
 order by recorded_at desc, hold_id desc limit %(limit)s
"""
OPEN = "state in ('pending', 'partially_committed')"
HOLD = {
    "own": "wallet_ids && %(own)s::uuid[]",
    "open": OPEN,
    "state": "state = %(state)s",
    "reference": "external_reference = %(reference)s",
    "wallet_id": "wallet_ids @> array[%(wallet_id)s::uuid]",
    "expires_before": f"{OPEN} and expires_at < %(expires_before)s",
    "at": "(recorded_at, hold_id) < (%(at)s, %(id)s)",
}


@dataclass(frozen=True)
class PostingFilter:
    """Which postings are meant; what is None does not matter. `reference` is the caller's own name of a posting,
    `ledger_reference` the ledger's. Ranges hold their beginning and not their end."""

    reference: str | None = None
    ledger_reference: str | None = None
    wallet_id: UUID | None = None
    rule: str | None = None
    state: str | None = None
    metadata: Mapping[str, str] | None = None
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None


@dataclass(frozen=True)
class HoldFilter:
    """Which holds are meant. `open` asks for those that still reserve something, as does `expires_before`."""

    state: str | None = None
    open: bool | None = None
    reference: str | None = None
    wallet_id: UUID | None = None
    expires_before: datetime | None = None


class PostingQueries(Reader):
    """Lists of postings and holds."""

    def postings(
        self,
        caller: Asker,
        *,
        cursor: str | None = None,
        limit: int = 50,
        chosen: PostingFilter | None = None,
        as_of: int | None = None,
    ) -> Page:
        """Postings, newest first; stable while new ones come in. Raises CursorUnreadable."""
        chosen = chosen or PostingFilter()
        asked = dict(vars(chosen)) | self._listed(caller, cursor, as_of)
        if chosen.ledger_reference is not None:
            asked["posting_id"] = stream_id(caller.book, "posting", chosen.ledger_reference)
        if chosen.metadata:
            asked["metadata"] = Jsonb(dict(chosen.metadata))
            asked["own_metadata"] = asked["own"]
        else:
            asked["metadata"] = None
        rows = self._listed_rows(POSTINGS, POSTING, caller, asked, limit, at(as_of, caller.book, "postings"))
        found = page(rows, limit, lambda row: (row["recorded_at"], row["posting_id"]))
        self._show_lines(caller, found.items, asked["own"], "reverted", as_of)
        return found

    def holds(
        self,
        caller: Asker,
        *,
        cursor: str | None = None,
        limit: int = 50,
        chosen: HoldFilter | None = None,
        as_of: int | None = None,
    ) -> Page:
        """Holds, newest first; stable while new ones come in. Raises CursorUnreadable."""
        asked = dict(vars(chosen or HoldFilter())) | self._listed(caller, cursor, as_of)
        asked["open"] = asked["open"] or None
        rows = self._listed_rows(HOLDS, HOLD, caller, asked, limit, at(as_of, caller.book, "holds"))
        found = page(rows, limit, lambda row: (row["recorded_at"], row["hold_id"]))
        self._show_lines(caller, found.items, asked["own"], "remaining", as_of)
        return found

    def _listed(self, caller: Asker, cursor: str | None, as_of: int | None) -> Row:
        recorded_at, last_id = decoded(cursor, tuple[datetime, UUID]) if cursor else (None, None)
        return {"at": recorded_at, "id": last_id, "own": self.own_wallets(caller, as_of)}

    def _listed_rows(
        self, query: str, texts: Mapping[str, str], caller: Asker, asked: Row, limit: int, then: Then | None
    ) -> list[Row]:
        text = query.replace("{where}", conditions(texts, asked))
        return self.rows(text, scope(caller) | asked | {"limit": limit + 1}, prepare=False, then=then)

    def _show_lines(
        self, caller: Asker, rows: list[Row], own: Sequence[UUID] | None, counted: str, as_of: int | None
    ) -> None:
        """Make lines of the arrays, with the address and currency of each wallet."""
        wallet_ids = [wallet_id for row in rows for wallet_id in row["wallet_ids"]]
        accounts = self.accounts(caller.book, wallet_ids, as_of) if wallet_ids else {}
        mine = accounts if own is None else {key: accounts[key] for key in own if key in accounts}
        for row in rows:
            ids, amounts = row.pop("wallet_ids"), row.pop("amounts")
            counts = row.pop(counted) or [0] * len(amounts)
            lines = [
                _line(wallet_id, accounts.get(wallet_id), amount, {f"{counted}_minor": count})
                for wallet_id, amount, count in zip(ids, amounts, counts, strict=True)
                if own is None or wallet_id in mine
            ]
            if "metadata" in row and len(lines) < len(amounts):
                row["metadata"] = {}
            if "reversals" in row:
                row["reversals"] = row["reversals"] or []
            row["lines"] = lines


def _line(wallet_id: UUID, account: Row | None, amount: int, counted: Mapping[str, int]) -> dict[str, Any]:
    """A line; a refused request may have named a wallet that the book does not have."""
    return {
        "wallet_id": wallet_id,
        "address": account["address"] if account is not None else None,
        "currency": account["currency"] if account is not None else None,
        "amount_minor": amount,
        **counted,
    }
