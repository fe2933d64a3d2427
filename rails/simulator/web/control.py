"""The control desk: the clock, the faults, the books as a whole. Nothing ever goes wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rails.simulator import fields
from rails.simulator.books import KEPT
from rails.simulator.problem import invalid
from rails.simulator.psp import oracle
from rails.simulator.web.call import Answer, as_json

if TYPE_CHECKING:
    from rails.simulator.web.call import Call

GREATEST_PAGE: Final = 1_000


def totals(call: Call) -> Answer:
    """GET /v1/totals."""
    return as_json({"currencies": oracle.totals(call.books.store)})


def payments(call: Call) -> Answer:
    """GET /v1/payments."""
    query = call.request.query
    limit = fields.query_integer(query, "limit", 1, GREATEST_PAGE, 100)
    rows = oracle.payments(call.books.store, query.get("order_id"), query.get("after", ""), limit)
    return as_json({"payments": rows, "next_after": rows[-1]["id"] if len(rows) == limit else None})


def clock(call: Call) -> Answer:
    """GET /clock."""
    return as_json(call.books.clock.state())


def change_clock(call: Call) -> Answer:
    """POST /clock."""
    call.books.change_clock(call.body)
    return clock(call)


def faults(call: Call) -> Answer:
    """GET /faults."""
    return as_json(call.books.plan.state())


def change_faults(call: Call) -> Answer:
    """POST /faults."""
    call.books.plan.change(call.body)
    return faults(call)


def reset(call: Call) -> Answer:
    """POST /reset."""
    body = call.body if call.request.body else {}
    fields.only(body, "keep")
    keep = body.get("keep", [])
    if not isinstance(keep, list) or not all(isinstance(name, str) and name in KEPT for name in keep):
        raise invalid("keep", f"must be a list of any of {', '.join(KEPT)}")
    call.books.reset(keep)
    return as_json({"status": "empty", "clock": call.books.clock.state()})


def healthz(_: Call) -> Answer:
    """GET /healthz."""
    return as_json({"status": "ok"})
