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
from projections.queries.reading import Asker, CursorUnreadable, Page, Past, PastUnderWay, Read, Then, ViewsApart
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
    "Past",
    "PastUnderWay",
    "PostingFilter",
    "Queries",
    "Range",
    "RangeReversed",
    "Read",
    "Statement",
    "Then",
    "ViewsApart",
    "WalletFilter",
    "When",
    "span",
    "up_to",
]


class Queries(OrderQueries, WalletQueries, StatementQueries, PostingQueries, WatchingQueries):
    """Reads of the views. `read` runs a query of the live ones on a connection of the caller's pool, `past` one of
    views as they were; without it only what the live rows themselves know of the past can be asked."""
