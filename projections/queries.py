"""The one place where views are read, and where ownership is enforced: every query takes the one who asks.

A merchant sees what is its own, everybody else what is in the book; another book's rows do not exist for either.
Amounts are minor units, balances in the sign people expect.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import dict_row

from domain.chart import DEBIT_KINDS
from domain.errors import RuleViolation

Read = Callable[[Callable[[psycopg.Connection[Any]], Any]], Any]
"""Runs a query on a pooled connection, again if the connection was lost: the log's readers do."""

POSITION = "select coalesce(max(position), 0) as position from views.builds where view = %s and state = 'live'"
POSITIONS = "select view, version, position, policy, updated_at from views.builds where state = 'live' order by view"
ORDERS = """
select order_id, merchant_id, status, amount_minor, currency, authorized_minor, captured_minor, released_minor,
       reference, attempts, created_at, updated_at, position
  from views.payment_orders
 where book = %(book)s and (%(owner)s::text is null or merchant_id = %(owner)s)
   and (%(merchant_id)s::text is null or merchant_id = %(merchant_id)s)
   and (%(status)s::text is null or status = %(status)s)
   and (%(reference)s::text is null or reference = %(reference)s)
   and (%(created_from)s::timestamptz is null or created_at >= %(created_from)s)
   and (%(created_to)s::timestamptz is null or created_at < %(created_to)s)
   and (%(at)s::timestamptz is null or (created_at, order_id) < (%(at)s, %(id)s))
 order by created_at desc, order_id desc limit %(limit)s
"""
WALLETS = """
select wallet_id, address, currency, account_kind, merchant_id, overdraft_limit_minor, posted_minor, held_minor,
       closed, version, position
  from views.balances
 where book = %(book)s
   and (%(owner)s::text is null or merchant_id = %(owner)s or starts_with(address, 'merchant:' || %(owner)s || ':'))
   and (%(address)s::text is null or address = %(address)s)
   and (%(after)s::text is null or (address, currency) > (%(after)s, %(after_currency)s))
 order by address, currency limit %(limit)s
"""
ENTRIES = """
select e.posting_id, e.line, e.version, e.amount_minor, e.posted_after, e.held_after, e.effective_at, e.recorded_at,
       e.position, b.account_kind
  from views.wallet_entries e join views.balances b using (wallet_id)
 where e.book = %(book)s and e.wallet_id = %(wallet)s
   and (%(owner)s::text is null or b.merchant_id = %(owner)s or starts_with(b.address, 'merchant:' || %(owner)s || ':'))
   and (%(before)s::int is null or e.version < %(before)s)
 order by e.version desc limit %(limit)s
"""
TRIAL_BALANCE = """
select currency, address, account_kind, debit_minor, credit_minor, debit_minor - credit_minor as balance_minor, lines
  from views.trial_balance where book = %s order by currency, address
"""
CAPTURED = """
select currency, sum(captured_minor)::bigint as captured_minor from views.payment_orders
 where book = %s group by currency
"""
DIFFERENCES = """
select order_id, currency, due_minor, captured_minor, difference_minor, position from views.order_differences
 where book = %s and (%s::text is null or merchant_id = %s) order by order_id
"""
DUE = """
select stream_id, kind, key, book, due_at, position from views.due
 where due_at <= %s order by due_at, stream_id limit %s
"""


class Asker(Protocol):
    """Who asks: the book whose rows exist, and the merchant whose own they must be (None: all of the book)."""

    @property
    def book(self) -> int: ...
    @property
    def merchant_id(self) -> str | None: ...


@dataclass(frozen=True)
class Page:
    """A page of a list; `next_cursor` is None on the last."""

    items: list[dict[str, Any]]
    next_cursor: str | None


class CursorUnreadable(RuleViolation):
    """The cursor is not one of ours: take it from the page before, or leave it out."""

    code: ClassVar[str] = "cursor_unreadable"


