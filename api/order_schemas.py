"""What payment orders look like from outside: request bodies and the one representation of an order."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from api.access import SEES_PAYERS
from api.fields import Currency, Limit, MinorUnits, Text, TextMap, UuidText
from api.lists import ViewQuery
from api.moments import answered_as_of
from api.payer_schemas import PayerBody, PayerSchema, payer_document
from api.services import current_caller, current_services
from domain.money import Money
from domain.payment_facts import BANK_TRANSFER
from domain.payment_order import PaymentOrder
from domain.payment_status import STATUSES
from domain.told import WORDS, short_minor, told
from rails.port import METHODS

_NAME = validate.Regexp(r"^[A-Za-z0-9_.-]{1,40}$", error="must be 1 to 40 of A-Z a-z 0-9 _ . -")


class SplitBody(Schema):
    """What of the amount is due to one seller."""

    seller_id = UuidText(required=True)
    amount_minor = MinorUnits(required=True)


class OrderBody(Schema):
    """The order to create. Without splits all of it is due to `merchant_id`; splits must sum to `amount_minor`."""

    amount_minor = MinorUnits(required=True, metadata={"example": 1234, "description": "12.34 EUR is 1234"})
    currency = Currency(required=True, metadata={"example": "EUR"})
    merchant_id = UuidText(allow_none=True, metadata={"description": "The owner; a merchant's key may leave it out"})
    splits = fields.List(fields.Nested(SplitBody), validate=validate.Length(max=500))
    capture_mode = fields.String(validate=validate.OneOf(("automatic", "manual")))
    rail = fields.String(
        allow_none=True,
        validate=_NAME,
        metadata={"description": "Which rail to ask, or auto for the best; none is called without"},
    )
    payment_token = Text(
        allow_none=True,
        metadata={"description": "The rail's token for a card, which a card needs; never a card number"},
    )
    method = fields.String(validate=validate.OneOf(METHODS), metadata={"description": "How to pay; card unless given"})
    return_url = Text(
        longest=2_000,
        allow_none=True,
        metadata={
            "description": "Where a payer comes back to who was sent elsewhere",
            "example": "https://shop.example/3",
        },
    )
    reference = Text(allow_none=True)
    metadata = TextMap()
    expires_at = fields.AwareDateTime(allow_none=True)
    payer = fields.Nested(PayerBody, allow_none=True)


class CaptureBody(Schema):
    """What to take of the authorisation: all that is left without an amount. `final` gives back the rest."""

    amount_minor = MinorUnits(allow_none=True)
    final = fields.Boolean(truthy={True}, falsy={False})


class CancelBody(Schema):
    """Why the order is given up."""

    reason = Text()


class SplitSchema(Schema):
    """A seller's part."""

    seller_id = fields.String(required=True)
    amount_minor = fields.Integer(required=True)


class AttemptSchema(Schema):
    """One try at one rail."""

    attempt = fields.Integer(required=True)
    rail = fields.String(required=True)
    method = fields.String(required=True)
    amount_minor = fields.Integer(required=True)
    state = fields.String(required=True)
    outcome_unknown = fields.Boolean(required=True)
    decline_code = fields.String(required=True, allow_none=True)


class CaptureSchema(Schema):
    """One taking of money."""

    capture_id = fields.String(required=True)
    attempt = fields.Integer(required=True)
    amount_minor = fields.Integer(required=True)
    final = fields.Boolean(required=True)
    state = fields.String(required=True)
    code = fields.String(required=True, allow_none=True)


class ActionSchema(Schema):
    """What the payer must do: at `url`, or as `instructions` say, until `expires_at`."""

    url = fields.String(required=True, allow_none=True)
    instructions = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    expires_at = fields.AwareDateTime(required=True, allow_none=True)


class CustomerSchema(Schema):
    """What the person who pays may be told: `word` for programs, `message` and `reason` for people."""

    word = fields.String(required=True, validate=validate.OneOf(sorted({word for word, _ in WORDS.values()})))
    message = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)


