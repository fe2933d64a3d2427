"""The one place where views are read, and where ownership is enforced: every query takes the one who asks.

A merchant sees what is its own, everybody else what is in the book; another book's rows do not exist for either.
Amounts are minor units, balances in the sign people expect.
"""

from __future__ import annotations

from projections.queries.grouping import ONLY_KINDS, Grouping, GroupUnknown
from projections.queries.moments import MomentNotReached, RangeReversed, span, up_to
from projections.queries.numbers import When
from projections.queries.orders import OrderQueries
from projections.queries.postings import HoldFilter, PostingFilter, PostingQueries
from projections.queries.reading import Asker, CursorUnreadable, Page, Read, ViewsApart
from projections.queries.statements import EntriesDoNotClose, Range, Statement, StatementQueries
from projections.queries.wallets import EntryFilter, WalletFilter, WalletQueries
from projections.queries.watching import AdjustmentFilter, MonitorFilter, WatchingQueries

__all__ = [
    "ONLY_KINDS",
    "AdjustmentFilter",
    "Asker",
    "CursorUnreadable",
    "EntriesDoNotClose",
    "EntryFilter",
    "GroupUnknown",
    "Grouping",
    "HoldFilter",
    "MomentNotReached",
    "MonitorFilter",
    "Page",
    "PostingFilter",
    "Queries",
    "Range",
    "RangeReversed",
    "Read",
    "Statement",
    "ViewsApart",
    "WalletFilter",
    "When",
    "span",
    "up_to",
]


class Queries(OrderQueries, WalletQueries, StatementQueries, PostingQueries, WatchingQueries):
    """Reads of the live views. `read` runs a query on a connection of the caller's pool."""
