"""Adjustments: corrections by hand, proposed with one key and approved with another."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

import msgspec
from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from api.body import StrictParser
from api.fields import Currency, MinorUnits, Text, TextMap
from api.headers import idempotency_key
from api.json_response import json_response
from api.ledger_schemas import moment_field
from api.moments import MomentQuery, answered_as_of, as_known, position_of
from api.openapi import key_parameter
from api.ownership import visible_adjustment
from api.problem import ProblemError, problem_response
from api.services import current_caller, current_meta, current_services
from domain.adjustment import Adjustment, AdjustmentLine
from domain.money import AMOUNT_MINOR_MAX
from ledger.adjustments import Adjustments, Decided, DecidedMeanwhile, Proposal, posting_id_of
from ledger.mistakes import LINES_MAX

blp = Blueprint(
    "adjustments", __name__, url_prefix="/v1/adjustments", description="Corrections of the books by two people"
)
blp.ARGUMENTS_PARSER = StrictParser()

DECISION_KEY = key_parameter("A UUID of your own; an adjustment is decided once whatever the key")


class AdjustmentLineBody(Schema):
    """One account's part of an adjustment."""

    address = Text(required=True, longest=200)
    currency = Currency(required=True)
    amount_minor = MinorUnits(
        required=True, low=-AMOUNT_MINOR_MAX, metadata={"description": "Signed: + is a debit, - a credit"}
    )


class ProposalBody(Schema):
    """What to post and why. The accounts' limits do not count: it is what the books should have said."""

    lines = fields.List(
        fields.Nested(AdjustmentLineBody), required=True, validate=validate.Length(min=1, max=LINES_MAX)
    )
    reason = Text(required=True, longest=1000)
    effective_at = moment_field("When it is true; the moment of its approval unless it says otherwise")
    metadata = TextMap(load_default=dict)


class RejectBody(Schema):
    """Why not."""

    reason = Text(required=True, longest=1000)


class AdjustmentSchema(Schema):
    """An adjustment. `posting_id` is the posting that it becomes soon after its approval."""

    adjustment_id = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(["proposed", "approved", "rejected"]))
    lines = fields.List(fields.Dict(), required=True)
    reason = fields.String(required=True)
    effective_at = fields.AwareDateTime(required=True, allow_none=True)
    metadata = fields.Dict(required=True)
    proposed_by = fields.String(required=True)
    proposed_at = fields.AwareDateTime(required=True)
    decided_by = fields.String(required=True, allow_none=True)
    rejection_reason = fields.String(required=True, allow_none=True)
    posting_id = fields.UUID(required=True, allow_none=True)
    as_of = answered_as_of()


@blp.errorhandler(DecidedMeanwhile)
def decided_meanwhile(error: DecidedMeanwhile) -> Response:
    """Nothing was written: ask again."""
    return problem_response(ProblemError(503, "too_many_conflicts", str(error), headers={"Retry-After": "1"}))


@blp.route("", methods=["POST"])
@blp.doc(parameters=[key_parameter("A UUID of your own: it becomes the adjustment's id")])
@blp.arguments(ProposalBody())
@blp.response(201, AdjustmentSchema)
@blp.alt_response(200, schema=AdjustmentSchema, description="Proposed earlier with this key", success=True)
def propose(body: dict[str, Any]) -> Response:
    """Propose an adjustment; nothing is posted before somebody else approves it."""
    asked = Proposal(
        current_caller().book,
        idempotency_key(request),
        [AdjustmentLine(**line) for line in body["lines"]],
        body["reason"],
        _who(),
        hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest(),
        body["effective_at"],
        body["metadata"],
    )
    return _answer(_adjustments().propose(asked, current_meta()), 201)


@blp.route("/<adjustment_id>", methods=["GET"])
@blp.arguments(MomentQuery(), location="query")
@blp.response(200, AdjustmentSchema)
def show(query: dict[str, Any], adjustment_id: str) -> Response:
    """Read one adjustment as its own stream tells it, now or as of then."""
    as_of = position_of(query["as_of"])
    document = adjustment_document(visible_adjustment(adjustment_id, as_of), current_caller().book)
    return json_response(as_known(document, as_of))


@blp.route("/<adjustment_id>/approve", methods=["POST"])
@blp.doc(parameters=[DECISION_KEY])
@blp.response(200, AdjustmentSchema)
def approve(adjustment_id: str) -> Response:
    """Approve an adjustment that was proposed with another key; it is posted then as a fact."""
    idempotency_key(request)
    found = visible_adjustment(adjustment_id).adjustment_id
    return _answer(_adjustments().approve(current_caller().book, found, _who(), current_meta()), 200)


@blp.route("/<adjustment_id>/reject", methods=["POST"])
@blp.doc(parameters=[DECISION_KEY])
@blp.arguments(RejectBody())
@blp.response(200, AdjustmentSchema)
def reject(body: dict[str, Any], adjustment_id: str) -> Response:
    """Turn an adjustment down, or take your own back."""
    idempotency_key(request)
    found = visible_adjustment(adjustment_id).adjustment_id
    return _answer(_adjustments().reject(current_caller().book, found, _who(), body["reason"], current_meta()), 200)


def adjustment_document(adjustment: Adjustment, book: int) -> dict[str, Any]:
    """An adjustment as its own stream tells it."""
    posting_id: UUID | None = posting_id_of(adjustment, book) if adjustment.state == "approved" else None
    return {
        "adjustment_id": adjustment.adjustment_id,
        "state": adjustment.state,
        "lines": adjustment.lines,
        "reason": adjustment.reason,
        "effective_at": adjustment.effective_at,
        "metadata": adjustment.metadata,
        "proposed_by": adjustment.proposed_by,
        "proposed_at": adjustment.created_on,
        "decided_by": adjustment.decided_by,
        "rejection_reason": adjustment.rejection_reason,
        "posting_id": posting_id,
    }


def _adjustments() -> Adjustments:
    services = current_services()
    return Adjustments(services.log, services.clock)


def _who() -> str:
    """The key that asks: four eyes are two keys."""
    return f"key:{current_caller().key_id}"


def _answer(decided: Decided, made: int) -> Response:
    headers = {"Location": f"/v1/adjustments/{decided.adjustment.adjustment_id}"}
    if decided.replayed:
        headers["Idempotent-Replayed"] = "true"
    document = adjustment_document(decided.adjustment, current_caller().book)
    return json_response(document, 200 if decided.replayed else made, headers)
