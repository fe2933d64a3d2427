"""Explanations: the events, rules and versions behind a wallet's number or an order's status, read from the log itself.

A merchant's key is told of its own wallets and orders only, sees in a posting the lines of its own wallets, and not who
at the operator wrote what.
"""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Response
from flask_smorest import Blueprint
from marshmallow import Schema, fields
from msgspec.structs import replace

from api.body import StrictParser
from api.fields import Currency, Limit, Position
from api.headers import uuid_text
from api.json_response import json_response
from api.moments import MomentQuery, position_of
from api.ownership import own_lines, visible_wallet
from api.problem import not_found
from api.services import current_caller, current_services
from replay.explain.history import History
from replay.explain.order import OrderExplanation, explain_order
from replay.explain.told import PostingTold
from replay.explain.wallet import ENTRIES_SHOWN, explain_wallet

blp = Blueprint("explanations", __name__, url_prefix="/v1", description="What made a number")
blp.ARGUMENTS_PARSER = StrictParser()

WRITERS = frozenset({"actor", "correlation", "causation"})


class WalletMomentQuery(MomentQuery):
    """How many entries, newest first, as of when; the currency, when the wallet is named by its address."""

    currency = Currency()
    limit = Limit(usual=ENTRIES_SHOWN)


class WalletExplained(Schema):
    """A wallet as of a position, in minor units and its natural sign: opening + shown = posted, newest entry first."""

    wallet_id = fields.UUID(required=True)
    address = fields.String(required=True)
    currency = fields.String(required=True)
    account_kind = fields.String(required=True)
    as_of = Position(required=True)
    posted_minor = fields.Integer(required=True)
    held_minor = fields.Integer(required=True)
    available_minor = fields.Integer(required=True)
    overdraft_limit_minor = fields.Integer(required=True, allow_none=True)
    frozen = fields.Boolean(required=True)
    closed = fields.Boolean(required=True)
    opening_minor = fields.Integer(required=True)
    shown_minor = fields.Integer(required=True)
    entries_before = fields.Integer(required=True)
    entries = fields.List(fields.Dict(), required=True)


class OrderExplained(Schema):
    """An order as of a position, with every event, what it changed and what was posted for it, oldest first."""

    order_id = fields.String(required=True)
    stream_id = fields.UUID(required=True)
    merchant_id = fields.String(required=True, allow_none=True)
    currency = fields.String(required=True)
    as_of = Position(required=True)
    amount_minor = fields.Integer(required=True)
    commission_bps = fields.Integer(required=True)
    status = fields.String(required=True)
    authorized_minor = fields.Integer(required=True)
    captured_minor = fields.Integer(required=True)
    returned_minor = fields.Integer(required=True)
    released_minor = fields.Integer(required=True)
    held_minor = fields.Integer(required=True)
    cost_minor = fields.Integer(required=True)
    steps = fields.List(fields.Dict(), required=True)


@blp.route("/wallets/<wallet>/explanation", methods=["GET"])
@blp.arguments(WalletMomentQuery(), location="query")
@blp.response(200, WalletExplained)
def wallet(query: dict[str, Any], wallet: str) -> Response:
    """Explain what a wallet holds: the entries that make its balance, with the rule and the cause of each."""
    wallet_id = visible_wallet(wallet, query.get("currency"))
    found = explain_wallet(_history(query["as_of"]), wallet_id, query["limit"])
    if found is None:
        raise not_found("wallet")
    return json_response(_shown(found))


@blp.route("/payment-orders/<order_id>/explanation", methods=["GET"])
@blp.arguments(MomentQuery(), location="query")
@blp.response(200, OrderExplained)
def order(query: dict[str, Any], order_id: str) -> Response:
    """Explain what happened to a payment order, step by step, with the arithmetic of its shares and commission."""
    key, caller = uuid_text(order_id), current_caller()
    if key is None:
        raise not_found("payment order")
    owner = current_services().checkout.order(caller.book, key).merchant_id
    found = explain_order(_history(query["as_of"]), key)
    if found is None or (caller.merchant_id is not None and owner != caller.merchant_id):
        raise not_found("payment order")
    return json_response(_shown(_own(found)))


def _history(as_of: Any) -> History:
    """The caller's book up to a moment. Raises MomentNotReached."""
    services = current_services()
    position = position_of(as_of)
    if position is None:
        position = services.reader.max_notification_id() or 0
    return History(services.queries, services.log.log_mapper, current_caller().book, position)


def _own(found: OrderExplanation) -> OrderExplanation:
    """The order with the lines that the caller may see."""
    if current_caller().merchant_id is None:
        return found
    steps = [replace(step, postings=[_own_part(posting) for posting in step.postings]) for step in found.steps]
    return replace(found, steps=steps)


def _own_part(posting: PostingTold) -> PostingTold:
    lines: Any = posting.lines  # all that tells whose a line is is its wallet
    return replace(posting, lines=own_lines(lines))


def _shown(found: Any) -> Any:
    document = msgspec.to_builtins(found)
    return document if current_caller().merchant_id is None else _without_writers(document)


def _without_writers(document: Any) -> Any:
    """The same without who wrote what, and in which request."""
    if isinstance(document, dict):
        return {name: _without_writers(value) for name, value in document.items() if name not in WRITERS}
    if isinstance(document, list):
        return [_without_writers(value) for value in document]
    return document
