"""Holds: money set aside at once and posted later, in all, in parts, or not at all."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import Schema, ValidationError, fields, validates_schema

from api.body import StrictParser
from api.fields import MinorUnits, TextMap
from api.headers import idempotency_key
from api.json_response import json_response
from api.ledger_replies import decided
from api.ledger_schemas import (
    DRY_RUN_PARAMETER,
    MovementBody,
    MovementSchema,
    dry_run_asked,
    lines_field,
    moment_field,
    movement_fields,
    post_lines,
)
from api.moments import MomentQuery, as_known, position_of
from api.openapi import key_parameter
from api.ownership import own_lines, visible_hold
from api.posting_documents import HoldSchema, hold_document
from api.services import current_caller, current_services
from ledger.wire import CommitHold, PlaceHold, VoidHold

blp = Blueprint("holds", __name__, url_prefix="/v1/holds", description="Money set aside, to be posted or given back")
blp.ARGUMENTS_PARSER = StrictParser()

KEY = key_parameter("A UUID of your own; repeat it to repeat the request safely")


class HoldBody(MovementBody):
    """What to reserve: each line that lowers its wallet takes its part off what is available there."""

    expires_at = moment_field("When what is left is given back by itself; never, unless it says so")


class CommitBody(Schema):
    """What to post of a hold: all that remains, an amount of a hold of two lines, or lines."""

    amount_minor = MinorUnits(allow_none=True, load_default=None)
    lines = lines_field(load_default=None, allow_none=True)
    final = fields.Boolean(
        load_default=True,
        truthy={True},
        falsy={False},
        metadata={"description": "true: give back what this commit leaves; false: keep it for further commits"},
    )
    effective_at = moment_field("When it is true; the present unless it says otherwise")
    metadata = TextMap(load_default=dict)

    @validates_schema
    def _one_of_two(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("amount_minor") is not None and data.get("lines") is not None:
            raise ValidationError("send amount_minor or lines, not both", "lines")


class HoldDecisionSchema(MovementSchema):
    """What was decided about a hold; `lines` are those of the commit, or those that were reserved or given back."""

    hold_id = fields.UUID(required=True)


@blp.route("", methods=["POST"])
@blp.doc(parameters=[KEY, DRY_RUN_PARAMETER])
@blp.arguments(HoldBody())
@blp.response(201, HoldDecisionSchema)
@blp.alt_response(200, schema=HoldDecisionSchema, description="Placed earlier, or a dry run", success=True)
def place(body: dict[str, Any]) -> Response:
    """Reserve what balanced lines would take; it leaves `available` at once."""
    key, dry_run = idempotency_key(request), dry_run_asked(request)
    book = current_caller().book
    fields_ = movement_fields(book, body)
    asked = PlaceHold(book=book, key=key, dry_run=dry_run, expires_at=body["expires_at"], **fields_)
    reply = current_services().ledger.ask(asked)
    more = {"hold_id": reply.posting_id, "lines": reply.lines}
    return decided(reply, "held", more, f"/v1/holds/{reply.posting_id}")


@blp.route("/<hold_id>", methods=["GET"])
@blp.arguments(MomentQuery(), location="query")
@blp.response(200, HoldSchema)
def show(query: dict[str, Any], hold_id: str) -> Response:
    """Read one hold as its own stream tells it, now or as of then. A merchant sees its own lines only."""
    as_of = position_of(query["as_of"])
    hold = visible_hold(hold_id, as_of=as_of)
    return json_response(as_known(hold_document(hold, own_lines(hold.lines)), as_of))


@blp.route("/<hold_id>/commit", methods=["POST"])
@blp.doc(parameters=[KEY, DRY_RUN_PARAMETER])
@blp.arguments(CommitBody())
@blp.response(201, HoldDecisionSchema)
@blp.alt_response(200, schema=HoldDecisionSchema, description="Committed earlier, or a dry run", success=True)
def commit(body: dict[str, Any], hold_id: str) -> Response:
    """Post a hold, in all or in part; each commit is a posting of its own."""
    key, dry_run = idempotency_key(request), dry_run_asked(request)
    book, found = current_caller().book, _hold(hold_id)
    lines = body.pop("lines")
    if lines is not None:
        lines = post_lines(book, lines)
    reply = current_services().ledger.ask(
        CommitHold(book=book, key=key, hold_id=found, lines=lines, dry_run=dry_run, **body)
    )
    more = {"hold_id": found, "lines": reply.lines}
    return decided(reply, "committed", more, f"/v1/postings/{reply.posting_id}")


@blp.route("/<hold_id>/void", methods=["POST"])
@blp.doc(parameters=[KEY, DRY_RUN_PARAMETER])
@blp.response(200, HoldDecisionSchema)
def void(hold_id: str) -> Response:
    """Give back what a hold still reserves."""
    key, dry_run = idempotency_key(request), dry_run_asked(request)
    found = _hold(hold_id)
    asked = VoidHold(book=current_caller().book, key=key, hold_id=found, dry_run=dry_run)
    reply = current_services().ledger.ask(asked)
    return decided(reply, "voided", {"hold_id": found, "lines": reply.lines}, made=200)


def _hold(hold_id: str) -> UUID:
    return visible_hold(hold_id, version=1).id
