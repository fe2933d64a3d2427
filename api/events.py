"""The log of the caller's book, event by event: what everything else is derived from."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Response
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from api.body import StrictParser
from api.fields import Limit, Position
from api.json_response import json_response
from api.moments import MomentQuery, position_of
from api.services import current_caller, current_services
from eventlog.recorded import Recorded

blp = Blueprint("events", __name__, url_prefix="/v1/events", description="The event log of your book")
blp.ARGUMENTS_PARSER = StrictParser()


class EventsQuery(MomentQuery):
    """Where to read on from, what, and up to when."""

    after = Position(load_default=0, metadata={"description": "Answer events after this position"})
    limit = Limit(largest=1000, usual=100)
    topics = fields.String(
        load_default="",
        validate=validate.Regexp(
            r"^([a-z0-9.-]{1,80}(,[a-z0-9.-]{1,80}){0,49})?$", error="must be topics joined by commas"
        ),
        metadata={"description": "Only these topics, joined by commas"},
    )


class EventSchema(Schema):
    """One stored event."""

    position = Position(required=True)
    stream_id = fields.UUID(required=True)
    version = fields.Integer(required=True)
    topic = fields.String(required=True)
    recorded_at = fields.AwareDateTime(required=True)
    meta = fields.Dict(required=True)
    data = fields.Dict(required=True, metadata={"description": "The fields of the event, as stored"})


class EventsPage(Schema):
    """Events in order; `next_after` is what to send as `after` next time, also when there are none now."""

    items = fields.List(fields.Nested(EventSchema), required=True)
    next_after = Position(required=True)


@blp.route("", methods=["GET"])
@blp.arguments(EventsQuery(), location="query")
@blp.response(200, EventsPage)
def index(query: dict[str, Any]) -> Response:
    """List the events of your book in order."""
    topics = [topic for topic in query["topics"].split(",") if topic]
    until, book = position_of(query["as_of"]), current_caller().book
    rows = current_services().reader.read(query["after"], query["limit"], topics=topics, books=[book], until=until)
    after = rows[-1].position if rows else query["after"]
    return json_response({"items": [_shown(row) for row in rows], "next_after": str(after)})


def _shown(row: Recorded) -> dict[str, Any]:
    return {
        "position": str(row.position),
        "stream_id": row.stream_id,
        "version": row.version,
        "topic": row.topic,
        "recorded_at": row.recorded_at,
        "meta": row.meta,
        "data": msgspec.Raw(row.state),
    }
