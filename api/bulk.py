"""Bulk: up to 1,000 requests of any kind in one, answered item by item.

The body is read as strictly as any other (no duplicate keys, no card numbers, no unsafe text); its items are checked by
`bulk_items`. A body that is wrong anywhere is refused as a whole and uses no key up.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from flask import Request, Response, request
from flask_smorest import Blueprint
from marshmallow import Schema, fields

from api.body import parse_json, refuse_unsafe_texts
from api.bulk_items import BulkBody
from api.headers import idempotency_key
from api.json_response import json_response
from api.ledger_replies import refuse_unless
from api.ledger_schemas import DecisionSchema, LineAfterSchema
from api.openapi import key_parameter
from api.problem import FieldError, ProblemError
from api.services import current_caller, current_services
from domain.card_numbers import find_card_number
from ledger.wire import Bulk, FrameTooLong, LineAfter, Reply, Single

blp = Blueprint("bulk", __name__, url_prefix="/v1/bulk", description="Many requests in one")

_PATH = re.compile(r" - at `(?:key` in `)?\$\.?([^`]*)`$")
_INDEX = re.compile(r"\[(\d+)\]")
_FAILED = frozenset({"refused", "error"})
_BODY = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/BulkBody"}}}}


class ItemResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one item; see `ItemResultSchema`."""

    index: int
    status: str
    key: str
    code: str = ""
    detail: str = ""
    replayed: bool = False
    position: str = "0"
    posting_id: Any = None
    wallet_id: Any = None
    target_id: Any = None
    lines: tuple[LineAfter, ...] = ()


class ItemResultSchema(Schema):
    """What became of one item. `refused` is final for its key; `error` recorded nothing; empty members are left out."""

    index = fields.Integer(required=True)
    status = fields.String(required=True)
    key = fields.String(required=True, metadata={"description": "The item's own, or <key of the bulk>/<index>"})
    code = fields.String()
    detail = fields.String()
    replayed = fields.Boolean(metadata={"description": "True when the item's key had been decided before this bulk"})
    position = fields.String()
    posting_id = fields.UUID(metadata={"description": "The posting; of a hold, its id"})
    wallet_id = fields.UUID()
    target_id = fields.UUID()
    lines = fields.List(fields.Nested(LineAfterSchema))


class BulkSchema(DecisionSchema):
    """A bulk that was applied. Independent items may have been refused all the same; those of an atomic one were
    not."""

    succeeded = fields.Integer(required=True)
    failed = fields.Integer(required=True)
    items = fields.List(fields.Nested(ItemResultSchema), required=True)


@blp.route("", methods=["POST"])
@blp.doc(parameters=[key_parameter("A UUID of your own; repeat it to repeat the request safely")], requestBody=_BODY)
@blp.response(201, BulkSchema)
@blp.alt_response(200, schema=BulkSchema, description="Applied earlier with this key", success=True)
def create() -> Response:
    """Apply up to 1,000 requests in order, each as if alone or (atomic) all or none."""
    key, book = idempotency_key(request), current_caller().book
    body = read_body(request)
    items: list[Single] = []
    for index, item in enumerate(body.items):
        items.append(item.order(book, item.key or f"{key}/{index}", f"items.{index}"))
    try:
        reply = current_services().ledger.ask(Bulk(book=book, key=key, items=tuple(items), atomic=body.atomic))
    except FrameTooLong as problem:
        errors = [FieldError("items", "are too long together; send fewer items or lines at once")]
        raise ProblemError(413, "body_too_large", str(problem), errors=errors) from None
    refuse_unless(reply, "applied")
    headers = {"Idempotent-Replayed": "true"} if reply.replayed else {}
    return json_response(_document(reply, items), 200 if reply.replayed else 201, headers)


def read_body(req: Request) -> BulkBody:
    """The body of a bulk. Raises `ProblemError` 400, 413, 415 or 422 naming the place of the fault, as every reader."""
    if not req.is_json:
        raise ProblemError(415, "unsupported_media_type", "Send the body as application/json.")
    raw = req.get_data(cache=False)
    document = parse_json(raw)
    if not _plainly_safe(raw):
        refuse_unsafe_texts(document)
    try:
        return msgspec.convert(document, BulkBody)
    except msgspec.ValidationError as error:
        message, field = str(error), "body"
        place = _PATH.search(message)
        if place is not None:
            message, path = message[: place.start()], place.group(1).replace("[...]", "")
            field = _INDEX.sub(r".\1", path) or field
        raise ProblemError(422, "invalid_request", f"{field}: {message}", errors=[FieldError(field, message)]) from None


def _plainly_safe(raw: bytes) -> bool:
    """Whether one look at the whole body shows that no text in it can be unsafe, so that none is looked at alone.

    Without escapes each text stands in the body as it is, and JSON allows no control character but DEL in one. A
    number of many digits can look like a card's: then the texts are looked at one by one.
    """
    if b"\\" in raw or b"\x7f" in raw:
        return False
    return not find_card_number(raw.decode())


def _document(reply: Reply, items: list[Single]) -> dict[str, Any]:
    failed = sum(item.status in _FAILED for item in reply.items)
    return {
        "posting_id": reply.posting_id,
        "status": "applied",
        "position": str(reply.position),
        "succeeded": len(reply.items) - failed,
        "failed": failed,
        "items": [
            ItemResult(
                index=index,
                status=item.status,
                key=order.key,
                code=item.code,
                detail=item.detail,
                replayed=item.replayed and not reply.replayed,
                position=str(item.position),
                posting_id=item.posting_id,
                wallet_id=item.wallet_id,
                target_id=item.target_id,
                lines=item.lines,
            )
            for index, (item, order) in enumerate(zip(reply.items, items, strict=True))
        ],
    }
