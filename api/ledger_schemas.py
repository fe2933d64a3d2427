"""Schemas that the doors of the posting engine share: lines, conditions, dry runs, answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Request
from marshmallow import Schema, fields, validate

from api.body import refuse_unsafe_text
from api.fields import Currency, MinorUnits, Position, Text, TextMap
from api.problem import unprocessable
from api.wallet_refs import wallet_id_of
from domain.conditions import Condition
from domain.money import AMOUNT_MINOR_MAX
from ledger.mistakes import LINES_MAX, REFERENCE_LENGTH_MAX
from ledger.wire import PostLine

CONDITIONS_MAX = 100
NOTES_MAX = 50
DRY_RUN_PARAMETER: dict[str, Any] = {
    "in": "query",
    "name": "dry_run",
    "required": False,
    "schema": {"type": "boolean", "default": False},
    "description": "true: answer exactly what would happen, and change nothing; the key is not used up.",
}
WALLET_CURRENCY_PARAMETER: dict[str, Any] = {
    "in": "query",
    "name": "currency",
    "required": False,
    "schema": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "description": "The currency, when the wallet is named by its address.",
}


def dry_run_asked(request: Request) -> bool:
    """Whether the request says `?dry_run=true`. Not a schema, so that the hot path without a query costs nothing.

    Raises `ProblemError` 422 for any other parameter, and for a value that is neither true nor false.
    """
    if not request.query_string:
        return False
    for name in request.args:
        if name != "dry_run":
            refuse_unsafe_text("query (a name)", name)
            raise unprocessable(name, "Unknown field.")
    if request.args.getlist("dry_run") not in (["true"], ["false"]):
        raise unprocessable("dry_run", "must be true or false, once")
    return request.args["dry_run"] == "true"


class LineBody(Schema):
    """One wallet's part of a movement."""

    wallet = Text(
        required=True, longest=200, metadata={"description": "A wallet id, or an address of the chart of accounts"}
    )
    currency = Currency(required=True)
    amount_minor = MinorUnits(
        required=True, low=-AMOUNT_MINOR_MAX, metadata={"description": "Signed: + is a debit, - a credit"}
    )


class ConditionBody(Schema):
    """What must be true of a wallet right before; exactly one of the three numbers is given."""

    wallet = Text(required=True, longest=200)
    currency = Currency(metadata={"description": "Needed when the wallet is named by its address"})
    at_least_minor = MinorUnits(low=-AMOUNT_MINOR_MAX, metadata={"description": "Available, at least this"})
    exactly_minor = MinorUnits(low=-AMOUNT_MINOR_MAX, metadata={"description": "Natural posted balance, exactly this"})
    version = MinorUnits(high=2**31 - 1, metadata={"description": "Version of the wallet, exactly this"})


def lines_field(**more: Any) -> fields.List[Any]:
    """The lines of a movement, at least one."""
    return fields.List(fields.Nested(LineBody), validate=validate.Length(min=1, max=LINES_MAX), **more)


def reference_field() -> Text:
    """The caller's own name of a movement."""
    description = "A name of your own, unique in your book for ever"
    return Text(longest=REFERENCE_LENGTH_MAX, allow_none=True, load_default=None, metadata={"description": description})


def conditions_field() -> fields.List[Any]:
    """What must be true of wallets for a request to be carried out."""
    return fields.List(fields.Nested(ConditionBody), load_default=list, validate=validate.Length(max=CONDITIONS_MAX))


def moment_field(description: str) -> fields.AwareDateTime:
    """A moment that may be left out."""
    return fields.AwareDateTime(
        load_default=None, allow_none=True, metadata={"description": f"{description}; RFC 3339, with an offset"}
    )


class MovementBody(Schema):
    """What a posting and a hold have in common: balanced lines, per currency."""

    lines = lines_field(required=True)
    reference = reference_field()
    metadata = TextMap(load_default=dict)
    effective_at = moment_field("When it is true; the present unless it says otherwise, never the future")
    conditions = conditions_field()


class NotesBody(Schema):
    """Changes of metadata: a text sets its name, null removes it, other names stay."""

    metadata = fields.Dict(
        required=True,
        keys=fields.String(
            validate=validate.Regexp(r"^[A-Za-z0-9_.-]{1,40}$", error="must be 1 to 40 of A-Z a-z 0-9 _ . -")
        ),
        values=Text(allow_none=True),
        validate=validate.Length(min=1, max=NOTES_MAX, error=f"must have 1 to {NOTES_MAX} members"),
    )


class LineAfterSchema(Schema):
    """A line as it was decided, with the signed balance (+ = debit) of its wallet right after it, and what is held."""

    wallet_id = fields.UUID(required=True)
    amount_minor = fields.Integer(required=True)
    posted_after = fields.Integer(required=True)
    held_after = fields.Integer(required=True)


class DecisionSchema(Schema):
    """What was decided on a key. `posting_id` is the stream that holds the decision."""

    posting_id = fields.UUID(required=True)
    status = fields.String(required=True)
    position = Position(required=True, metadata={"description": "Where it stands in the log; 0 after a dry run"})
    dry_run = fields.Boolean(metadata={"description": "Present and true after a dry run"})


class MovementSchema(DecisionSchema):
    """A movement that was decided; the lines of a hold are those that reserve something or give it back."""

    lines = fields.List(fields.Nested(LineAfterSchema), required=True)


def post_lines(book: int, lines: Sequence[dict[str, Any]]) -> tuple[PostLine, ...]:
    """Lines as the engine takes them. Raises as `wallet_id_of`, naming the line."""
    return tuple(
        [
            PostLine(
                wallet_id_of(book, line["wallet"], line["currency"], f"lines.{number}.wallet"),
                line["currency"],
                line["amount_minor"],
            )
            for number, line in enumerate(lines)
        ]
    )


def conditions_of(book: int, conditions: Sequence[dict[str, Any]]) -> tuple[Condition, ...]:
    """Conditions as the engine takes them. Raises as `wallet_id_of` and `Condition`."""
    found = []
    for number, condition in enumerate(conditions):
        numbers = {name: value for name, value in condition.items() if name not in ("wallet", "currency")}
        field = f"conditions.{number}.wallet"
        found.append(Condition(wallet_id_of(book, condition["wallet"], condition.get("currency"), field), **numbers))
    return tuple(found)


def movement_fields(book: int, body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a `MovementBody` as the engine's requests name them."""
    fields_: dict[str, Any] = {
        "lines": post_lines(book, body["lines"]),
        "reference": body["reference"],
        "metadata": body["metadata"],
        "conditions": conditions_of(book, body["conditions"]),
    }
    moment: datetime | None = body["effective_at"]
    return {**fields_, "effective_at": moment}
