"""Who pays an order, as callers say it and as they see it again.

Whoever may create an order (merchants their own, operators, admins) sees its payer; an auditor sees only which subject
it is, since nothing that auditors prove needs a name. What a person's key no longer opens is shown to nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import structlog
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from api.access import SEES_PAYERS
from api.fields import Text, UuidText
from api.services import current_caller, current_services
from domain.payment_order import PaymentOrder
from domain.sealed import KeysUnavailable, SealBroken, SubjectErased
from payments.payer_fields import IBAN_TYPED_LENGTH_MAX, MANDATE_REFERENCE, NAME_LENGTH_MAX, email_of, iban_of

log = structlog.get_logger(__name__)


def _shaped(rule: Callable[[str], str]) -> Callable[[str], None]:
    """A rule of the payments as marshmallow asks for it."""

    def check(text: str) -> None:
        try:
            rule(text)
        except ValueError as wrong:
            raise ValidationError(str(wrong)) from None

    return check


class MandateBody(Schema):
    """What the payer of a direct debit has signed."""

    reference = fields.String(
        required=True,
        validate=validate.Regexp(MANDATE_REFERENCE, error="must be 1 to 35 of the characters that SEPA knows"),
        metadata={"example": "M-2026-0042"},
    )
    signed_on = fields.Date(required=True, metadata={"example": "2026-01-31"})


class PayerBody(Schema):
    """Who pays: at least one of name, email and IBAN. All of it is kept encrypted and can be erased."""

    subject = UuidText(
        allow_none=True,
        metadata={"description": "A UUID of yours for this person; one that is of this order alone unless given"},
    )
    name = Text(longest=NAME_LENGTH_MAX, allow_none=True, metadata={"example": "Anna Example"})
    email = fields.String(allow_none=True, validate=_shaped(email_of), metadata={"example": "anna@example.com"})
    iban = fields.String(
        allow_none=True,
        validate=_shaped(iban_of),
        metadata={"example": "DE89 3704 0044 0532 0130 00", "maxLength": IBAN_TYPED_LENGTH_MAX},
    )
    mandate = fields.Nested(MandateBody, allow_none=True)

    @validates_schema
    def _says_something(self, data: dict[str, Any], **_: Any) -> None:
        if all(data.get(name) is None for name in ("name", "email", "iban")):
            raise ValidationError("must have a name, an email or an iban")


class MandateSchema(Schema):
    """What the payer has signed."""

    reference = fields.String(required=True)
    signed_on = fields.Date(required=True)


class PayerSchema(Schema):
    """Who pays. A caller who may not know, or a person who was erased, leaves the subject alone."""

    subject = fields.String(required=True)
    erased = fields.Boolean(metadata={"description": "True once nobody can read the rest any more"})
    unreadable = fields.Boolean(metadata={"description": "True while the key store cannot be used"})
    name = fields.String(allow_none=True)
    email = fields.String(allow_none=True)
    iban = fields.String(allow_none=True, metadata={"description": "In capitals, without spaces"})
    mandate = fields.Nested(MandateSchema, allow_none=True)


def payer_document(order: PaymentOrder) -> dict[str, Any] | None:
    """The payer as the caller of this request may see it; None when the order names none.

    Keys that cannot be used now must not keep anybody from reading, capturing or cancelling an order.
    """
    if order.payer is None:
        return None
    told: dict[str, Any] = {"subject": order.payer.subject}
    caller = current_caller()
    if caller.role not in SEES_PAYERS:
        return told
    try:
        payer = current_services().checkout.payers.opened(order, caller.book)
    except SubjectErased:
        return {**told, "erased": True}
    except (KeysUnavailable, SealBroken) as problem:
        log.error("payer.unreadable", order_id=order.order_id, reason=str(problem))
        return {**told, "unreadable": True}
    assert payer is not None  # noqa: S101 - narrowing only
    mandate = None
    if payer.mandate is not None:
        mandate = {"reference": payer.mandate.reference, "signed_on": date.fromisoformat(payer.mandate.signed_on)}
    known = {"name": payer.name, "email": payer.email, "iban": payer.iban, "mandate": mandate}
    return {**told, "erased": False, **known}
