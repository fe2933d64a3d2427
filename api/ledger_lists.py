"""Lists of postings, holds, monitors and adjustments, by what callers know of them."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.body import StrictParser
from api.fields import Limit, Text
from api.ledger_questions import taken_wallet
from api.lists import ViewPageSchema, ViewQuery, taken_page, view_page
from api.query_fields import MetadataQuery, Moment, NamedWalletQuery, Truth
from api.services import current_caller, current_services
from domain.monitor import MEASURES
from projections.queries import AdjustmentFilter, HoldFilter, MonitorFilter, PostingFilter

blp = Blueprint("ledger_lists", __name__, url_prefix="/v1", description="What was asked of the ledger")
blp.ARGUMENTS_PARSER = StrictParser()

HOLD_STATES = ("pending", "partially_committed", "committed", "voided", "expired")
POSTING_STATES = ("recorded", "partially_reverted", "reverted", "refused", *HOLD_STATES)
ADJUSTMENT_STATES = ("proposed", "approved", "rejected")
SIDES = ("below", "at_or_above")


class PostingsQuery(NamedWalletQuery, MetadataQuery, ViewQuery):
    """Which postings: every condition that is given must hold."""

    reference = Text(load_default=None, metadata={"description": "Your own name of it"})
    ledger_reference = Text(load_default=None, metadata={"description": "The ledger's name of it"})
    rule = Text(load_default=None, metadata={"description": "Such as transfer, hold-commit or reversal"})
    state = fields.String(load_default=None, validate=validate.OneOf(POSTING_STATES))
    effective_from = Moment(load_default=None)
    effective_to = Moment(load_default=None, metadata={"description": "Not included"})
    recorded_from = Moment(load_default=None)
    recorded_to = Moment(load_default=None, metadata={"description": "Not included"})
    limit = Limit()


class HoldsQuery(NamedWalletQuery, ViewQuery):
    """Which holds: every condition that is given must hold."""

    reference = Text(load_default=None, metadata={"description": "Your own name of it"})
    state = fields.String(load_default=None, validate=validate.OneOf(HOLD_STATES))
    open = Truth(load_default=None, metadata={"description": "true: those that still reserve something"})
    expires_before = Moment(load_default=None, metadata={"description": "Open holds that expire before then"})
    limit = Limit()


class MonitorsQuery(NamedWalletQuery, ViewQuery):
    """Which monitors: every condition that is given must hold."""

    measure = fields.String(load_default=None, validate=validate.OneOf(MEASURES))
    side = fields.String(load_default=None, validate=validate.OneOf(SIDES))
    removed = Truth(load_default=None)
    limit = Limit()


class AdjustmentsQuery(ViewQuery):
    """Which adjustments: every condition that is given must hold."""

    state = fields.String(load_default=None, validate=validate.OneOf(ADJUSTMENT_STATES))
    proposed_by = Text(load_default=None)
    decided_by = Text(load_default=None)
    limit = Limit()


@blp.route("/postings", methods=["GET"])
@blp.arguments(PostingsQuery(), location="query")
@blp.response(200, ViewPageSchema)
def postings(query: dict[str, Any]) -> Response:
    """List postings, holds and refusals, newest first. A merchant sees its own lines only."""
    queries, caller, page = current_services().queries, current_caller(), taken_page(query)
    chosen = PostingFilter(wallet_id=taken_wallet(query), **query)
    return view_page("postings", page, partial(queries.postings, caller, chosen=chosen))


@blp.route("/holds", methods=["GET"])
@blp.arguments(HoldsQuery(), location="query")
@blp.response(200, ViewPageSchema)
def holds(query: dict[str, Any]) -> Response:
    """List holds with what is left of them, newest first. A merchant sees its own lines only."""
    queries, caller, page = current_services().queries, current_caller(), taken_page(query)
    chosen = HoldFilter(wallet_id=taken_wallet(query), **query)
    return view_page("holds", page, partial(queries.holds, caller, chosen=chosen))


@blp.route("/monitors", methods=["GET"])
@blp.arguments(MonitorsQuery(), location="query")
@blp.response(200, ViewPageSchema)
def monitors(query: dict[str, Any]) -> Response:
    """List monitors with the side of their last crossing, newest first."""
    queries, caller, page = current_services().queries, current_caller(), taken_page(query)
    chosen = MonitorFilter(wallet_id=taken_wallet(query), **query)
    return view_page("monitors", page, partial(queries.monitors, caller, chosen=chosen))


@blp.route("/adjustments", methods=["GET"])
@blp.arguments(AdjustmentsQuery(), location="query")
@blp.response(200, ViewPageSchema)
def adjustments(query: dict[str, Any]) -> Response:
    """List adjustments with who proposed and who decided, newest first."""
    queries, caller, page = current_services().queries, current_caller(), taken_page(query)
    chosen = AdjustmentFilter(**query)
    return view_page("adjustments", page, partial(queries.adjustments, caller, chosen=chosen))
