"""Payment orders: create, read, list, capture, cancel.

A create is answered from the write itself; with `Prefer: wait=N` the request waits for the payment process to bring the
outcome. Reading one order folds its stream, so everybody reads their own writes; lists come from a view.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Response, request
from flask_smorest import Blueprint

from api.body import StrictParser
from api.headers import idempotency_key, prefer_wait_s, uuid_text
from api.json_response import json_response
from api.lists import ViewPageSchema, taken_page, view_page
from api.moments import MomentQuery, as_known, position_of, version_of
from api.openapi import PREFER_PARAMETER, key_parameter
from api.order_schemas import CancelBody, CaptureBody, OrderBody, OrderSchema, OrdersQuery, order_document
from api.problem import not_found, unprocessable
from api.services import current_caller, current_meta, current_services
from domain.ids import stream_id
from domain.payment_order import PaymentOrder
from payments.commands import CancelOrder, CaptureOrder, CreateOrder

blp = Blueprint(
    "payment_orders", __name__, url_prefix="/v1/payment-orders", description="What someone owes, and its payments"
)
blp.ARGUMENTS_PARSER = StrictParser()

_UNDER_WAY = frozenset({"created", "submitting", "unknown"})


@blp.route("", methods=["POST"])
@blp.doc(parameters=[key_parameter("A UUID of your own: it becomes the order's id"), PREFER_PARAMETER])
@blp.arguments(OrderBody())
@blp.response(202, OrderSchema)
@blp.alt_response(200, schema=OrderSchema, description="The outcome is known, or the key was used before", success=True)
def create(body: dict[str, Any]) -> Response:
    """Create a payment order. The same key with the same body answers the order as it stands."""
    key = idempotency_key(request)
    caller, services = current_caller(), current_services()
    if caller.merchant_id is not None and body.setdefault("merchant_id", caller.merchant_id) != caller.merchant_id:
        raise unprocessable("merchant_id", "must be the merchant of your key, or be left out", code="foreign_merchant")
    command = CreateOrder.of_searched(book=caller.book, order_id=key, **body)
    placed = services.checkout.create_order(command, current_meta())
    if placed.replayed and caller.merchant_id not in (None, placed.order.merchant_id):
        raise not_found("payment order")
    return _answer(_awaited(placed.order, _still_paying), placed.replayed, _undecided)


@blp.route("", methods=["GET"])
@blp.arguments(OrdersQuery(), location="query")
@blp.response(200, ViewPageSchema)
def index(query: dict[str, Any]) -> Response:
    """List your payment orders, newest first."""
    queries, caller, page = current_services().queries, current_caller(), taken_page(query)
    return view_page("payment_orders", page, partial(queries.payment_orders, caller, **query))


@blp.route("/<order_id>", methods=["GET"])
@blp.arguments(MomentQuery(), location="query")
@blp.response(200, OrderSchema)
def show(query: dict[str, Any], order_id: str) -> Response:
    """Read one payment order as its own stream tells it, now or as of then."""
    as_of = position_of(query["as_of"])
    return json_response(as_known(order_document(_visible(order_id, as_of)), as_of))


@blp.route("/<order_id>/capture", methods=["POST"])
@blp.doc(parameters=[key_parameter("A UUID of your own: it becomes the capture's id"), PREFER_PARAMETER])
@blp.arguments(CaptureBody())
@blp.response(202, OrderSchema)
@blp.alt_response(200, schema=OrderSchema, description="The outcome is known, or the key was used before", success=True)
def capture(body: dict[str, Any], order_id: str) -> Response:
    """Take authorised money."""
    key = idempotency_key(request)
    order = _visible(order_id)
    command = CaptureOrder.of_searched(book=current_caller().book, order_id=order.order_id, capture_id=key, **body)
    placed = current_services().checkout.request_capture(command, current_meta())

    def pending(now: PaymentOrder) -> bool:
        found = now.captures.get(key)
        return found is not None and found.state == "requested"

    return _answer(_awaited(placed.order, pending), placed.replayed, pending)


@blp.route("/<order_id>/cancel", methods=["POST"])
@blp.doc(parameters=[key_parameter("A UUID of your own; repeat it to repeat the request safely"), PREFER_PARAMETER])
@blp.arguments(CancelBody())
@blp.response(202, OrderSchema)
@blp.alt_response(200, schema=OrderSchema, description="Given up, now or earlier", success=True)
def cancel(body: dict[str, Any], order_id: str) -> Response:
    """Give an order up; an authorisation is asked back from its rail."""
    idempotency_key(request)
    order = _visible(order_id)
    command = CancelOrder.of_searched(book=current_caller().book, order_id=order.order_id, **body)
    placed = current_services().checkout.request_cancel(command, current_meta())
    return _answer(_awaited(placed.order, _voiding), placed.replayed, _voiding)


def _undecided(order: PaymentOrder) -> bool:
    """Whether the outcome is still to come; money that is to be captured by itself is not yet taken when authorised."""
    status = order.status
    to_be_taken = status == "authorized" and order.capture_mode == "automatic"
    return status in _UNDER_WAY or to_be_taken or order.going_elsewhere


def _still_paying(order: PaymentOrder) -> bool:
    """Whether waiting can bring an outcome: without a rail nobody is asked, the payment comes by itself some day."""
    return order.rail is not None and _undecided(order)


def _voiding(order: PaymentOrder) -> bool:
    return any(attempt.void_requested for attempt in order.attempts)


def _visible(order_id: str, as_of: int | None = None) -> PaymentOrder:
    key = uuid_text(order_id)
    if key is None:
        raise not_found("payment order")
    caller = current_caller()
    version = version_of(stream_id(caller.book, "payment-order", key), as_of)
    order = current_services().checkout.order(caller.book, key, version)
    if caller.merchant_id is not None and order.merchant_id != caller.merchant_id:
        raise not_found("payment order")
    return order


def _awaited(order: PaymentOrder, pending: Callable[[PaymentOrder], bool]) -> PaymentOrder:
    """The order after `Prefer: wait=N`, or as it is when there is nothing to wait for."""
    wait_s = prefer_wait_s(request)
    if wait_s == 0 or not pending(order):
        return order
    caller, services = current_caller(), current_services()
    return services.waiters.until(
        stream_id(caller.book, "payment-order", order.order_id),
        lambda: services.checkout.order(caller.book, order.order_id),
        lambda now: not pending(now),
        wait_s,
    )


def _answer(order: PaymentOrder, replayed: bool, pending: Callable[[PaymentOrder], bool]) -> Response:
    headers = {"Location": f"/v1/payment-orders/{order.order_id}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return json_response(order_document(order), 202 if pending(order) else 200, headers)
