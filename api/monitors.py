"""Monitors: crossings of a threshold by a number of a wallet, each one an event in the commit that crossed it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from api.body import StrictParser
from api.fields import Currency, MinorUnits, Text
from api.headers import idempotency_key
from api.json_response import json_response
from api.ledger_replies import decided
from api.ledger_schemas import DecisionSchema, reference_field
from api.moments import MomentQuery, answered_as_of, as_known, position_of
from api.openapi import key_parameter
from api.ownership import visible_monitor, visible_wallet
from api.services import current_caller, current_services
from domain.money import AMOUNT_MINOR_MAX
from domain.monitor import MEASURES, Monitor
from eventlog.application import EventLog
from ledger.wire import CreateMonitor, RemoveMonitor

blp = Blueprint("monitors", __name__, url_prefix="/v1/monitors", description="Thresholds that are watched")
blp.ARGUMENTS_PARSER = StrictParser()

CROSSINGS_MAX = 1_000


class MonitorBody(Schema):
    """What to watch."""

    wallet = Text(required=True, longest=200)
    currency = Currency(metadata={"description": "Needed when the wallet is named by its address"})
    measure = fields.String(required=True, validate=validate.OneOf(MEASURES))
    threshold_minor = MinorUnits(
        required=True, low=-AMOUNT_MINOR_MAX, metadata={"description": "In the natural sign; itself `at_or_above`"}
    )
    reference = reference_field()


class MonitorDecisionSchema(DecisionSchema):
    """A monitor that was created or removed."""

    monitor_id = fields.UUID(required=True)


class CrossingSchema(Schema):
    """The watched number came to be on this side."""

    side = fields.String(required=True, validate=validate.OneOf(["below", "at_or_above"]))
    balance_minor = fields.Integer(required=True)
    wallet_version = fields.Integer(required=True)
    crossed_at = fields.AwareDateTime(required=True)


class MonitorSchema(Schema):
    """A monitor with its crossings, newest first, at most 1,000."""

    monitor_id = fields.UUID(required=True)
    wallet_id = fields.UUID(required=True)
    measure = fields.String(required=True)
    threshold_minor = fields.Integer(required=True)
    reference = fields.String(required=True, allow_none=True)
    removed = fields.Boolean(required=True)
    crossings = fields.List(fields.Nested(CrossingSchema), required=True)
    as_of = answered_as_of()


@blp.route("", methods=["POST"])
@blp.doc(parameters=[key_parameter("A UUID of your own; repeat it to repeat the request safely")])
@blp.arguments(MonitorBody())
@blp.response(201, MonitorDecisionSchema)
@blp.alt_response(200, schema=MonitorDecisionSchema, description="Created earlier with this key", success=True)
def create(body: dict[str, Any]) -> Response:
    """Watch a number of a wallet: its crossings become events."""
    key = idempotency_key(request)
    wallet_id = visible_wallet(body.pop("wallet"), body.pop("currency", None))
    asked = CreateMonitor(book=current_caller().book, key=key, wallet_id=wallet_id, **body)
    reply = current_services().ledger.ask(asked)
    return decided(reply, "created", {"monitor_id": reply.target_id}, f"/v1/monitors/{reply.target_id}")


@blp.route("/<monitor_id>", methods=["GET"])
@blp.arguments(MomentQuery(), location="query")
@blp.response(200, MonitorSchema)
def show(query: dict[str, Any], monitor_id: str) -> Response:
    """Read a monitor and its crossings, now or as of then."""
    as_of = position_of(query["as_of"])
    document = monitor_document(current_services().log, visible_monitor(monitor_id, as_of))
    return json_response(as_known(document, as_of))


@blp.route("/<monitor_id>", methods=["DELETE"])
@blp.response(200, MonitorDecisionSchema)
def remove(monitor_id: str) -> Response:
    """Watch no more; the monitor and its crossings stay readable. Needs no key: a monitor is removed once."""
    found: UUID = visible_monitor(monitor_id).id
    reply = current_services().ledger.ask(RemoveMonitor(book=current_caller().book, key=str(found), monitor_id=found))
    return decided(reply, "removed", {"monitor_id": found}, made=200)


def monitor_document(log: EventLog, monitor: Monitor) -> dict[str, Any]:
    """A monitor as its own stream tells it, up to the version it is of."""
    latest: list[Any] = list(log.events.get(monitor.id, lte=monitor.version, desc=True, limit=CROSSINGS_MAX))
    return {
        "monitor_id": monitor.id,
        "wallet_id": monitor.wallet_id,
        "measure": monitor.measure,
        "threshold_minor": monitor.threshold_minor,
        "reference": monitor.reference,
        "removed": monitor.removed,
        "crossings": [
            {
                "side": event.side,
                "balance_minor": event.balance_minor,
                "wallet_version": event.wallet_version,
                "crossed_at": event.timestamp,
            }
            for event in latest
            if isinstance(event, Monitor.Crossed)
        ],
    }
