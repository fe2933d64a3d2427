"""What makes a request no request at all: nothing is recorded, and its key is not used up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from domain.chart import account_kind
from domain.errors import RuleViolation
from domain.lines import check_balanced
from domain.money import check_amount, check_currency
from domain.wallet import check_overdraft_limit
from ledger.wire import (
    Bulk,
    ChangeWallet,
    CommitHold,
    OpenWallet,
    PlaceHold,
    Post,
    Reply,
    Revert,
    Transfer,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ledger.wire import Order, PostLine

KEY_LENGTH_MAX = 200
REFERENCE_LENGTH_MAX = 200
LINES_MAX = 1_000
ITEMS_MAX = 1_000
METADATA_KEYS_MAX = 50
METADATA_BYTES_MAX = 16_384


EFFECTIVE_AT_MIN = datetime(1900, 1, 1, tzinfo=UTC)


class MalformedRequest(RuleViolation):
    """A request whose form is wrong: too long, too many, empty, or a date that no book can have."""

    code = "bad_request"


def mistake(order: Order) -> Reply | None:
    """The answer to a request that makes no sense whatever the books say, or None."""
    try:
        _check(order)
    except RuleViolation as violation:
        return Reply(status="error", code=violation.code, detail=violation.message)
    return None


def _check(order: Order) -> None:
    if not 0 < len(order.key) <= KEY_LENGTH_MAX:
        raise MalformedRequest(f"key must have 1 to {KEY_LENGTH_MAX} characters", "key")
    if isinstance(order, Transfer):
        check_amount(order.amount_minor)
        check_currency(order.currency)
    elif isinstance(order, (Post, PlaceHold)):
        _check_lines(order.lines)
    elif isinstance(order, CommitHold):
        if order.amount_minor is not None:
            check_amount(order.amount_minor)
        if order.lines is not None:
            _check_lines(order.lines)
    elif isinstance(order, Revert):
        if order.amount_minor is not None:
            check_amount(order.amount_minor)
    elif isinstance(order, OpenWallet):
        account_kind(order.address)
        check_currency(order.currency)
        check_overdraft_limit(order.overdraft_limit_minor)
    elif isinstance(order, ChangeWallet):
        check_overdraft_limit(order.overdraft_limit_minor)
    elif isinstance(order, Bulk):
        _check_items(order)
    _check_notes(order)


def _check_lines(lines: Sequence[PostLine]) -> None:
    if len(lines) > LINES_MAX:
        raise MalformedRequest(f"lines: at most {LINES_MAX}, not {len(lines)}", "lines")
    for number, line in enumerate(lines):
        check_amount(abs(line.amount_minor), f"lines.{number}.amount_minor")
        check_currency(line.currency, f"lines.{number}.currency")
    check_balanced(lines)


def _check_items(order: Bulk) -> None:
    if not 0 < len(order.items) <= ITEMS_MAX:
        raise MalformedRequest(f"items: 1 to {ITEMS_MAX}, not {len(order.items)}", "items")
    for number, item in enumerate(order.items):
        if item.book != order.book:
            raise MalformedRequest(f"items.{number}.book must be that of the bulk", "items")
        try:
            _check(item)
        except RuleViolation as violation:
            violation.message = f"items.{number}: {violation.message}"
            raise


def _check_notes(order: Order) -> None:
    notes: Mapping[str, str | None] = getattr(order, "metadata", None) or getattr(order, "changes", None) or {}
    if len(notes) > METADATA_KEYS_MAX:
        raise MalformedRequest(f"metadata: at most {METADATA_KEYS_MAX} keys, not {len(notes)}", "metadata")
    size = sum(len(name.encode()) + len((value or "").encode()) for name, value in notes.items())
    if size > METADATA_BYTES_MAX:
        raise MalformedRequest(f"metadata: at most {METADATA_BYTES_MAX} bytes, not {size}", "metadata")
    effective_at: datetime | None = getattr(order, "effective_at", None)
    if effective_at is not None and (effective_at.tzinfo is None or effective_at < EFFECTIVE_AT_MIN):
        raise MalformedRequest("effective_at: must have a time zone and be 1900 or later", "effective_at")
    reference = getattr(order, "reference", None)
    if reference is not None and not 0 < len(reference) <= REFERENCE_LENGTH_MAX:
        raise MalformedRequest(f"reference: 1 to {REFERENCE_LENGTH_MAX} characters", "reference")
