"""What happens to one payment order, as it happens: Server-Sent Events for the payer's browser, and for merchants.

Each event of the order is one message, whose id is the order's version, so that a connection that was lost goes on
after `Last-Event-ID`. A message says where the order stood then in the words for people (`domain.told`), never what a
rail said. A stream ends when the order is over or after a minute; a browser comes back by itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
from flask import Response, request, stream_with_context
from flask_smorest import Blueprint

from api.auth import InvalidApiKeyError
from api.headers import uuid_text
from api.order_schemas import next_action
from api.payer_secrets import told_by
from api.problem import FieldError, ProblemError, not_found
from api.services import Services, current_caller, current_services
from domain.ids import stream_id
from domain.payment_order import PaymentOrder
from domain.told import told
from payments.checkout import OrderNotFound

blp = Blueprint(
    "order_events", __name__, url_prefix="/v1/payment-orders", description="What happens to an order, as it happens"
)

SSE = "text/event-stream"
STREAM_S = 60.0
BEAT_S = 15.0
RETRY_MS = 2_000
NO_ROOM_S = 0.5
OVER = frozenset({"captured", "returned", "failed", "cancelled", "expired"})
VERSION_MAX = 2**31 - 1


@blp.route("/<order_id>/events", methods=["GET"])
@blp.doc(
    parameters=[
        {
            "in": "header",
            "name": "Last-Event-ID",
            "description": "The id of the last message that was received",
            "schema": {"type": "string"},
        }
    ]
)
@blp.response(200, content_type=SSE, description="Messages `order`, each with the id of the order's version")
def follow(order_id: str) -> Response:
    """Follow a payment order. Takes an API key, or the order's `payer_secret` as a bearer token."""
    services, key = current_services(), uuid_text(order_id)
    book = _book(services, key)
    if key is None:
        raise not_found("payment order")
    after = _last_event_id()
    order = services.checkout.order(book, key)
    if told_by(request.headers.get("Authorization")) is None:
        caller = current_caller()
        if caller.merchant_id is not None and order.merchant_id != caller.merchant_id:
            raise not_found("payment order")
    messages = _messages(services, book, key, after)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(stream_with_context(messages), content_type=f"{SSE}; charset=utf-8", headers=headers)


def _book(services: Services, order_id: str | None) -> int:
    """The book that the caller may see the order in. A wrong secret is told apart from no order by nothing."""
    secret = told_by(request.headers.get("Authorization"))
    if secret is None:
        return current_caller().book
    if order_id is None or services.payer_secrets is None or not services.payer_secrets.opens(secret, order_id):
        raise InvalidApiKeyError
    return secret.book


def _last_event_id() -> int:
    text = request.headers.get("Last-Event-ID", "").strip()
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or int(text) > VERSION_MAX:
        problem = "must be the id of a message of this stream, or be left out"
        raise ProblemError(
            422, "invalid_request", f"Last-Event-ID {problem}", errors=[FieldError("Last-Event-ID", problem)]
        )
    return int(text)


def _messages(services: Services, book: int, order_id: str, after: int) -> Iterator[str]:
    """Everything after a version, then what comes, with a comment now and then so that nobody takes silence for an
    end."""
    stream, until = stream_id(book, "payment-order", order_id), time.monotonic() + STREAM_S
    yield f"retry: {RETRY_MS}\n\n"
    order: PaymentOrder | None = None
    while True:
        for step in _steps(services, stream, order):
            order = step
            if step.version > after:
                after = step.version
                yield _message(step)
        left = until - time.monotonic()
        if order is None or order.status in OVER or left <= 0:
            return
        known, looked = order.version, time.monotonic()
        try:
            version = services.waiters.until(
                stream,
                lambda: services.checkout.order(book, order_id).version,
                lambda version: version > known,  # noqa: B023 - used before it changes
                min(left, BEAT_S),
            )
        except OrderNotFound:  # an order is never gone
            return
        if version == known and time.monotonic() - looked < NO_ROOM_S:  # no room to wait in: the browser comes back
            return
        yield ": \n\n"


def _steps(services: Services, stream: UUID, order: PaymentOrder | None) -> Iterator[PaymentOrder]:
    """The order after each event that is not folded yet."""
    events: Any = services.log.events.get(stream, gt=None if order is None else order.version)
    for event in events:
        order = event.mutate(order)
        yield order


def _message(order: PaymentOrder) -> str:
    data = {
        "order_id": order.order_id,
        "version": order.version,
        "status": order.status,
        "customer": told(order)._asdict(),
        "next_action": next_action(order),
        "amount_minor": order.amount_minor,
        "captured_minor": order.captured_minor,
        "currency": order.currency,
    }
    return f"id: {order.version}\nevent: order\ndata: {msgspec.json.encode(data).decode()}\n\n"
