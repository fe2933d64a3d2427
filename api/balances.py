"""Balances and volumes of many wallets together: by pattern, kind, currency and notes, as of any moment."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response
from flask_smorest import Blueprint
from marshmallow import Schema, fields

from api.body import StrictParser
from api.fields import Limit, Position
from api.ledger_questions import effective_span, moment_asked, only_one_range, recorded_range, taken_wallets
from api.lists import ViewQuery, taken_page, view_page
from api.query_fields import AsOf, Groups, Moment, WalletsQuery
from api.services import current_caller, current_services
from projections.queries import ONLY_KINDS, Page, When

blp = Blueprint("balances", __name__, url_prefix="/v1", description="Numbers of many wallets together")
blp.ARGUMENTS_PARSER = StrictParser()

FROM_POSITION = {"description": "What was recorded after a position, or since a time"}
TO_POSITION = {"description": "What was recorded up to a position, or a time"}
POSITION_MAX = 2**63 - 1


class BalancesQuery(WalletsQuery, ViewQuery):
    """Which wallets, when, and by what their balances are summed."""

    group_by = Groups(load_default=ONLY_KINDS)
    effective_at = Moment(load_default=None, metadata={"description": "What was true by then; may go with as_of"})
    limit = Limit(largest=1000, usual=100)


class VolumesQuery(WalletsQuery, ViewQuery):
    """Which wallets, over which range of effective or of recorded time, and by what their volumes are summed."""

    group_by = Groups(load_default=ONLY_KINDS)
    effective_from = Moment(load_default=None)
    effective_to = Moment(load_default=None, metadata={"description": "Not included"})
    recorded_from = AsOf(load_default=None, metadata=FROM_POSITION)
    recorded_to = AsOf(load_default=None, metadata=TO_POSITION)
    limit = Limit(largest=1000, usual=100)


class BalanceSchema(Schema):
    """The sum of some wallets of one currency and kind, in the natural sign. At an effective moment nothing is held."""

    currency = fields.String(required=True)
    account_kind = fields.String(required=True)
    group = fields.Dict(metadata={"description": "By the names in group_by"})
    wallets = fields.Integer(required=True)
    posted_minor = fields.Integer(required=True)
    held_minor = fields.Integer()
    available_minor = fields.Integer()


class BalancesPage(Schema):
    """Sums in the order of currency, kind and groups; `as_of` is the position that was asked for."""

    items = fields.List(fields.Nested(BalanceSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)
    position = Position(required=True)
    as_of = Position(required=True, allow_none=True)


class VolumeSchema(Schema):
    """What moved on some wallets of one currency and kind; both amounts are positive."""

    currency = fields.String(required=True)
    account_kind = fields.String(required=True)
    group = fields.Dict()
    wallets = fields.Integer(required=True)
    debit_minor = fields.Integer(required=True)
    credit_minor = fields.Integer(required=True)
    entries = fields.Integer(required=True)


class VolumesPage(Schema):
    """Volumes in the order of currency, kind and groups."""

    items = fields.List(fields.Nested(VolumeSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)
    position = Position(required=True)
    as_of = Position(required=True, allow_none=True)


@blp.route("/balances", methods=["GET"])
@blp.arguments(BalancesQuery(), location="query")
@blp.response(200, BalancesPage)
def index(query: dict[str, Any]) -> Response:
    """Sum balances per currency, kind and group: now, as of a position or time, or at an effective moment."""
    queries, caller, page = current_services().queries, current_caller(), taken_page(query)
    chosen, when, grouping = taken_wallets(query), moment_asked(page.as_of, query["effective_at"]), query["group_by"]

    def fetch(cursor: str | None, limit: int, **_: Any) -> Page:
        return queries.balances(caller, chosen, when, grouping, cursor=cursor, limit=limit)

    return view_page("balances" if when == When() else "wallet_entries", page, fetch)


@blp.route("/volumes", methods=["GET"])
@blp.arguments(VolumesQuery(), location="query")
@blp.response(200, VolumesPage)
def volumes(query: dict[str, Any]) -> Response:
    """Sum debits and credits per currency, kind and group, over a range of effective or of recorded time."""
    queries, caller, about_recorded = current_services().queries, current_caller(), only_one_range(query)
    chosen, page, grouping = taken_wallets(query), taken_page(query), query["group_by"]
    if about_recorded:
        after, last = recorded_range(query)
        when = When(POSITION_MAX if last is None else last)
        page = page._replace(as_of=last, at_least=max(page.at_least, after))
        fetch = partial(queries.recorded_volumes, caller, chosen, after, when, grouping)
    else:
        when = When(page.as_of, effective_span(query["effective_from"], query["effective_to"]))
        fetch = partial(queries.volumes, caller, chosen, when, grouping)
    return view_page("wallet_entries", page, lambda cursor, limit, **_: fetch(cursor=cursor, limit=limit))
