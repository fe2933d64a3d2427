"""Postings: any balanced lines, answered when they are posted, and their reversal.

A dry run is decided by the posting engine like the real thing, on numbers that are then thrown away.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import Schema, fields

from api.body import StrictParser
from api.fields import MinorUnits, TextMap
from api.headers import idempotency_key
from api.json_response import json_response
from api.ledger_replies import decided
from api.ledger_schemas import (
    DRY_RUN_PARAMETER,
    DecisionSchema,
    MovementBody,
    MovementSchema,
    NotesBody,
    dry_run_asked,
    movement_fields,
    reference_field,
)
from api.moments import MomentQuery, as_known, position_of
from api.openapi import key_parameter
from api.ownership import own_lines, visible_posting
from api.posting_documents import PostingSchema, posting_document
from api.services import current_caller, current_services
from ledger.wire import Post, Revert, SetMetadata

blp = Blueprint("postings", __name__, url_prefix="/v1/postings", description="Movements of money over any wallets")
blp.ARGUMENTS_PARSER = StrictParser()

KEY = key_parameter("A UUID of your own; repeat it to repeat the request safely")


class RevertBody(Schema):
    """How much to take back, and when that is true."""

    amount_minor = MinorUnits(
        allow_none=True,
        load_default=None,
        metadata={"description": "A part, of a posting of two lines; without it all that is left"},
    )
    at_effective_date = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={"description": "true: take it back when it was effective, not now"},
    )
    reference = reference_field()
    metadata = TextMap(load_default=dict)


class ReversalSchema(MovementSchema):
    """A reversal; `reverts` is the posting that it takes back."""

    reverts = fields.UUID(required=True)


@blp.route("", methods=["POST"])
@blp.doc(parameters=[KEY, DRY_RUN_PARAMETER])
@blp.arguments(MovementBody())
@blp.response(201, MovementSchema)
@blp.alt_response(200, schema=MovementSchema, description="Posted earlier with this key, or a dry run", success=True)
def create(body: dict[str, Any]) -> Response:
    """Post balanced lines. A refusal by a rule is recorded and final for its key."""
    key, dry_run = idempotency_key(request), dry_run_asked(request)
    book = current_caller().book
    asked = Post(book=book, key=key, dry_run=dry_run, **movement_fields(book, body))
    reply = current_services().ledger.ask(asked)
    return decided(reply, "posted", {"lines": reply.lines}, f"/v1/postings/{reply.posting_id}")


@blp.route("/<posting_id>", methods=["GET"])
@blp.arguments(MomentQuery(), location="query")
@blp.response(200, PostingSchema)
def show(query: dict[str, Any], posting_id: str) -> Response:
    """Read one posting as its own stream tells it, now or as of then. A merchant sees its own lines only."""
    as_of = position_of(query["as_of"])
    posting = visible_posting(posting_id, as_of=as_of)
    return json_response(as_known(posting_document(posting, own_lines(posting.lines)), as_of))


@blp.route("/<posting_id>/revert", methods=["POST"])
@blp.doc(parameters=[KEY, DRY_RUN_PARAMETER])
@blp.arguments(RevertBody())
@blp.response(201, ReversalSchema)
@blp.alt_response(200, schema=ReversalSchema, description="Reverted earlier with this key, or a dry run", success=True)
def revert(body: dict[str, Any], posting_id: str) -> Response:
    """Take a posting back, all that is left of it or a part; both know each other afterwards."""
    key, dry_run = idempotency_key(request), dry_run_asked(request)
    original = visible_posting(posting_id, version=1).id
    asked = Revert(book=current_caller().book, key=key, posting_id=original, dry_run=dry_run, **body)
    reply = current_services().ledger.ask(asked)
    return decided(reply, "reverted", {"reverts": original, "lines": reply.lines}, f"/v1/postings/{reply.posting_id}")


@blp.route("/<posting_id>/metadata", methods=["PATCH"])
@blp.doc(parameters=[KEY])
@blp.arguments(NotesBody())
@blp.response(200, DecisionSchema)
def change_metadata(body: dict[str, Any], posting_id: str) -> Response:
    """Change the notes on a posting; the posting shows their history. Money never changes."""
    return changed_notes("posting", visible_posting(posting_id, version=1).id, body)


def changed_notes(target: Any, target_id: UUID, body: dict[str, Any]) -> Response:
    """Change the notes on a posting or a wallet that the caller may see."""
    asked = SetMetadata(
        book=current_caller().book,
        key=idempotency_key(request),
        target=target,
        target_id=target_id,
        changes=body["metadata"],
    )
    return decided(current_services().ledger.ask(asked), "changed", {f"{target}_id": target_id}, made=200)
