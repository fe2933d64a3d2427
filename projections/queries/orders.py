"""Payment orders, what their payments leave open, timers, and the trial balance."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from projections.queries.reading import Asker, Page, Reader, Row, at, decoded, page

ORDERS = """
select order_id, merchant_id, status, amount_minor, currency, authorized_minor, captured_minor, released_minor,
       reference, attempts, created_at, updated_at, position
  from payment_orders
 where book = %(book)s and (%(owner)s::text is null or merchant_id = %(owner)s)
   and (%(merchant_id)s::text is null or merchant_id = %(merchant_id)s)
   and (%(status)s::text is null or status = %(status)s)
   and (%(reference)s::text is null or reference = %(reference)s)
   and (%(created_from)s::timestamptz is null or created_at >= %(created_from)s)
   and (%(created_to)s::timestamptz is null or created_at < %(created_to)s)
   and (%(at)s::timestamptz is null or (created_at, order_id) < (%(at)s, %(id)s))
 order by created_at desc, order_id desc limit %(limit)s
"""
TRIAL_BALANCE = """
select currency, address, account_kind, debit_minor, credit_minor, debit_minor - credit_minor as balance_minor, lines
  from trial_balance where book = %s order by currency, address
"""
CAPTURED = """
select currency, sum(captured_minor)::bigint as captured_minor from payment_orders
 where book = %s group by currency
"""
DIFFERENCES = """
select order_id, currency, due_minor, captured_minor, difference_minor, position from order_differences
 where book = %s and (%s::text is null or merchant_id = %s) order by order_id
"""
DUE = """
select stream_id, kind, key, book, due_at, position from due
 where due_at <= %(by)s
   and (%(at)s::timestamptz is null or (due_at, stream_id, kind, key) > (%(at)s, %(stream)s::uuid, %(kind)s, %(key)s))
 order by due_at, stream_id, kind, key limit %(limit)s
"""
NAMED = "select book, stream_id, attempt from rail_references where reference = %s order by stream_id, attempt"


class OrderQueries(Reader):
    """Reads of the views about payment orders."""

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
        as_of: int | None = None,
    ) -> Page:
        """Orders, newest first; stable while new ones come in. Raises CursorUnreadable."""
        created_at, last_id = decoded(cursor, tuple[datetime, str]) if cursor else (None, None)
        parameters = {
            "book": caller.book, "owner": caller.merchant_id, "merchant_id": merchant_id, "status": status,
            "reference": reference, "created_from": created_from, "created_to": created_to,
            "at": created_at, "id": last_id, "limit": limit + 1,
        }  # fmt: skip
        rows = self.rows(ORDERS, parameters, then=at(as_of, caller.book, "payment_orders"))
        return page(rows, limit, lambda row: (row["created_at"], row["order_id"]))

    def trial_balance(self, book: int, as_of: int | None = None) -> dict[str, Any]:
        """Every account with its debits and credits; `sum_minor` is zero per currency or the books are wrong."""
        accounts = self.rows(TRIAL_BALANCE, [book], then=at(as_of, book, "trial_balance"))
        sums: dict[str, int] = {}
        for account in accounts:
            sums[account["currency"]] = sums.get(account["currency"], 0) + account["balance_minor"]
        rows = self.rows(CAPTURED, [book], then=at(as_of, book, "payment_orders"))
        captured = {row["currency"]: row["captured_minor"] for row in rows if row["captured_minor"]}
        return {"accounts": accounts, "sum_minor": sums, "captured_minor": captured}

    def order_differences(self, caller: Asker, as_of: int | None = None) -> list[Row]:
        """Paid orders whose payments do not add up to their items."""
        parameters = [caller.book, caller.merchant_id, caller.merchant_id]
        return self.rows(DIFFERENCES, parameters, then=at(as_of, caller.book, "order_differences"))

    def named_attempts(self, reference: str) -> list[Row]:
        """The attempts, of all books, that a rail means by a name: for the reader of what rails tell."""
        return self.rows(NAMED, [reference])

    def due(
        self,
        by: datetime,
        limit: int = 500,
        as_of: int | None = None,
        after: tuple[datetime, UUID, str, str] | None = None,
    ) -> list[Row]:
        """Timers of all books that have run out `by` then, oldest first, from the one that follows `after` (moment,
        stream, kind, key): for the poller, which acts for nobody."""
        moment, stream, kind, key = after or (None, None, None, None)
        parameters = {"by": by, "at": moment, "stream": stream, "kind": kind, "key": key, "limit": limit}
        return self.rows(DUE, parameters, then=at(as_of, None, "due"))