class Queries:
    """Reads of the live views. `read` runs a query on a connection of the caller's pool."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def position(self, view: str) -> int:
        """How far the live build of a view has come; 0 before it has started."""
        return int(self._rows(POSITION, [view])[0]["position"])

    def positions(self) -> list[dict[str, Any]]:
        """Every live build with its position, policy and last move."""
        return self._rows(POSITIONS, [])

    def payment_orders(
        self,
        caller: Asker,
        *,
        cursor: str | None = None,
        limit: int = 50,
        status: str | None = None,
        merchant_id: str | None = None,
        reference: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
    ) -> Page:
        """Orders, newest first; stable while new ones come in. Raises CursorUnreadable."""
        at, last_id = _decoded(cursor, tuple[datetime, str]) if cursor else (None, None)
        parameters = {
            "book": caller.book, "owner": caller.merchant_id, "merchant_id": merchant_id, "status": status,
            "reference": reference, "created_from": created_from, "created_to": created_to,
            "at": at, "id": last_id, "limit": limit + 1,
        }  # fmt: skip
        return _page(self._rows(ORDERS, parameters), limit, lambda row: (row["created_at"], row["order_id"]))

    def wallets(self, caller: Asker, *, cursor: str | None = None, limit: int = 50, address: str | None = None) -> Page:
        """Wallets by address and currency, in each wallet's natural sign; `address` asks for one address, which has
        a row per currency. Raises CursorUnreadable."""
        after, after_currency = _decoded(cursor, tuple[str, str]) if cursor else (None, None)
        parameters = {
            "book": caller.book, "owner": caller.merchant_id, "address": address,
            "after": after, "after_currency": after_currency, "limit": limit + 1,
        }  # fmt: skip
        rows = self._rows(WALLETS, parameters)
        for row in rows:
            row["posted_minor"] *= 1 if row["account_kind"] in DEBIT_KINDS else -1
        return _page(rows, limit, lambda row: (row["address"], row["currency"]))

    def wallet_entries(self, caller: Asker, wallet_id: UUID, *, cursor: str | None = None, limit: int = 50) -> Page:
        """What was posted to a wallet, newest first, in the wallet's natural sign. Raises CursorUnreadable."""
        before = _decoded(cursor, int) if cursor else None
        parameters = {
            "book": caller.book, "owner": caller.merchant_id, "wallet": wallet_id, "before": before, "limit": limit + 1,
        }  # fmt: skip
        rows = self._rows(ENTRIES, parameters)
        for row in rows:
            sign = 1 if row.pop("account_kind") in DEBIT_KINDS else -1
            row["amount_minor"] *= sign
            row["posted_after"] *= sign
        return _page(rows, limit, lambda row: row["version"])

    def trial_balance(self, book: int) -> dict[str, Any]:
        """Every account with its debits and credits; `sum_minor` is zero per currency or the books are wrong."""
        accounts = self._rows(TRIAL_BALANCE, [book])
        sums: dict[str, int] = {}
        for account in accounts:
            sums[account["currency"]] = sums.get(account["currency"], 0) + account["balance_minor"]
        captured = {row["currency"]: row["captured_minor"] for row in self._rows(CAPTURED, [book])}
        return {"accounts": accounts, "sum_minor": sums, "captured_minor": captured}

    def order_differences(self, caller: Asker) -> list[dict[str, Any]]:
        """Paid orders whose payments do not add up to their items."""
        return self._rows(DIFFERENCES, [caller.book, caller.merchant_id, caller.merchant_id])

    def due(self, by: datetime, limit: int = 500) -> list[dict[str, Any]]:
        """Timers of all books that have run out `by` then, oldest first: for the poller, which acts for nobody."""
        return self._rows(DUE, [by, limit])

    def _rows(self, query: str, parameters: Any) -> list[dict[str, Any]]:
        def fetch(connection: psycopg.Connection[Any]) -> list[dict[str, Any]]:
            with connection.cursor(row_factory=dict_row) as cursor:
                return cursor.execute(query, parameters, prepare=True).fetchall()

        rows: list[dict[str, Any]] = self._read(fetch)
        for row in rows:
            if isinstance(row.get("position"), int) and query is not POSITION:
                row["position"] = str(row["position"])  # beyond what JavaScript's numbers hold
        return rows


def _page(rows: list[dict[str, Any]], limit: int, last: Callable[[dict[str, Any]], Any]) -> Page:
    """One row more than asked for says that there is a next page."""
    if len(rows) <= limit:
        return Page(rows, None)
    cursor = base64.urlsafe_b64encode(msgspec.json.encode(last(rows[limit - 1]))).decode().rstrip("=")
    return Page(rows[:limit], cursor)


def _decoded(cursor: str, shape: Any) -> Any:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=shape)
    except ValueError as problem:
        message = "cursor cannot be read: take next_cursor of the page before, or leave it out"
        raise CursorUnreadable(message, "cursor") from problem
