"""Payment orders, what their payments leave open, timers, and the trial balance."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from projections.queries.reading import Asker, Page, Reader, Row, decoded, page

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
    ) -> Page:
        """Orders, newest first; stable while new ones come in. Raises CursorUnreadable."""
        at, last_id = decoded(cursor, tuple[datetime, str]) if cursor else (None, None)
        parameters = {
            "book": caller.book, "owner": caller.merchant_id, "merchant_id": merchant_id, "status": status,
            "reference": reference, "created_from": created_from, "created_to": created_to,
            "at": at, "id": last_id, "limit": limit + 1,
        }  # fmt: skip
        return page(self.rows(ORDERS, parameters), limit, lambda row: (row["created_at"], row["order_id"]))

    def trial_balance(self, book: int) -> dict[str, Any]:
        """Every account with its debits and credits; `sum_minor` is zero per currency or the books are wrong."""
        accounts = self.rows(TRIAL_BALANCE, [book])
        sums: dict[str, int] = {}
        for account in accounts:
            sums[account["currency"]] = sums.get(account["currency"], 0) + account["balance_minor"]
        captured = {row["currency"]: row["captured_minor"] for row in self.rows(CAPTURED, [book])}
        return {"accounts": accounts, "sum_minor": sums, "captured_minor": captured}

    def order_differences(self, caller: Asker) -> list[Row]:
        """Paid orders whose payments do not add up to their items."""
        return self.rows(DIFFERENCES, [caller.book, caller.merchant_id, caller.merchant_id])

    def due(self, by: datetime, limit: int = 500) -> list[Row]:
        """Timers of all books that have run out `by` then, oldest first: for the poller, which acts for nobody."""
        return self.rows(DUE, [by, limit])
