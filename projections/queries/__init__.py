"""The one place where views are read, and where ownership is enforced: every query takes the one who asks.

A merchant sees what is its own, everybody else what is in the book; another book's rows do not exist for either.
Amounts are minor units, balances in the sign people expect.
"""

from __future__ import annotations

from projections.queries.orders import OrderQueries
from projections.queries.reading import Asker, CursorUnreadable, Page, Read, ViewsApart
from projections.queries.wallets import EntryFilter, WalletFilter, WalletQueries

__all__ = ["Asker", "CursorUnreadable", "EntryFilter", "Page", "Queries", "Read", "ViewsApart", "WalletFilter"]


class Queries(OrderQueries, WalletQueries):
    """Reads of the live views. `read` runs a query on a connection of the caller's pool."""
