"""The endpoints of the bank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rails.simulator import fields
from rails.simulator.bank.fates import FATES
from rails.simulator.bank.requests import read_transfer
from rails.simulator.web.call import Answer, as_json, of_outcome
from rails.simulator.web.wire import Reply

if TYPE_CHECKING:
    from rails.simulator.web.call import Call

XML: Final = "application/xml"
GREATEST_PAGE: Final = 500


def submit(call: Call) -> Answer:
    """POST /bank/v1/direct-debits."""
    report, again = call.books.direct_debits.submit(call.request.body)
    headers = (("Idempotent-Replayed", "true"),) if again else ()
    return Answer(Reply(200, report.encode(), XML, headers))


def direct_debits(call: Call) -> Answer:
    """GET /bank/v1/direct-debits."""
    query = call.request.query
    after = fields.query_integer(query, "after", 0, 2**62, 0)
    limit = fields.query_integer(query, "limit", 1, GREATEST_PAGE, 100)
    rows = call.books.direct_debits.listed(query.get("end_to_end_id"), after, limit)
    return as_json({"direct_debits": rows})


def transfer(call: Call) -> Answer:
    """POST /bank/v1/transfers."""
    return of_outcome(call.books.bookings.transfer(call.key, read_transfer(call.body)))


def accounts(call: Call) -> Answer:
    """GET /bank/v1/accounts."""
    return as_json({"accounts": call.books.accounts.all()})


def open_account(call: Call) -> Answer:
    """PUT /bank/v1/accounts/{iban}."""
    return as_json(call.books.accounts.open_by_name(call.names["iban"], call.body, call.books.days.today))


def account(call: Call) -> Answer:
    """GET /bank/v1/accounts/{iban}."""
    found = call.books.accounts.find(call.names["iban"])
    return as_json(call.books.accounts.shown(found))


def statements(call: Call) -> Answer:
    """GET /bank/v1/accounts/{iban}/statements."""
    query, books = call.request.query, call.books
    after = fields.day(query["after"], "after").isoformat() if "after" in query else ""
    limit = fields.query_integer(query, "limit", 1, GREATEST_PAGE, 100)
    found = books.accounts.find(call.names["iban"])
    return as_json({"statements": books.statements.days(found, after, limit, books.clock.now())})


def statement(call: Call) -> Answer:
    """GET /bank/v1/accounts/{iban}/statements/{date}."""
    books = call.books
    day = fields.day(call.names["date"])
    found = books.accounts.find(call.names["iban"])
    return Answer(Reply(200, books.statements.statement(found, day, books.clock.now()).encode(), XML))


def notifications(call: Call) -> Answer:
    """GET /bank/v1/accounts/{iban}/notifications."""
    query, books = call.request.query, call.books
    after = fields.query_integer(query, "after", 0, 2**62, 0)
    limit = fields.query_integer(query, "limit", 1, GREATEST_PAGE, 100)
    found = books.accounts.find(call.names["iban"])
    text, last = books.statements.notification(found, after, limit, books.clock.now())
    return Answer(Reply(200, text.encode(), XML, (("X-Next-After", str(last)),)))


def accounts_with_a_fate(_: Call) -> Answer:
    """GET /bank/v1/test-accounts: the debtors that do not simply pay."""
    rows = [
        {
            "iban": iban,
            "outcome": "rejected" if fate.days is None else "returned",
            "reason": fate.reason,
            "after_days": fate.days,
        }
        for iban, fate in FATES.items()
    ]
    return as_json({"test_accounts": rows})
