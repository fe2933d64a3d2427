"""Periods: through which day the books are closed, so that what was reported stays what was booked."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import Schema, fields

from api.body import StrictParser
from api.headers import idempotency_key
from api.json_response import json_response
from api.ledger_replies import decided
from api.ledger_schemas import DecisionSchema
from api.moments import MomentQuery, answered_as_of, as_known, position_of, version_of
from api.openapi import key_parameter
from api.services import current_caller, current_services
from domain.period import closed_until, periods_stream_id
from eventlog.application import EventLog
from ledger.closings import closings
from ledger.wire import ClosePeriod

blp = Blueprint("periods", __name__, url_prefix="/v1/periods", description="Closed periods of your book")
blp.ARGUMENTS_PARSER = StrictParser()


class CloseBody(Schema):
    """The last day (UTC) to close; it must be over."""

    through = fields.Date(required=True, metadata={"description": "Nothing takes effect until its end any more"})


class ClosedSchema(DecisionSchema):
    """A closing that was decided."""

    through = fields.Date(required=True)


class ClosingSchema(Schema):
    """One closing."""

    through = fields.Date(required=True)
    closed_at = fields.AwareDateTime(required=True)


class PeriodsSchema(Schema):
    """How far the book is closed, and by which closings, oldest first."""

    closed_through = fields.Date(required=True, allow_none=True)
    open_from = fields.AwareDateTime(
        required=True, allow_none=True, metadata={"description": "The first moment that still takes postings"}
    )
    closings = fields.List(fields.Nested(ClosingSchema), required=True)
    as_of = answered_as_of()


@blp.route("/close", methods=["POST"])
@blp.doc(parameters=[key_parameter("A UUID of your own; repeat it to repeat the request safely")])
@blp.arguments(CloseBody())
@blp.response(201, ClosedSchema)
@blp.alt_response(200, schema=ClosedSchema, description="Closed earlier with this key", success=True)
def close(body: dict[str, Any]) -> Response:
    """Close the book through a day; a closed day is never opened again."""
    asked = ClosePeriod(book=current_caller().book, key=idempotency_key(request), through=body["through"])
    return decided(current_services().ledger.ask(asked), "closed", {"through": body["through"]})


@blp.route("", methods=["GET"])
@blp.arguments(MomentQuery(), location="query")
@blp.response(200, PeriodsSchema)
def show(query: dict[str, Any]) -> Response:
    """Read how far the book is closed, or was as of then."""
    as_of, book = position_of(query["as_of"]), current_caller().book
    version = version_of(periods_stream_id(book), as_of)
    return json_response(as_known(periods_document(current_services().log, book, version), as_of))


def periods_document(log: EventLog, book: int, version: int | None = None) -> dict[str, Any]:
    """The closings of a book as their own stream tells them, up to a version of it."""
    found = closings(log, book, version)
    through = found[-1].through if found else None
    return {
        "closed_through": through,
        "open_from": None if through is None else closed_until(through),
        "closings": [{"through": one.through, "closed_at": one.timestamp} for one in found],
    }
