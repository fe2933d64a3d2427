"""Facts to show posting rules with: made by the commands that make them in life, else filled in by field name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

from daybook.reference.markdown import is_record
from domain.adjustment import Adjustment, AdjustmentLine
from domain.payment_order import PaymentOrder
from domain.posting_rules import POSTING_RULES, BankCredit, SettlementBatch
from domain.splitting import Split

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
RAIL, CURRENCY, AMOUNT, COST = "simulated", "EUR", 10_000, 165
ORDER, CAPTURE, ADJUSTMENT = (f"00000000-0000-4000-8000-0000000000{tail}" for tail in ("a1", "c1", "d1"))
SELLERS = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")


@dataclass(frozen=True)
class Example:
    """A fact, and what happened in words."""

    fact: Any
    says: str

    @property
    def name(self) -> str:
        """The topic of an event of the log, the class of a fact that has none."""
        return str(getattr(type(self.fact), "TOPIC", type(self.fact).__name__))


def worked_example() -> list[Example]:
    """One order of two sellers, from the hold until the rail's payout is on the bank account."""
    order = _order()
    order.authorize(attempt=1, amount_minor=AMOUNT, currency=CURRENCY, rail_reference="au_1", at=AT)
    order.capture(
        capture_id=CAPTURE,
        attempt=1,
        amount_minor=AMOUNT,
        currency=CURRENCY,
        cost_minor=COST,
        rail_reference="au_1",
        at=AT,
    )
    order.release_funds(capture_id=CAPTURE, at=AT + timedelta(days=2))
    held, taken, released = (event for event in order.collect_events() if type(event) in POSTING_RULES)
    net = AMOUNT - COST
    return [
        Example(held, "the rail holds EUR 100.00 of the payer's money"),
        Example(taken, "all of it is captured: sellers 60.00 and 40.00, commission 10 %, the rail keeps 1.65"),
        Example(released, "what the sellers earned may be paid out"),
        Example(SettlementBatch(RAIL, "batch-1", net, CURRENCY, AT), "the rail puts the rest in a payout to our bank"),
        Example(BankCredit("main", RAIL, "line-1", net, CURRENCY, AT), "the payout arrives on the bank account"),
    ]


def examples() -> list[Example]:
    """One example for every rule, in the order of the rules."""
    known = {type(example.fact): example for example in (*_other_endings(), *worked_example())}
    return [known.get(fact) or Example(sample(fact), "typical values") for fact in POSTING_RULES]


def _other_endings() -> list[Example]:
    voided, expired, late, back = _order(), _order(), _order(), _order()
    for order in (voided, expired):
        order.authorize(attempt=1, amount_minor=AMOUNT, currency=CURRENCY, rail_reference="au_1", at=AT)
    voided.void(attempt=1, at=AT)
    expired.expire_authorization(attempt=1, at=AT)
    late.decline(attempt=1, code="card_declined", decline_class="hard", at=AT)
    late.capture(capture_id=CAPTURE, attempt=1, amount_minor=AMOUNT, currency=CURRENCY, rail_reference="au_1", at=AT)
    back.capture(capture_id=CAPTURE, attempt=1, amount_minor=AMOUNT, currency=CURRENCY, rail_reference="au_1", at=AT)
    back.return_payment(
        capture_id=CAPTURE, amount_minor=AMOUNT + 300, reason="MD06", booking_key="b-1", at=AT, effective_at=AT
    )
    lines = [AdjustmentLine("exp:writeoff", CURRENCY, 500), AdjustmentLine("psp:simulated:clearing", CURRENCY, -500)]
    adjustment = Adjustment.propose(
        book=1, adjustment_id=ADJUSTMENT, lines=lines, reason="never paid out", by="ann", at=AT
    )
    adjustment.approve(by="bob", at=AT)
    return [
        Example(voided.collect_events()[-1], "a hold of EUR 100.00 is given back before anything was captured"),
        Example(expired.collect_events()[-1], "a hold of EUR 100.00 ran out before anything was captured"),
        Example(late.collect_events()[-1], "a rail says that it took EUR 100.00 after it had declined"),
        Example(back.collect_events()[-1], "a direct debit of EUR 100.00 went back, for which the bank takes 3.00"),
        Example(adjustment.collect_events()[-1], "two people agree to write off EUR 5.00 that a rail never paid out"),
    ]


def _order() -> PaymentOrder:
    order = PaymentOrder.create(
        book=1,
        order_id=ORDER,
        amount_minor=AMOUNT,
        currency=CURRENCY,
        splits=[Split(SELLERS[0], 6_000), Split(SELLERS[1], 4_000)],
        commission_bps=1_000,
        at=AT,
    )
    order.start_attempt(rail=RAIL, method="token", amount_minor=AMOUNT, attempt_key="attempt-1", at=AT)
    return order


_BY_NAME: dict[str, Any] = {
    "currency": CURRENCY,
    "rail": RAIL,
    "bank": "main",
    "address": "wallet:alice",
    "seller_id": SELLERS[0],
    "merchant_id": SELLERS[0],
    "gross_minor": AMOUNT,
    "commission_minor": AMOUNT // 10,
    "operation": "capture",
}


def sample(fact: Any) -> Any:
    """A fact of a class without an example of its own: fields filled in by their names and types."""
    hints = {name: hint for name, hint in get_type_hints(fact).items() if "ClassVar" not in str(hint)}
    return fact(**{name: _value(name, hint) for name, hint in hints.items() if name.islower() and name[0] != "_"})


def _value(name: str, hint: Any) -> Any:
    if name in _BY_NAME:
        return _BY_NAME[name]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is list:
        return [_value(name, arguments[0])]
    if origin is dict:
        return {}
    if type(None) in arguments:
        return None
    if is_record(hint):
        return sample(hint)
    if hint is int:
        return AMOUNT if name.endswith("_minor") else 1
    return {bool: True, datetime: AT, UUID: UUID(ORDER)}.get(hint, ORDER if name.endswith("_id") else name)
