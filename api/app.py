"""The Flask application factory: wiring of resources, authentication, limits, errors and metrics.

Every request passes `_open_request` (identify, authenticate, allow) and `_close_request` (headers, metrics); every
failure leaves as problem+json. No global state: two applications can live in one process.
"""

from __future__ import annotations

import time
from typing import Any

import structlog
from flask import Flask, Request, Response, g, request
from flask.sessions import NullSession, SessionInterface, SessionMixin
from flask_smorest import Api
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from api import (
    adjustments,
    balances,
    bulk,
    docs,
    events,
    explanations,
    health,
    holds,
    ledger_lists,
    merchants,
    monitors,
    order_events,
    payment_orders,
    periods,
    postings,
    rails,
    replays,
    statements,
    transfers,
    wallet_changes,
    wallets,
)
from api.access import PAYERS, PUBLIC, require_access
from api.auth import Authenticator
from api.body import BODY_LIMIT_BYTES
from api.headers import request_id
from api.metrics import RequestMetrics
from api.moments import answer_moments
from api.openapi import OPENAPI_OPTIONS, finish_spec
from api.payer_secrets import told_by
from api.problem import (
    FieldError,
    ProblemError,
    ProblemSchema,
    from_http_exception,
    not_found,
    problem_response,
)
from api.services import EXTENSION, Services
from api.view_metrics import ViewMetrics
from domain.errors import RuleViolation
from domain.sealed import KeysUnavailable
from eventlog.errors import LogUnavailable
from ledger.client import EngineUnavailable
from payments.card_numbers import CardNumberRefused
from payments.checkout import OrderNotFound, TooManyConflicts

logger = structlog.get_logger(__name__)

METRICS_EXTENSION = "daybook_metrics"
VIEW_METRICS_EXTENSION = "daybook_view_metrics"


class _NoSessions(SessionInterface):
    """No request has a session: callers send their key each time, and a cookie would be a second way in."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._none

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """There is nothing to save."""


class _SyncFlask(Flask):
    """Flask without the search for coroutine functions on every call: no view here is one."""

    session_interface = _NoSessions()

    def ensure_sync(self, func: Any) -> Any:
        return func


class ProblemApi(Api):
    """flask-smorest with RFC 9457 errors: its own shape is neither standard nor complete."""

    ERROR_SCHEMA = ProblemSchema

    def handle_http_exception(self, error: HTTPException) -> Response:
        """Answer Flask's own errors (404, 405, 413, uncaught exceptions as 500) as problem documents."""
        return problem_response(from_http_exception(error))


def create_app(services: Services) -> Flask:
    """Build the application around its services. Raises nothing of its own; `services` stay the caller's to close."""
    app = _SyncFlask("daybook", static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=BODY_LIMIT_BYTES,
        PROPAGATE_EXCEPTIONS=False,
        API_TITLE="Daybook",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS=OPENAPI_OPTIONS,
    )
    app.extensions[EXTENSION] = services
    metrics = RequestMetrics()
    app.extensions[METRICS_EXTENSION] = metrics
    app.extensions[VIEW_METRICS_EXTENSION] = ViewMetrics(services.scraped)
    api = ProblemApi(app)
    for resource in (merchants, wallets, payment_orders, order_events, transfers, events, health):
        api.register_blueprint(resource.blp)
    for resource in (postings, holds, wallet_changes, periods, monitors, bulk, adjustments):
        api.register_blueprint(resource.blp)
    for resource in (balances, statements, ledger_lists, explanations, replays, rails):
        api.register_blueprint(resource.blp)
    app.register_blueprint(docs.blp)
    app.extensions[docs.SPEC_EXTENSION] = finish_spec(api.spec.to_dict())
    _guard(app, Authenticator(services.keys, services.clock), metrics)
    _answer_errors(app)
    answer_moments(app)
    return app


