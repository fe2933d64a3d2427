"""One wallet's balance at any moment, and its statement as JSON or CSV; also the list of wallets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from api.body import StrictParser
from api.fields import Currency, Limit, Position
from api.json_response import json_response
from api.ledger_questions import effective_span, moment_asked, only_one_range, recorded_range, taken_wallets
from api.lists import ViewPageSchema, ViewQuery, reached, taken_page, view_page
from api.moments import MomentQuery, position_of
from api.problem import not_found
from api.query_fields import Amount, AsOf, Moment, WalletsQuery
from api.services import current_caller, current_services
from api.wallet_refs import wallet_id_of
from projections.queries import Grouping, Range, Statement, WalletFilter, When

blp = Blueprint("statements", __name__, url_prefix="/v1/wallets", description="Wallets as they were at any moment")
blp.ARGUMENTS_PARSER = StrictParser()

BY_ADDRESS = Grouping(("address",))
CSV_TYPE = "text/csv"
CSV_COLUMNS = (
    "kind", "position", "posting_id", "line", "effective_at", "recorded_at", "currency", "amount_minor",
    "balance_minor",
)  # fmt: skip


class WalletListQuery(WalletsQuery, ViewQuery):
    """Which wallets; balances in minor units and the natural sign."""

    balance_from = Amount(load_default=None, metadata={"description": "A posted balance of at least this"})
    balance_below = Amount(load_default=None, metadata={"description": "A posted balance below this"})
    limit = Limit()


class BalanceQuery(MomentQuery):
    """When; the currency, when the wallet is named by its address."""

    currency = Currency(load_default=None)
    effective_at = Moment(load_default=None, metadata={"description": "What was true by then; may go with as_of"})
    at_least = Position(load_default=0, metadata={"description": "Wait until the view has come this far"})


class WalletBalanceSchema(Schema):
    """A balance in the natural sign. At an effective moment nothing is held, so only `posted_minor` is there."""

    wallet_id = fields.UUID(required=True)
    address = fields.String(required=True)
    currency = fields.String(required=True)
    account_kind = fields.String(required=True)
    posted_minor = fields.Integer(required=True)
    held_minor = fields.Integer()
    available_minor = fields.Integer()
    as_of = Position(required=True, allow_none=True)
    effective_at = fields.AwareDateTime(required=True, allow_none=True)
    position = Position(required=True)


class StatementQuery(ViewQuery):
    """Which range of effective or of recorded time (effective without any bound, unless it says otherwise)."""

    currency = Currency(load_default=None)
    effective_from = Moment(load_default=None)
    effective_to = Moment(load_default=None, metadata={"description": "Not included"})
    recorded_from = AsOf(load_default=None, metadata={"description": "After a position, or since a time"})
    recorded_to = AsOf(load_default=None, metadata={"description": "Up to a position, or a time"})
    format = fields.String(
        load_default=None,
        validate=validate.OneOf(["json", "csv"]),
        metadata={"description": "csv answers the whole range at once, as does Accept: text/csv"},
    )
    limit = Limit(largest=5000, usual=500)


class StatementEntrySchema(Schema):
    """An entry with the balance after it, in the order of the statement."""

    posting_id = fields.UUID(required=True)
    line = fields.Integer(required=True)
    version = fields.Integer(required=True)
    amount_minor = fields.Integer(required=True)
    balance_minor = fields.Integer(required=True)
    effective_at = fields.AwareDateTime(required=True)
    recorded_at = fields.AwareDateTime(required=True)
    position = Position(required=True)


class StatementSchema(Schema):
    """Opening and closing balance of the whole range, and a page of its entries; natural sign, minor units.

    All pages are as of one position: what is posted meanwhile belongs to the next statement.
    """

    wallet_id = fields.UUID(required=True)
    address = fields.String(required=True)
    currency = fields.String(required=True)
    account_kind = fields.String(required=True)
    as_of = Position(required=True)
    opening_minor = fields.Integer(required=True)
    entries = fields.List(fields.Nested(StatementEntrySchema), required=True)
    closing_minor = fields.Integer(required=True)
    next_cursor = fields.String(required=True, allow_none=True)


@blp.route("", methods=["GET"])
@blp.arguments(WalletListQuery(), location="query")
@blp.response(200, ViewPageSchema)
def index(query: dict[str, Any]) -> Response:
    """List wallets by pattern, currency, kind, notes, state or balance."""
    queries, caller, page = current_services().queries, current_caller(), taken_page(query)
    return view_page("balances", page, partial(queries.wallets, caller, chosen=taken_wallets(query)))


@blp.route("/<wallet>/balance", methods=["GET"])
@blp.arguments(BalanceQuery(), location="query")
@blp.response(200, WalletBalanceSchema)
def balance(query: dict[str, Any], wallet: str) -> Response:
    """Read a wallet's balance as of any position or time, or at any effective moment."""
    queries, caller = current_services().queries, current_caller()
    wallet_id, effective_at = _wallet_id(wallet, query), query["effective_at"]
    when = moment_asked(position_of(query["as_of"]), effective_at)
    view = "balances" if when == When() else "wallet_entries"
    position = reached(view, max(query["at_least"], when.as_of or 0))
    found = queries.balances(caller, WalletFilter(wallet_id=wallet_id), when, BY_ADDRESS, cursor=None, limit=1).items
    if not found:
        raise not_found("wallet")
    row = found[0]
    del row["wallets"]
    answer = {
        "wallet_id": wallet_id,
        "address": row.pop("group")["address"],
        **row,
        "as_of": None if when.as_of is None else str(when.as_of),
        "effective_at": effective_at,
        "position": str(position),
    }
    return json_response(answer)