class OrderSchema(Schema):
    """A payment order as its own stream tells it."""

    order_id = fields.String(required=True)
    merchant_id = fields.String(required=True, allow_none=True)
    status = fields.String(required=True, validate=validate.OneOf(tuple(STATUSES)))
    amount_minor = fields.Integer(required=True)
    currency = fields.String(required=True)
    authorized_minor = fields.Integer(required=True)
    captured_minor = fields.Integer(required=True)
    released_minor = fields.Integer(required=True)
    returned_minor = fields.Integer(
        required=True, metadata={"description": "Captured money that went back by the payer's bank"}
    )
    capturable_minor = fields.Integer(required=True)
    splits = fields.List(fields.Nested(SplitSchema), required=True)
    capture_mode = fields.String(required=True)
    method = fields.String(required=True)
    rail = fields.String(required=True, allow_none=True)
    reference = fields.String(required=True, allow_none=True)
    metadata = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    attempts = fields.List(fields.Nested(AttemptSchema), required=True)
    captures = fields.List(fields.Nested(CaptureSchema), required=True)
    next_action = fields.Nested(ActionSchema, required=True, allow_none=True)
    customer = fields.Nested(CustomerSchema, required=True)
    payer = fields.Nested(PayerSchema, required=True, allow_none=True)
    payer_secret = fields.String(
        required=True, allow_none=True, metadata={"description": "Lets the payer's browser follow this order alone"}
    )
    created_at = fields.AwareDateTime(required=True)
    expires_at = fields.AwareDateTime(required=True, allow_none=True)
    version = fields.Integer(required=True, metadata={"description": "Number of events of the order"})
    as_of = answered_as_of()


class OrdersQuery(ViewQuery):
    """Filters and page of a list of orders."""

    status = fields.String(validate=validate.OneOf(tuple(STATUSES)))
    merchant_id = UuidText()
    reference = Text()
    created_from = fields.AwareDateTime(metadata={"description": "RFC 3339; inclusive"})
    created_to = fields.AwareDateTime(metadata={"description": "RFC 3339; exclusive"})
    limit = Limit()


def order_document(order: PaymentOrder) -> dict[str, Any]:
    """The representation of an order for the caller of this request; the rail's token and the key of an attempt stay
    inside."""
    return {
        "order_id": order.order_id,
        "merchant_id": order.merchant_id,
        "status": order.status,
        "amount_minor": order.amount_minor,
        "currency": order.currency,
        "authorized_minor": order.authorized_minor,
        "captured_minor": order.captured_minor,
        "released_minor": order.released_minor,
        "returned_minor": order.returned_minor,
        "capturable_minor": order.capturable_minor,
        "splits": [{"seller_id": s.seller_id, "amount_minor": s.amount_minor} for s in order.splits],
        "capture_mode": order.capture_mode,
        "method": order.method,
        "rail": order.rail,
        "reference": order.reference,
        "metadata": order.metadata,
        "attempts": [
            {
                "attempt": a.number,
                "rail": a.rail,
                "method": a.method,
                "amount_minor": a.amount_minor,
                "state": a.state,
                "outcome_unknown": a.unknown_operation is not None,
                "decline_code": a.decline_code,
            }
            for a in order.attempts
        ],
        "captures": [
            {
                "capture_id": c.capture_id,
                "attempt": c.attempt,
                "amount_minor": c.amount_minor,
                "final": c.final,
                "state": c.state,
                "code": c.code,
            }
            for c in order.captures.values()
        ],
        "next_action": next_action(order),
        "customer": told(order)._asdict(),
        "payer": payer_document(order),
        "payer_secret": _payer_secret(order),
        "created_at": order.created_on,
        "expires_at": order.expires_at,
        "version": order.version,
    }


def next_action(order: PaymentOrder) -> dict[str, Any] | None:
    """What the payer must do now; None when it is nothing."""
    attempt = next((one for one in order.attempts if one.state == "requires_action"), None)
    if attempt is not None:
        return {"url": attempt.action_url, "instructions": attempt.instructions, "expires_at": attempt.waits_until}
    rest = short_minor(order) if order.method == BANK_TRANSFER else 0
    if rest <= 0:
        return None
    instructions = order.attempts[-1].instructions | {"amount": str(Money(rest, order.currency))}
    return {"url": None, "instructions": instructions, "expires_at": None}


def _payer_secret(order: PaymentOrder) -> str | None:
    """For those who may create an order, and so stand between it and its payer."""
    secrets, caller = current_services().payer_secrets, current_caller()
    return secrets.of(caller.book, order.order_id) if secrets is not None and caller.role in SEES_PAYERS else None
