"""Posting rules: from a fact to the balanced posting it means, as pure functions.

Steps 1 to 6 of the worked example in the payments reference (authorise, capture, rail cost, release, settlement batch,
bank line). + is a debit, - a credit, minor units. A rule's version string is kept with each posting: a changed rule
gets a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import msgspec

from domain import chart
from domain import evidence_events as evidence
from domain import payment_events as facts
from domain.adjustment import Adjustment
from domain.chart import AccountKind, account_kind
from domain.ids import wallet_stream_id
from domain.posting import Line
from domain.splitting import Share


class DraftLine(msgspec.Struct, frozen=True):
    """One account's part of a posting to be; + is a debit, in minor units."""

    address: str
    currency: str
    amount_minor: int
    account_kind: AccountKind


class PostingDraft(msgspec.Struct, frozen=True):
    """A balanced posting a fact calls for. `reference` names the fact, not the rule: one fact is posted once."""

    reference: str
    rule: str
    lines: tuple[DraftLine, ...]
    effective_at: datetime
    metadata: dict[str, str] = {}
    book: int = 0

    def posting_lines(self) -> list[Line]:
        """The lines with the ids of their wallet streams in the draft's book."""
        return [
            Line(
                wallet_stream_id(self.book, line.address, line.currency), line.address, line.currency, line.amount_minor
            )
            for line in self.lines
        ]


@dataclass(frozen=True, slots=True)
class SettlementBatch:
    """A rail reports that it put this much in a payout to our bank, net of its cost (minor units)."""

    rail: str
    batch_id: str
    amount_minor: int
    currency: str
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class BankCredit:
    """A bank statement line that a rail's settlement batch arrived on (minor units)."""

    bank: str
    rail: str
    line_id: str
    amount_minor: int
    currency: str
    effective_at: datetime


Fact = Any
"""An event, or one of the fact classes above; the registry below says which classes mean money."""


def _lines(currency: str, *amounts: tuple[str, int]) -> tuple[DraftLine, ...]:
    return tuple([DraftLine(address, currency, amount, account_kind(address)) for address, amount in amounts if amount])


def _drafted(
    event: facts.PaymentOrderEvent,
    rule: str,
    lines: tuple[DraftLine, ...],
    effective_at: datetime,
    book: int,
    **metadata: str,
) -> PostingDraft | None:
    if not lines:
        return None
    reference = f"payment-order/{event.originator_id}/{event.originator_version}"
    return PostingDraft(reference, rule, lines, effective_at, {"stream": str(event.originator_id), **metadata}, book)


def _authorized(event: facts.Authorized, book: int) -> PostingDraft | None:
    lines = _lines(
        event.currency,
        (chart.AUTH_HOLD_PSP, event.amount_minor),
        (chart.AUTH_HOLD_CONTRA, -event.amount_minor),
    )
    return _drafted(event, "authorize.v1", lines, event.timestamp, book, attempt=str(event.attempt))


def _captured(event: facts.Captured, book: int) -> PostingDraft | None:
    fees = sum(share.commission_minor for share in event.shares)
    clearing = chart.psp_clearing(event.rail)
    lines = _lines(
        event.currency,
        (chart.AUTH_HOLD_PSP, -event.released_minor),
        (chart.AUTH_HOLD_CONTRA, event.released_minor),
        (clearing, event.amount_minor),
        *((chart.merchant_pending(share.seller_id), -share.net_minor) for share in event.shares),
        (chart.REVENUE_FEES, -fees),
        (chart.PSP_COST, event.cost_minor),
        (clearing, -event.cost_minor),
    )
    return _drafted(event, "capture.v1", lines, event.effective_at, book, capture_id=event.capture_id)


def _given_back(event: facts.Voided | facts.AuthorizationExpired, book: int) -> PostingDraft | None:
    lines = _lines(
        event.currency,
        (chart.AUTH_HOLD_PSP, -event.amount_minor),
        (chart.AUTH_HOLD_CONTRA, event.amount_minor),
    )
    rule = "void.v1" if isinstance(event, facts.Voided) else "authorization-expired.v1"
    return _drafted(event, rule, lines, event.timestamp, book, attempt=str(event.attempt))


