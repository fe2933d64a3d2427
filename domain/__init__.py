"""Pure domain: money, aggregates with their events, posting rules, chart of accounts, state machine as data, ports.

Nothing here does I/O, reads a clock or draws a random number, and nothing imports another room. Importing the package
registers every aggregate and event topic, so that stored events resolve.
"""

from __future__ import annotations

from domain.address_pattern import AddressPattern
from domain.adjustment import Adjustment, AdjustmentLine
from domain.book import Book
from domain.chart import UnknownAccount, account_kind
from domain.claim import Claim
from domain.conditions import Condition
from domain.errors import RuleViolation
from domain.instrument import Instrument
from domain.merchant import Merchant
from domain.money import Money, allocate, share_half_even
from domain.monitor import Monitor
from domain.payment_order import PaymentOrder
from domain.period import Period
from domain.posting import Line, Posting
from domain.posting_rules import PostingDraft, posting_for
from domain.registry import AGGREGATES, ALL_EVENTS
from domain.sealed import Place, Sealed, Seals, SubjectErased
from domain.splitting import Share, Split
from domain.subject import Subject
from domain.wallet import WalletAccount, WalletHead

__all__ = [
    "AGGREGATES",
    "ALL_EVENTS",
    "AddressPattern",
    "Adjustment",
    "AdjustmentLine",
    "Book",
    "Claim",
    "Condition",
    "Instrument",
    "Line",
    "Merchant",
    "Money",
    "Monitor",
    "PaymentOrder",
    "Period",
    "Place",
    "Posting",
    "PostingDraft",
    "RuleViolation",
    "Sealed",
    "Seals",
    "Share",
    "Split",
    "Subject",
    "SubjectErased",
    "UnknownAccount",
    "WalletAccount",
    "WalletHead",
    "account_kind",
    "allocate",
    "posting_for",
    "share_half_even",
]
