"""Transfers between wallets of one book, answered when they are posted."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import Schema, fields

from api.body import StrictParser
from api.fields import Currency, MinorUnits, Position, Text, TextMap
from api.headers import idempotency_key
from api.json_response import json_response
from api.ledger_replies import refuse_unless
from api.ledger_schemas import DRY_RUN_PARAMETER, conditions_field, conditions_of, dry_run_asked, reference_field
from api.openapi import key_parameter
from api.problem import unprocessable
from api.services import current_caller, current_services
from api.wallet_refs import wallet_id_of

blp = Blueprint("transfers", __name__, url_prefix="/v1/transfers", description="Move money between wallets")
blp.ARGUMENTS_PARSER = StrictParser()


class TransferBody(Schema):
    """What to move. `source` is debited, `destination` credited; each is a wallet id, or an address in `currency`."""

    source = Text(required=True, longest=200)
    destination = Text(required=True, longest=200)
    amount_minor = MinorUnits(required=True)
    currency = Currency(required=True)
    effective_at = fields.AwareDateTime(
        load_default=None, allow_none=True, metadata={"description": "RFC 3339, with an offset"}
    )
    metadata = TextMap(load_default=dict)
    reference = reference_field()
    conditions = conditions_field()


class TransferSchema(Schema):
    """A posted transfer; balances are signed (+ = debit), right after it."""

    transfer_id = fields.String(required=True, metadata={"description": "The Idempotency-Key"})
    status = fields.String(required=True)
    posting_id = fields.UUID(required=True, allow_none=True)
    position = Position(required=True)
    source_posted_after = fields.Integer(required=True, allow_none=True)
    destination_posted_after = fields.Integer(required=True, allow_none=True)
    dry_run = fields.Boolean(metadata={"description": "Present and true after a dry run"})


@blp.route("", methods=["POST"])
@blp.doc(parameters=[key_parameter("A UUID of your own; repeat it to repeat the request safely"), DRY_RUN_PARAMETER])
@blp.arguments(TransferBody())
@blp.response(201, TransferSchema)
@blp.alt_response(200, schema=TransferSchema, description="Posted earlier with this key", success=True)
def create(body: dict[str, Any]) -> Response:
    """Move money. A refusal by a rule (funds, closed wallet) is recorded and final for its key."""
    key, dry_run = idempotency_key(request), dry_run_asked(request)
    caller, services = current_caller(), current_services()
    currency = body["currency"]
    source = wallet_id_of(caller.book, body["source"], currency, "source")
    destination = wallet_id_of(caller.book, body["destination"], currency, "destination")
    if source == destination:
        raise unprocessable("destination", "must be another wallet than source")
    reply = services.ledger.transfer(
        book=caller.book,
        key=key,
        source=source,
        destination=destination,
        amount_minor=body["amount_minor"],
        currency=currency,
        effective_at=body["effective_at"],
        metadata=body["metadata"],
        reference=body["reference"],
        conditions=conditions_of(caller.book, body["conditions"]),
        dry_run=dry_run,
    )
    refuse_unless(reply, "posted")
    answer = {
        "transfer_id": key,
        "status": "posted",
        "posting_id": reply.posting_id,
        "position": str(reply.position),
        "source_posted_after": reply.lines[0].posted_after,
        "destination_posted_after": reply.lines[1].posted_after,
    }
    if reply.dry_run:
        return json_response({**answer, "dry_run": True}, 200)
    if reply.replayed:
        return json_response(answer, 200, {"Idempotent-Replayed": "true"})
    return json_response(answer, 201)
