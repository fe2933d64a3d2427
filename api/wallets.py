"""Wallets: open one, read its numbers, list its entries.

Numbers are answered in the natural sign (what is there, or what is owed, is positive), as the posting engine last
committed them; entries come from the view.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import Schema, fields

from api.body import StrictParser
from api.fields import Currency, Limit, MinorUnits, Text, UuidText
from api.headers import idempotency_key
from api.json_response import json_response
from api.ledger_replies import refuse_unless
from api.lists import ViewPageSchema, ViewQuery, taken_page, view_page
from api.moments import MomentQuery, answered_as_of, as_known, position_of
from api.ownership import visible_wallet
from api.problem import not_found
from api.query_fields import Amount, Moment
from api.services import current_caller, current_services
from domain.chart import DEBIT_KINDS, account_kind
from domain.ids import wallet_stream_id
from projections.queries import EntryFilter
from replay.explain.history import History
from replay.explain.wallet import wallet_then

blp = Blueprint("wallets", __name__, url_prefix="/v1/wallets", description="Accounts in one currency")
blp.ARGUMENTS_PARSER = StrictParser()


class OpenWalletBody(Schema):
    """The account to open; its kind follows from the address and the chart of accounts."""

    address = Text(required=True, longest=200, metadata={"example": "wallet:alice"})
    currency = Currency(required=True)
    overdraft_limit_minor = MinorUnits(
        low=0,
        allow_none=True,
        load_default=0,
        metadata={"description": "How far below zero requests may take it; null for no limit"},
    )
    merchant_id = UuidText(allow_none=True, load_default=None)


class WalletSchema(Schema):
    """A wallet; amounts in minor units, in the natural sign of its kind."""

    wallet_id = fields.UUID(required=True)
    address = fields.String(required=True)
    currency = fields.String(required=True)
    account_kind = fields.String(required=True)
    posted_minor = fields.Integer(required=True)
    held_minor = fields.Integer(required=True)
    available_minor = fields.Integer(required=True)
    overdraft_limit_minor = fields.Integer(required=True, allow_none=True)
    version = fields.Integer(required=True)
    frozen = fields.Boolean(required=True)
    closed = fields.Boolean(required=True)
    as_of = answered_as_of()


class WalletQuery(MomentQuery):
    """As of when; the currency, when the wallet is named by its address."""

    currency = Currency()


class EntriesQuery(ViewQuery):
    """Which entries: every condition that is given must hold. Amounts are in the natural sign of the wallet."""

    currency = Currency()
    effective_from = Moment(load_default=None)
    effective_to = Moment(load_default=None, metadata={"description": "Not included"})
    recorded_from = Moment(load_default=None)
    recorded_to = Moment(load_default=None, metadata={"description": "Not included"})
    min_amount_minor = Amount(load_default=None)
    max_amount_minor = Amount(load_default=None, metadata={"description": "Included"})
    limit = Limit()


@blp.route("", methods=["POST"])
@blp.arguments(OpenWalletBody())
@blp.response(201, WalletSchema)
@blp.alt_response(200, schema=WalletSchema, description="It was open already, with the same terms", success=True)
def open_wallet(body: dict[str, Any]) -> Response:
    """Open a wallet. Address and currency are its identity: opening it again with the same terms changes nothing."""
    caller, services = current_caller(), current_services()
    account_kind(body["address"])
    key = idempotency_key(request) if "Idempotency-Key" in request.headers else f"{body['address']}|{body['currency']}"
    reply = services.ledger.open_wallet(book=caller.book, key=key, **body)
    refuse_unless(reply, "opened")
    wallet_id = reply.wallet_id or wallet_stream_id(caller.book, body["address"], body["currency"])
    headers = {"Location": f"/v1/wallets/{wallet_id}"}
    if reply.replayed:
        headers["Idempotent-Replayed"] = "true"
    return json_response(_numbers(wallet_id), 200 if reply.replayed else 201, headers)


@blp.route("/<wallet>", methods=["GET"])
@blp.arguments(WalletQuery(), location="query")
@blp.response(200, WalletSchema)
def show(query: dict[str, Any], wallet: str) -> Response:
    """Read a wallet's posted, held and available money, now or as of then, by wallet id or by address and currency."""
    as_of = position_of(query["as_of"])
    wallet_id = visible_wallet(wallet, query.get("currency"), as_of)
    return json_response(_numbers(wallet_id) if as_of is None else as_known(_numbers_then(wallet_id, as_of), as_of))


@blp.route("/<wallet>/entries", methods=["GET"])
@blp.arguments(EntriesQuery(), location="query")
@blp.response(200, ViewPageSchema)
def entries(query: dict[str, Any], wallet: str) -> Response:
    """List what was posted to a wallet."""
    queries, caller, page = current_services().queries, current_caller(), taken_page(query)
    wallet_id = visible_wallet(wallet, query.pop("currency", None), page.as_of)
    chosen = EntryFilter(**query)
    return view_page("wallet_entries", page, partial(queries.wallet_entries, caller, wallet_id, chosen=chosen))


def _numbers(wallet_id: UUID) -> dict[str, Any]:
    reply = current_services().ledger.wallet(book=current_caller().book, wallet_id=wallet_id)
    refuse_unless(reply, "found")
    found = reply.wallet
    if found is None:
        raise not_found("wallet")
    kind = account_kind(found.address)
    sign = 1 if kind in DEBIT_KINDS else -1
    return {
        "wallet_id": wallet_id,
        "address": found.address,
        "currency": found.currency,
        "account_kind": kind,
        "posted_minor": sign * found.posted_minor,
        "held_minor": found.held_minor,
        "available_minor": found.available_minor,
        "overdraft_limit_minor": found.overdraft_limit_minor,
        "version": found.version,
        "frozen": found.frozen,
        "closed": found.closed,
    }


def _numbers_then(wallet_id: UUID, as_of: int) -> dict[str, Any]:
    """From the wallet's own events, which the posting engine no longer knows."""
    services = current_services()
    found = wallet_then(History(services.queries, services.log.log_mapper, current_caller().book, as_of), wallet_id)
    if found is None:
        raise not_found("wallet")
    opened, head = found.opened, found.head
    return {
        "wallet_id": wallet_id,
        "address": opened.address,
        "currency": opened.currency,
        "account_kind": opened.account_kind,
        "posted_minor": head.natural,
        "held_minor": head.held,
        "available_minor": head.available,
        "overdraft_limit_minor": head.overdraft_limit_minor,
        "version": found.version,
        "frozen": head.frozen,
        "closed": head.closed,
    }