@blp.route("/<wallet>/statement", methods=["GET"])
@blp.arguments(StatementQuery(), location="query")
@blp.response(200, StatementSchema)
def statement(query: dict[str, Any], wallet: str) -> Response:
    """Read a wallet's statement: opening balance, entries with the balance after each, closing balance."""
    queries, caller = current_services().queries, current_caller()
    wallet_id, about = _wallet_id(wallet, query), _range(query)
    reached("wallet_entries", max(query["at_least"], about.up_to or 0))
    if _wants_csv(query["format"]):
        pages = queries.statement_pages(caller, wallet_id, about)
        first = next(pages, None)
        if first is None:
            raise not_found("wallet")
        return _csv(first, pages)
    page = queries.statement(caller, wallet_id, about, cursor=query["cursor"], limit=query["limit"])
    if page is None:
        raise not_found("wallet")
    return json_response(
        {
            **page.wallet,
            "as_of": str(page.as_of),
            "opening_minor": page.opening_minor,
            "entries": page.entries,
            "closing_minor": page.closing_minor,
            "next_cursor": page.next_cursor,
        }
    )


def statement_csv(first: Statement, rest: Iterator[Statement]) -> Iterator[str]:
    """A whole statement as lines of CSV. Its last line is the closing balance: without it, it is not whole."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, restval="", extrasaction="ignore", lineterminator="\r\n")
    currency = first.wallet["currency"]
    writer.writeheader()
    writer.writerow({"kind": "opening", "currency": currency, "balance_minor": first.opening_minor})
    page: Statement | None = first
    while page is not None:
        for entry in page.entries:
            moments = {name: entry[name].isoformat() for name in ("effective_at", "recorded_at")}
            writer.writerow({"kind": "entry", "currency": currency, **entry, **moments})
        yield out.getvalue()
        out.seek(0)
        out.truncate()
        page = next(rest, None)
    writer.writerow({"kind": "closing", "currency": currency, "balance_minor": first.closing_minor})
    yield out.getvalue()


def _csv(first: Statement, rest: Iterator[Statement]) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="statement-{first.wallet["wallet_id"]}.csv"'}
    return Response(
        statement_csv(first, rest), content_type=f"{CSV_TYPE}; charset=utf-8; header=present", headers=headers
    )


def _wants_csv(asked: str | None) -> bool:
    if asked is not None:
        return asked == "csv"
    return request.accept_mimetypes.best_match(["application/json", CSV_TYPE]) == CSV_TYPE


def _wallet_id(wallet: str, query: dict[str, Any]) -> UUID:
    return wallet_id_of(current_caller().book, wallet, query.pop("currency"), "wallet")


def _range(query: dict[str, Any]) -> Range:
    if only_one_range(query):
        after, last = recorded_range(query)
        return Range(None, after, last)
    span = effective_span(query["effective_from"], query["effective_to"])
    return Range(span, up_to=position_of(query["as_of"]))