def _guard(app: Flask, authenticator: Authenticator, metrics: RequestMetrics) -> None:
    @app.before_request
    def _open_request() -> None:
        # The objects behind the proxies: each look through one costs as much as the work done here.
        now, asked = g._get_current_object(), request._get_current_object()  # type: ignore[attr-defined]
        now.started = time.perf_counter()
        now.request_id = request_id(asked)
        endpoint = asked.endpoint
        # No endpoint: routing already failed with 404 or 405, which tells nothing that /docs does not.
        if endpoint is None or endpoint in PUBLIC:
            return
        # A payer's secret is no key: it is about the order in the path, which the endpoint itself looks at.
        if endpoint in PAYERS and told_by(asked.headers.get("Authorization")) is not None:
            return
        now.caller = caller = authenticator.caller(asked.headers.get("Authorization"))
        require_access(endpoint, caller)

    @app.after_request
    def _close_request(response: Response) -> Response:
        now = g._get_current_object()
        headers = response.headers
        headers.add("X-Request-Id", now.get("request_id", ""))
        if "Cache-Control" not in headers:
            headers.add("Cache-Control", "no-store")
        headers.add("X-Content-Type-Options", "nosniff")
        started = now.get("started")
        if started is not None:
            asked = request._get_current_object()  # type: ignore[attr-defined]
            route = asked.url_rule.rule if asked.url_rule else "unmatched"
            metrics.observe(route, asked.method, response.status_code, time.perf_counter() - started)
        return response


def _answer_errors(app: Flask) -> None:
    app.register_error_handler(ProblemError, problem_response)

    def rule_violated(error: RuleViolation) -> Response:
        errors = [FieldError(error.field, error.message)] if error.field else []
        return problem_response(ProblemError(422, error.code, error.message, errors=errors))

    def card_refused(error: CardNumberRefused) -> Response:
        return problem_response(
            ProblemError(422, "card_number", str(error), errors=[FieldError(error.field, "looks like a card number")])
        )

    def unavailable(error: Exception) -> Response:
        logger.warning("unavailable", request_id=g.get("request_id"), reason=type(error).__name__)
        detail = "The books cannot be reached; whether the request was carried out is unknown. Repeat it with its key."
        return problem_response(ProblemError(503, "unavailable", detail, headers={"Retry-After": "1"}))

    def failed(error: Exception) -> Response:
        # The message of an exception can quote the request, so only its class and its place are logged.
        logger.error("request_failed", request_id=g.get("request_id"), route=_route(), **_place(error))
        return problem_response(from_http_exception(_internal()))

    def not_understood(error: ValidationError) -> Response:
        found = [
            FieldError(".".join(str(part) for part in e["loc"]) or "body", e["msg"])
            for e in error.errors(include_input=False)
        ]
        return problem_response(
            ProblemError(422, "invalid_request", f"{found[0].field}: {found[0].message}", errors=found)
        )

    def keys_unavailable(error: KeysUnavailable) -> Response:
        logger.error("keys_unavailable", request_id=g.get("request_id"), reason=str(error))
        detail = "The key store cannot be used, so nothing about a person can be sealed; nothing was recorded."
        return problem_response(ProblemError(503, "keys_unavailable", detail, headers={"Retry-After": "1"}))

    def conflicted(error: TooManyConflicts) -> Response:
        return problem_response(ProblemError(503, "too_many_conflicts", str(error), headers={"Retry-After": "1"}))

    def order_absent(_: OrderNotFound) -> Response:
        return problem_response(not_found("payment order"))

    app.register_error_handler(RuleViolation, rule_violated)
    app.register_error_handler(ValidationError, not_understood)
    app.register_error_handler(KeysUnavailable, keys_unavailable)
    app.register_error_handler(TooManyConflicts, conflicted)
    app.register_error_handler(OrderNotFound, order_absent)
    app.register_error_handler(CardNumberRefused, card_refused)
    app.register_error_handler(LogUnavailable, unavailable)
    app.register_error_handler(EngineUnavailable, unavailable)
    app.register_error_handler(Exception, failed)


def _internal() -> HTTPException:
    error = HTTPException()
    error.code = 500
    return error


def _route() -> str:
    return request.url_rule.rule if request.url_rule else "unmatched"


def _place(error: Exception) -> dict[str, Any]:
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rsplit('/', 2)[-2]}/{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return {"error": type(error).__name__, "at": frames[-8:]}
