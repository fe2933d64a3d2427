"""Wallets by what is known of them, and the entries of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.address_pattern import ONE, REST, AddressPattern
from projections.queries.reading import Asker, Page, Reader, Row, at, conditions, decoded, own, page, scope, sign_of

NATURAL = "case when b.account_kind in ('asset', 'expense', 'memo') then {amount} else -{amount} end"
"""An amount with the sign that people expect of the wallet `b`."""

WALLETS = """
select b.wallet_id, b.address, b.currency, b.account_kind, b.merchant_id, b.overdraft_limit_minor, b.posted_minor,
       b.held_minor, b.frozen, b.closed, b.metadata, b.version, b.position
  from balances b
 where b.book = %(book)s {where}
 order by b.address, b.currency limit %(limit)s
"""
CHOSEN = {
    "wallet_id": "b.wallet_id = %(wallet_id)s",
    "address": "b.address = %(address)s",
    "like": "b.address like %(like)s",
    "deeper": "b.address not like %(deeper)s",
    "regex": "b.address ~ %(regex)s",
    "currency": "b.currency = %(currency)s",
    "account_kind": "b.account_kind = %(account_kind)s",
    "frozen": "b.frozen = %(frozen)s",
    "closed": "b.closed = %(closed)s",
    "metadata": "b.metadata <> '{}' and b.metadata @> %(metadata)s",
    "balance_from": NATURAL.format(amount="b.posted_minor") + " >= %(balance_from)s",
    "balance_below": NATURAL.format(amount="b.posted_minor") + " < %(balance_below)s",
    "after": "(b.address, b.currency) > (%(after)s, %(after_currency)s)",
}
ENTRIES = """
select e.posting_id, e.line, e.version, e.amount_minor, e.posted_after, e.held_after, e.effective_at, e.recorded_at,
       e.position, b.account_kind
  from wallet_entries e join balances b using (wallet_id)
 where b.book = %(book)s and e.wallet_id = %(wallet)s and e.effective_at is not null {where}
 order by e.position desc limit %(limit)s
"""
ENTRY = {
    "effective_from": "e.effective_at >= %(effective_from)s",
    "effective_to": "e.effective_at < %(effective_to)s",
    "recorded_from": "e.recorded_at >= %(recorded_from)s",
    "recorded_to": "e.recorded_at < %(recorded_to)s",
    "min_amount_minor": NATURAL.format(amount="e.amount_minor") + " >= %(min_amount_minor)s",
    "max_amount_minor": NATURAL.format(amount="e.amount_minor") + " <= %(max_amount_minor)s",
    "before": "e.position < %(before)s",
    "as_of": "e.position <= %(as_of)s",
}


@dataclass(frozen=True)
class WalletFilter:
    """Which wallets are meant; what is None does not matter. Balances in minor units, in the natural sign."""

    pattern: AddressPattern | None = None
    wallet_id: UUID | None = None
    currency: str | None = None
    account_kind: str | None = None
    metadata: Mapping[str, str] | None = None
    frozen: bool | None = None
    closed: bool | None = None
    balance_from: int | None = None
    balance_below: int | None = None

    def asked(self) -> Row:
        """The parameters of the conditions in `CHOSEN`."""
        return matching(self.pattern) | {
            "wallet_id": self.wallet_id,
            "currency": self.currency,
            "account_kind": self.account_kind,
            "metadata": Jsonb(dict(self.metadata)) if self.metadata else None,
            "frozen": self.frozen,
            "closed": self.closed,
            "balance_from": self.balance_from,
            "balance_below": self.balance_below,
        }


ALL_WALLETS = WalletFilter()


def matching(pattern: AddressPattern | None) -> Row:
    """The parameters of the conditions on the address that a pattern asks for.

    LIKE knows no segments. Addresses are well formed, so it is told that there are no more of them than in the pattern,
    and only a literal between a `*` and a final `**` is left to the regular expression, which costs several times as
    much.
    """
    if pattern is None:
        return {}
    if pattern.exact:
        return {"address": str(pattern)}
    found: Row = {"like": pattern.to_sql_like()}
    *names, last = pattern.segments
    if last != REST:
        found["deeper"] = ":".join("%" * (len(pattern.segments) + 1))
    elif ONE in names and any(name != ONE for name in names[names.index(ONE) :]):
        found["regex"] = pattern.to_sql_regex()
    return found


@dataclass(frozen=True)
class EntryFilter:
    """Which entries are meant: ranges hold their beginning and not their end; amounts in the natural sign."""

    effective_from: datetime | None = None
    effective_to: datetime | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None
    min_amount_minor: int | None = None
    max_amount_minor: int | None = None


ALL_ENTRIES = EntryFilter()


class WalletQueries(Reader):
    """Lists of wallets and of what was posted to them."""

    def wallets(
        self,
        caller: Asker,
        *,
        cursor: str | None = None,
        limit: int = 50,
        address: str | None = None,
        chosen: WalletFilter = ALL_WALLETS,
        as_of: int | None = None,
    ) -> Page:
        """Wallets by address and currency, in each wallet's natural sign; `address` asks for one address, which has
        a row per currency. Raises CursorUnreadable."""
        after, after_currency = decoded(cursor, tuple[str, str]) if cursor else (None, None)
        asked = chosen.asked() | {"after": after, "after_currency": after_currency}
        if address is not None:
            asked["address"] = address
        query = WALLETS.format(where=own(caller) + conditions(CHOSEN, asked))
        parameters, then = scope(caller) | asked | {"limit": limit + 1}, at(as_of, caller.book, "balances")
        rows = self.rows(query, parameters, prepare=False, then=then)
        for row in rows:
            row["posted_minor"] *= sign_of(row["account_kind"])
            row["available_minor"] = row["posted_minor"] - row["held_minor"]
        return page(rows, limit, lambda row: (row["address"], row["currency"]))

    def wallet_entries(
        self,
        caller: Asker,
        wallet_id: UUID,
        *,
        cursor: str | None = None,
        limit: int = 50,
        chosen: EntryFilter = ALL_ENTRIES,
        as_of: int | None = None,
    ) -> Page:
        """What was posted to a wallet, newest first, in the wallet's natural sign. Raises CursorUnreadable."""
        asked = vars(chosen) | {"before": decoded(cursor, int) if cursor else None, "as_of": as_of}
        query = ENTRIES.format(where=own(caller) + conditions(ENTRY, asked))
        parameters = scope(caller) | asked | {"wallet": wallet_id, "limit": limit + 1}
        rows = self.rows(query, parameters, prepare=False)
        for row in rows:
            sign = sign_of(row.pop("account_kind"))
            row["amount_minor"] *= sign
            row["posted_after"] *= sign
        return page(rows, limit, lambda row: int(row["position"]))
