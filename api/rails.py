"""Rails and how they are doing, for those who operate the books. They are of all books.

It is the payment process that calls rails, and measures: this tells its latest report, and how old that is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flask import Response
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from api.json_response import json_response
from api.services import current_services
from projections.queries.reading import Reader
from rails.registry import FACTORIES
from rails.reports import reported

blp = Blueprint("rails", __name__, url_prefix="/v1/rails", description="What moves money, and how it is doing")

STATES = ("up", "trial", "down")
LATEST = {"description": "Of the latest 10,000 calls that were sent, those among them that timed out; null before any"}


class OperationSchema(Schema):
    """One operation of one rail. What the process would not send, because the rail is down or has too many calls
    already, is no call."""

    operation = fields.String(required=True)
    state = fields.String(
        required=True,
        validate=validate.OneOf(STATES),
        metadata={"description": "`down`: not called; `trial`: the next call finds out whether it is back"},
    )
    since = fields.AwareDateTime(required=True, metadata={"description": "Since when it is up, or is not"})
    calls = fields.Integer(required=True, metadata={"description": "Since counted_from, second tries among them"})
    failures = fields.Integer(required=True, metadata={"description": "Calls without an answer; a decline is one"})
    retries = fields.Integer(required=True, metadata={"description": "Calls that were second tries"})
    p50_ms = fields.Float(required=True, allow_none=True, metadata=LATEST)
    p99_ms = fields.Float(required=True, allow_none=True, metadata=LATEST)
    p999_ms = fields.Float(required=True, allow_none=True, metadata=LATEST)
    timeout_ms = fields.Float(
        required=True, allow_none=True, metadata={"description": "How long an answer is waited for"}
    )
    counted_from = fields.AwareDateTime(required=True, metadata={"description": "When the payment process started"})


class RailSchema(Schema):
    """A rail. What is null, or empty, has not been reported: the rail is not enabled, calls nobody, or is new."""

    rail = fields.String(required=True)
    enabled = fields.Boolean(required=True, metadata={"description": "It has what it needs to be called"})
    capabilities = fields.List(
        fields.String(), required=True, allow_none=True, metadata={"description": "What it declares, by name"}
    )
    methods = fields.List(fields.String(), required=True, allow_none=True)
    currencies = fields.List(
        fields.String(), required=True, allow_none=True, metadata={"description": "Null for all, too"}
    )
    reported_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata={"description": "At least every minute while payments are processed"}
    )
    stale = fields.Boolean(
        required=True, allow_none=True, metadata={"description": "Nobody reports any more: all below is of then"}
    )
    operations = fields.List(fields.Nested(OperationSchema), required=True)


class RailsSchema(Schema):
    """All rails there are, by name."""

    items = fields.List(fields.Nested(RailSchema), required=True)


@blp.route("", methods=["GET"])
@blp.response(200, RailsSchema)
def index() -> Response:
    """List the rails: what they can do, and how their operations have done lately."""
    services = current_services()
    return json_response({"items": rails_document(services.queries, services.opened_rails)})


def rails_document(reader: Reader, opened: Collection[str]) -> list[dict[str, Any]]:
    """Every registered rail with its latest report, in plain values; `opened` are those that have what they need."""
    told = reported(reader.rows)
    return [_rail(name, name in opened, told.get(name)) for name in sorted(FACTORIES)]


def _rail(name: str, is_open: bool, report: Mapping[str, Any] | None) -> dict[str, Any]:
    able = {} if report is None else report["capabilities"]
    return {
        "rail": name,
        "enabled": is_open,
        "capabilities": able.get("capabilities"),
        "methods": able.get("methods"),
        "currencies": able.get("currencies"),
        "reported_at": None if report is None else report["reported_at"],
        "stale": None if report is None else report["stale"],
        "operations": [] if report is None else report["operations"],
    }
