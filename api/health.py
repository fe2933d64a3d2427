"""Probes and metrics: whether the process lives, whether it can serve, and what it has served."""

from __future__ import annotations

import os

from flask import Response, current_app
from flask_smorest import Blueprint
from marshmallow import Schema, fields
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from api.json_response import json_response
from api.services import current_services

blp = Blueprint("health", __name__, description="Probes and metrics, without a key")


class HealthSchema(Schema):
    """The answer of a probe: `ok`, or what is wrong by name of the check."""

    status = fields.String(required=True)
    checks = fields.Dict(keys=fields.String(), values=fields.String())


@blp.route("/healthz", methods=["GET"])
@blp.doc(security=[])
@blp.response(200, HealthSchema)
def healthz() -> Response:
    """Whether the process answers at all; looks at nothing else, so that a slow database never gets it killed."""
    return json_response({"status": "ok"})


@blp.route("/readyz", methods=["GET"])
@blp.doc(security=[])
@blp.response(200, HealthSchema)
@blp.alt_response(503, schema=HealthSchema, description="Not ready")
def readyz() -> Response:
    """Whether requests can be served now: every collaborator is asked."""
    services = current_services()
    found = {name: check() for name, check in services.checks.items()}
    if not services.waiters.alive:
        found["waiters"] = "the follower thread is not running"
    wrong = [name for name, trouble in found.items() if trouble is not None]
    answer = {name: trouble or "ok" for name, trouble in found.items()}
    return json_response({"status": "unavailable" if wrong else "ok", "checks": answer}, 503 if wrong else 200)


@blp.route("/metrics", methods=["GET"])
@blp.doc(security=[])
@blp.response(200, description="Prometheus text format", content_type="text/plain")
def metrics() -> Response:
    """Counters and latencies in the Prometheus text format: of all processes that serve this port together, or of
    this one and its Python when it serves alone; and how far views and rebuilds are."""
    views = generate_latest(current_app.extensions["daybook_view_metrics"].registry)
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return Response(generate_latest(together) + views, content_type=CONTENT_TYPE_LATEST)
    own = current_app.extensions["daybook_metrics"].registry
    return Response(generate_latest(own) + generate_latest(REGISTRY) + views, content_type=CONTENT_TYPE_LATEST)
