"""Merchants: parties that sell through a book."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from flask import Response
from flask_smorest import Blueprint
from marshmallow import Schema, fields

from api.body import StrictParser
from api.fields import Text, UuidText
from api.json_response import json_response
from api.services import current_caller, current_meta, current_services
from payments.commands import RegisterMerchant

blp = Blueprint("merchants", __name__, url_prefix="/v1/merchants", description="Parties that sell through your book")
blp.ARGUMENTS_PARSER = StrictParser()


class MerchantBody(Schema):
    """The merchant to register; no names or addresses, the log keeps what it is told for ever."""

    merchant_id = UuidText(metadata={"description": "An id of your own, so that repeating is safe; else one is made"})
    reference = Text(allow_none=True, load_default=None, metadata={"description": "Your own name for the merchant"})


class MerchantSchema(Schema):
    """A registered merchant."""

    merchant_id = fields.String(required=True)
    reference = fields.String(required=True, allow_none=True)
    registered_at = fields.AwareDateTime(required=True)


@blp.route("", methods=["POST"])
@blp.arguments(MerchantBody())
@blp.response(201, MerchantSchema)
@blp.alt_response(200, schema=MerchantSchema, description="Registered earlier with the same reference", success=True)
def register(body: dict[str, Any]) -> Response:
    """Register a merchant. The same merchant_id with another reference is refused."""
    command = RegisterMerchant(
        book=current_caller().book, merchant_id=body.get("merchant_id") or str(uuid4()), reference=body["reference"]
    )
    placed = current_services().checkout.register_merchant(command, current_meta())
    merchant = placed.merchant
    answer = {
        "merchant_id": merchant.merchant_id,
        "reference": merchant.reference,
        "registered_at": merchant.created_on,
    }
    if placed.replayed:
        return json_response(answer, 200, {"Idempotent-Replayed": "true"})
    return json_response(answer, 201)
