"""What can be changed about a wallet once it is open: all of it leaves an event, none of it touches money."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import Schema, fields

from api.body import StrictParser
from api.fields import Currency, MinorUnits, Text
from api.headers import idempotency_key
from api.ledger_replies import decided
from api.ledger_schemas import WALLET_CURRENCY_PARAMETER, DecisionSchema, NotesBody
from api.openapi import key_parameter
from api.ownership import visible_wallet
from api.postings import changed_notes
from api.services import current_caller, current_services
from ledger.wire import ChangeWallet, WalletChange

blp = Blueprint("wallet_changes", __name__, url_prefix="/v1/wallets", description="Accounts in one currency")
blp.ARGUMENTS_PARSER = StrictParser()

KEY = key_parameter("A UUID of your own; repeat it to repeat the request safely")


class CurrencyQuery(Schema):
    """The currency, when the wallet is named by its address."""

    currency = Currency()


class ReasonBody(Schema):
    """Why; kept with the event."""

    reason = Text(required=True)


class LimitBody(Schema):
    """How far below zero requests may take the wallet from now on."""

    overdraft_limit_minor = MinorUnits(
        required=True, low=0, allow_none=True, metadata={"description": "null: as far as it likes"}
    )


class ChangeSchema(DecisionSchema):
    """A change of a wallet that was decided."""

    wallet_id = fields.UUID(required=True)


@blp.route("/<wallet>/freeze", methods=["POST"])
@blp.doc(parameters=[KEY, WALLET_CURRENCY_PARAMETER])
@blp.arguments(ReasonBody())
@blp.arguments(CurrencyQuery(), location="query")
@blp.response(200, ChangeSchema)
def freeze(body: dict[str, Any], query: dict[str, Any], wallet: str) -> Response:
    """Take no more requests; facts still pass."""
    return _changed(wallet, query, "freeze", **body)


@blp.route("/<wallet>/unfreeze", methods=["POST"])
@blp.doc(parameters=[KEY, WALLET_CURRENCY_PARAMETER])
@blp.arguments(ReasonBody())
@blp.arguments(CurrencyQuery(), location="query")
@blp.response(200, ChangeSchema)
def unfreeze(body: dict[str, Any], query: dict[str, Any], wallet: str) -> Response:
    """Take requests again."""
    return _changed(wallet, query, "unfreeze", **body)


@blp.route("/<wallet>/close", methods=["POST"])
@blp.doc(parameters=[KEY, WALLET_CURRENCY_PARAMETER])
@blp.arguments(ReasonBody())
@blp.arguments(CurrencyQuery(), location="query")
@blp.response(200, ChangeSchema)
def close(body: dict[str, Any], query: dict[str, Any], wallet: str) -> Response:
    """Close an empty wallet: requests are refused, facts go to suspense."""
    return _changed(wallet, query, "close", **body)


@blp.route("/<wallet>/reopen", methods=["POST"])
@blp.doc(parameters=[KEY, WALLET_CURRENCY_PARAMETER])
@blp.arguments(ReasonBody())
@blp.arguments(CurrencyQuery(), location="query")
@blp.response(200, ChangeSchema)
def reopen(body: dict[str, Any], query: dict[str, Any], wallet: str) -> Response:
    """Undo closing; a wallet that was frozen is frozen still."""
    return _changed(wallet, query, "reopen", **body)


@blp.route("/<wallet>/limit", methods=["POST"])
@blp.doc(parameters=[KEY, WALLET_CURRENCY_PARAMETER])
@blp.arguments(LimitBody())
@blp.arguments(CurrencyQuery(), location="query")
@blp.response(200, ChangeSchema)
def limit(body: dict[str, Any], query: dict[str, Any], wallet: str) -> Response:
    """Change the overdraft limit; what is drawn already stays drawn."""
    return _changed(wallet, query, "limit", **body)


@blp.route("/<wallet>/metadata", methods=["PATCH"])
@blp.doc(parameters=[KEY, WALLET_CURRENCY_PARAMETER])
@blp.arguments(NotesBody())
@blp.arguments(CurrencyQuery(), location="query")
@blp.response(200, ChangeSchema)
def change_metadata(body: dict[str, Any], query: dict[str, Any], wallet: str) -> Response:
    """Change the notes on a wallet."""
    return changed_notes("wallet", visible_wallet(wallet, query.get("currency")), body)


def _changed(wallet: str, query: dict[str, Any], change: WalletChange, **more: Any) -> Response:
    key = idempotency_key(request)
    wallet_id = visible_wallet(wallet, query.get("currency"))
    asked = ChangeWallet(book=current_caller().book, key=key, wallet_id=wallet_id, change=change, **more)
    return decided(current_services().ledger.ask(asked), "changed", {"wallet_id": wallet_id}, made=200)
