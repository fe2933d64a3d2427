"""Rebuilds of views: how far they are and what became of them, for those who operate the books.

A view is of all books, and so is its rebuild; one for a single wallet or merchant is seen in its own book only.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from api.body import StrictParser
from api.fields import Cursor, Limit, Position, Text
from api.headers import uuid_text
from api.json_response import json_response
from api.problem import not_found
from api.services import current_caller, current_services
from replay.progress import replay_of, replays_page

blp = Blueprint("replays", __name__, url_prefix="/v1/replays", description="Rebuilds of views from the log")
blp.ARGUMENTS_PARSER = StrictParser()

STATES = ("running", "interrupted", "done", "failed")


class ReplaysQuery(Schema):
    """Which rebuilds."""

    view = Text(load_default=None, metadata={"description": "Of this view only"})
    cursor = Cursor()
    limit = Limit()


class ReplayPartSchema(Schema):
    """One worker's share of the streams."""

    part = fields.Integer(required=True)
    position = Position(required=True)
    events = fields.Integer(required=True)
    moved_at = fields.AwareDateTime(required=True)


class ReplaySchema(Schema):
    """A rebuild. `interrupted` is one that was cut off: run it again, and it goes on where it was."""

    replay_id = fields.UUID(required=True)
    view = fields.String(required=True)
    build = fields.Integer(required=True, metadata={"description": "The build that it fills"})
    version = fields.Integer(required=True, allow_none=True, metadata={"description": "Of the view's code"})
    code_version = fields.String(
        required=True, metadata={"description": "The program's version and a digest of the view's code"}
    )
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    problem = fields.String(required=True, allow_none=True, metadata={"description": "What ended it, if it failed"})
    scope = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"description": "Empty for all of the view; else as_of, wallet or merchant"},
    )
    from_position = Position(required=True, metadata={"description": "Where the log begins"})
    position = Position(required=True, metadata={"description": "How far the part has come that is furthest behind"})
    until = Position(required=True, metadata={"description": "Where the pass over the log ends that it is in"})
    events = fields.Integer(required=True, metadata={"description": "Read so far"})
    percent = fields.Float(required=True, metadata={"description": "Of the way along the log"})
    seconds = fields.Float(required=True, metadata={"description": "That it has worked, without interruptions"})
    events_per_second = fields.Integer(required=True)
    seconds_left = fields.Integer(
        required=True, allow_none=True, metadata={"description": "At the rate so far, while it is running"}
    )
    streams_set_aside = fields.Integer(
        required=True, metadata={"description": "Parked in its build now: events of theirs are not in its rows"}
    )
    events_given_up = fields.Integer(required=True, metadata={"description": "Discarded for the view, and left out"})
    parts = fields.List(fields.Nested(ReplayPartSchema), required=True)
    started_at = fields.AwareDateTime(required=True)
    resumed_at = fields.AwareDateTime(required=True, allow_none=True)
    ended_at = fields.AwareDateTime(required=True, allow_none=True)


class ReplaysPageSchema(Schema):
    """A page of rebuilds, newest first."""

    items = fields.List(fields.Nested(ReplaySchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


@blp.route("", methods=["GET"])
@blp.arguments(ReplaysQuery(), location="query")
@blp.response(200, ReplaysPageSchema)
def index(query: dict[str, Any]) -> Response:
    """List the rebuilds of views with their progress, newest first."""
    found = replays_page(current_services().queries, current_caller().book, **query)
    return json_response({"items": found.items, "next_cursor": found.next_cursor})


@blp.route("/<replay_id>", methods=["GET"])
@blp.response(200, ReplaySchema)
def show(replay_id: str) -> Response:
    """Read how far one rebuild is, part by part."""
    key = uuid_text(replay_id)
    found = None if key is None else replay_of(current_services().queries, current_caller().book, UUID(key))
    if found is None:
        raise not_found("replay")
    return json_response(found)
