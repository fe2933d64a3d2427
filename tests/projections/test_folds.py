"""The views are pure folds: what a batch's rows become depends on its events alone, and on no database."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.payment_order import PaymentOrder
from domain.splitting import Split
from domain.wallet import WalletAccount
from projections.due import RELEASE_AFTER
from projections.registry import view
from projections.view import Fact, Row, Rows

AT = datetime(2026, 1, 1, tzinfo=UTC)
SELLER = str(uuid.UUID(int=1))


def folded(name: str, events: Sequence[Any], rows: Rows | None = None, start: int = 1) -> Rows:
    """The rows that a view makes of these events, as the machine calls it."""
    found, rows = view(name), {} if rows is None else rows
    for position, event in enumerate(events, start):
        fact = Fact(position, 1, event.originator_id, event.originator_version, AT, event)
        if type(event).TOPIC in found.topics:
            for key in found.keys(fact):
                rows.setdefault(key, None)
            found.fold(rows, fact)
    return rows


def kept(rows: Rows) -> list[Row]:
    return [row for row in rows.values() if row is not None]


def paid_order(due: int, paid: int | None) -> Sequence[Any]:
    order = PaymentOrder.create(
        book=1, order_id=str(uuid.UUID(int=7)), amount_minor=due, currency="EUR", at=AT,
        splits=[Split(SELLER, due)], commission_bps=1000, expires_at=AT + timedelta(hours=1),
    )  # fmt: skip
    if paid is not None:
        order.start_attempt(rail="recorded", method="card", amount_minor=paid, attempt_key="k", at=AT)
        order.capture(
            attempt=1, capture_id=str(uuid.UUID(int=8)), amount_minor=paid, currency="EUR",
            rail_reference="r", at=AT, effective_at=AT,
        )  # fmt: skip
    return order.collect_events()


def test_an_unpaid_order_waits_for_its_expiry_and_a_paid_one_for_the_release_of_its_money() -> None:
    waiting = kept(folded("due", paid_order(1000, None)))
    assert [(row["kind"], row["due_at"]) for row in waiting] == [("order-expiry", AT + timedelta(hours=1))]
    paid = kept(folded("due", paid_order(1000, 1000)))
    assert [(row["kind"], row["due_at"]) for row in paid] == [("funds-release", AT + RELEASE_AFTER)]


@pytest.mark.parametrize(("paid", "captured"), [(None, 0), (900, 900), (1000, 1000)])
def test_an_order_is_held_against_what_was_captured_for_it(paid: int | None, captured: int) -> None:
    (row,) = kept(folded("order_differences", paid_order(1000, paid)))
    assert (row["due_minor"], row["captured_minor"]) == (1000, captured)


def test_an_order_goes_on_from_its_written_row_as_if_it_had_been_folded_at_once() -> None:
    events = paid_order(1000, 1000)
    found = view("payment_orders")
    (at_once,) = [found.written(row) for row in kept(folded("payment_orders", events))]
    first = folded("payment_orders", events[:1])
    between: Rows = {key: found.written(row) for key, row in first.items() if row is not None}
    (in_steps,) = [found.written(row) for row in kept(folded("payment_orders", events[1:], between, start=2))]
    assert in_steps == at_once
    assert at_once["status"] == "captured"


def test_a_wallet_that_was_never_opened_cannot_be_posted_to() -> None:
    wallet = WalletAccount.open(book=1, address="wallet:a", currency="EUR", at=AT, overdraft_limit_minor=None)
    wallet.post(posting_id=uuid.UUID(int=1), line=0, amount_minor=5, effective_at=AT, at=AT)
    events = wallet.collect_events()
    assert [row["posted_minor"] for row in kept(folded("balances", events))] == [5]
    with pytest.raises(LookupError, match="never opened"):
        folded("balances", events[1:])