def _released(event: facts.FundsReleased, book: int) -> PostingDraft | None:
    def both(share: Share) -> tuple[tuple[str, int], tuple[str, int]]:
        pending, available = chart.merchant_pending(share.seller_id), chart.merchant_available(share.seller_id)
        return (pending, share.net_minor), (available, -share.net_minor)

    lines = _lines(event.currency, *(amount for share in event.shares for amount in both(share)))
    return _drafted(event, "release-funds.v1", lines, event.effective_at, book, capture_id=event.capture_id)


def _late_success(event: facts.LateSuccessDetected, book: int) -> PostingDraft | None:
    """Money a rail took against the books has still moved: it waits in suspense. A mere hold has moved nothing."""
    if event.operation != "capture":
        return None
    lines = _lines(
        event.currency,
        (chart.psp_clearing(event.rail), event.amount_minor),
        (chart.SUSPENSE_PSP, -event.amount_minor),
    )
    return _drafted(event, "late-success.v1", lines, event.timestamp, book, rail_reference=event.rail_reference)


def _returned(event: evidence.PaymentReturned, book: int) -> PostingDraft | None:
    """A capture undone: sellers and platform give back what it had earned them, and the bank's fee is ours."""
    account = chart.merchant_available if event.funds_released else chart.merchant_pending
    clearing = chart.psp_clearing(event.rail)
    lines = _lines(
        event.currency,
        (clearing, -event.amount_minor),
        *((account(share.seller_id), share.net_minor) for share in event.shares),
        (chart.REVENUE_FEES, sum(share.commission_minor for share in event.shares)),
        (chart.PSP_COST, event.fee_minor),
        (clearing, -event.fee_minor),
    )
    return _drafted(event, "payment-returned.v1", lines, event.effective_at, book, capture_id=event.capture_id)


def _batch_settled(batch: SettlementBatch, book: int) -> PostingDraft | None:
    lines = _lines(
        batch.currency,
        (chart.psp_in_transit(batch.rail), batch.amount_minor),
        (chart.psp_clearing(batch.rail), -batch.amount_minor),
    )
    if not lines:
        return None
    reference = f"settlement-batch/{batch.rail}/{batch.batch_id}"
    return PostingDraft(reference, "settlement-batch.v1", lines, batch.effective_at, {"batch_id": batch.batch_id}, book)


def _bank_credited(credit: BankCredit, book: int) -> PostingDraft | None:
    lines = _lines(
        credit.currency,
        (chart.bank_cash(credit.bank), credit.amount_minor),
        (chart.psp_in_transit(credit.rail), -credit.amount_minor),
    )
    if not lines:
        return None
    reference = f"bank-line/{credit.bank}/{credit.line_id}"
    return PostingDraft(reference, "bank-credit.v1", lines, credit.effective_at, {"line_id": credit.line_id}, book)


def _adjusted(event: Adjustment.Approved, book: int) -> PostingDraft:
    """What two people agreed on, line by line as it was proposed."""
    lines = tuple(
        [DraftLine(line.address, line.currency, line.amount_minor, account_kind(line.address)) for line in event.lines]
    )
    metadata = {"adjustment_id": event.adjustment_id, "reason": event.reason}
    return PostingDraft(f"adjustment/{event.originator_id}", "adjustment.v1", lines, event.effective_at, metadata, book)


Rule = Callable[[Any, int], PostingDraft | None]

POSTING_RULES: Final[dict[type, Rule]] = {
    facts.Authorized: _authorized,
    facts.Captured: _captured,
    facts.Voided: _given_back,
    facts.AuthorizationExpired: _given_back,
    facts.FundsReleased: _released,
    facts.LateSuccessDetected: _late_success,
    evidence.PaymentReturned: _returned,
    Adjustment.Approved: _adjusted,
    SettlementBatch: _batch_settled,
    BankCredit: _bank_credited,
}

POSTED_TOPICS: Final[tuple[str, ...]] = tuple(cast(str, fact.TOPIC) for fact in POSTING_RULES if hasattr(fact, "TOPIC"))
"""Topics of the log that mean money: what the posting engine follows."""


def posting_for(event: Fact, book: int) -> PostingDraft | None:
    """The posting a fact calls for in `book`, or None when it moves nothing (no rule, or all amounts are zero)."""
    rule = POSTING_RULES.get(type(event))
    return None if rule is None else rule(event, book)
