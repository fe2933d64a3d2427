"""The endpoints of the payment service provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rails.simulator import fields
from rails.simulator.bank.accounts import USUAL_NAME
from rails.simulator.problem import Problem
from rails.simulator.psp.challenges import DECISIONS, way_back
from rails.simulator.psp.requests import read_authorisation, read_capture, read_void
from rails.simulator.psp.rows import shown
from rails.simulator.psp.settlement import as_csv
from rails.simulator.web.call import Answer, as_json, of_outcome
from rails.simulator.web.page import challenge_page, protection
from rails.simulator.web.wire import Reply

if TYPE_CHECKING:
    from rails.simulator.web.call import Call

GREATEST_PAGE: Final = 500
HTML: Final = "text/html; charset=utf-8"


def authorise(call: Call) -> Answer:
    """POST /v1/authorisations."""
    key, request = call.key, read_authorisation(call.body)
    outcome = call.books.payments.authorise(key, request, call.fault)
    return of_outcome(outcome)


def capture(call: Call) -> Answer:
    """POST /v1/authorisations/{id}/captures."""
    key, request = call.key, read_capture(call.body)
    outcome = call.books.payments.capture(key, call.names["id"], request, call.fault)
    return of_outcome(outcome)


def void(call: Call) -> Answer:
    """POST /v1/authorisations/{id}/voids."""
    key, request = call.key, read_void(call.body)
    return of_outcome(call.books.payments.void(key, call.names["id"], request))


def authorisation_by_key(call: Call) -> Answer:
    """GET /v1/authorisations/by-key/{key}."""
    return as_json(call.books.payments.authorisation("attempt_key", call.names["key"]))


def authorisation(call: Call) -> Answer:
    """GET /v1/authorisations/{id}."""
    return as_json(call.books.payments.authorisation("id", call.names["id"]))


def capture_by_key(call: Call) -> Answer:
    """GET /v1/captures/by-key/{key}."""
    return as_json(call.books.payments.capture_by_key(call.names["key"]))


def authorisations(call: Call) -> Answer:
    """GET /v1/authorisations."""
    query = call.request.query
    limit = fields.query_integer(query, "limit", 1, GREATEST_PAGE, 100)
    rows = call.books.payments.authorisations(query.get("order_id"), query.get("after", ""), limit)
    return as_json({"authorisations": rows})


def challenge(call: Call) -> Answer:
    """GET /3ds/{id}: the page, or the authorisation for whoever does not want a page."""
    row = call.books.challenges.find(call.names["id"])
    if not _wants_page(call):
        return as_json(shown(row, call.books.payments.public_url))
    return Answer(Reply(200, challenge_page(row).encode(), HTML, protection(row)))


def decide(call: Call) -> Answer:
    """POST /3ds/{id}/approve and /decline: a browser is sent back to the shop, a machine gets the authorisation."""
    decision = call.names["decision"]
    if decision not in DECISIONS:
        raise Problem(404, "no_such_path", f"a challenge can be answered by {' or '.join(DECISIONS)}")
    books = call.books
    if not _wants_page(call):
        row = books.challenges.answer(call.names["id"], decision)
        return as_json(shown(row, books.payments.public_url))
    try:
        row = books.challenges.answer(call.names["id"], decision)
    except Problem as problem:
        if problem.status != 409:
            raise
        row = books.challenges.find(call.names["id"])
        return Answer(Reply(409, challenge_page(row).encode(), HTML, protection(row)))
    target = way_back(row) or f"/3ds/{row['id']}"
    return Answer(Reply(303, b"", HTML, (("Location", target), ("Cache-Control", "no-store"))))


def settlements(call: Call) -> Answer:
    """GET /v1/settlements: which days have batches."""
    query = call.request.query
    after = fields.day(query["after"], "after").isoformat() if "after" in query else ""
    limit = fields.query_integer(query, "limit", 1, GREATEST_PAGE, 100)
    return as_json({"settlements": call.books.settlement.days(after, limit)})


def settlement(call: Call) -> Answer:
    """GET /v1/settlements/{date}: JSON, or CSV for whoever accepts that."""
    if "text/csv" in call.request.headers.get("accept", ""):
        return settlement_csv(call)
    return as_json(_report(call))


def settlement_csv(call: Call) -> Answer:
    """GET /v1/settlements/{date}/csv."""
    return Answer(Reply(200, as_csv(_report(call)).encode(), "text/csv; charset=utf-8"))


def terms(call: Call) -> Answer:
    """GET /v1/terms."""
    return as_json(call.books.terms.state())


def change_terms(call: Call) -> Answer:
    """PUT /v1/terms. Accounts named for payouts are opened at once: no payout may find them in another currency."""
    books = call.books
    try:
        with books.store.operation():
            books.terms.change(call.body)
            for currency, iban in books.terms.state()["payout_accounts"].items():
                books.accounts.open(iban, currency, USUAL_NAME, books.days.today)
    except Problem:
        books.terms.load()
        raise
    return terms(call)


def _report(call: Call) -> dict[str, Any]:
    return call.books.settlement.report(fields.day(call.names["date"]), call.books.days.today)


def _wants_page(call: Call) -> bool:
    return "text/html" in call.request.headers.get("accept", "")
