"""The rows of the provider's books, as they are written and as they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rails.simulator import moments

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from rails.simulator.faults.kinds import Fault
    from rails.simulator.psp.requests import Authorisation, Capture
    from rails.simulator.psp.tokens import Instrument

GREATEST_AMOUNT: Final = 10**15
_AUTHORISATION: Final = (
    "id", "attempt_key", "order_id", "attempt", "requested_minor", "amount_minor", "currency", "method", "status",
    "captured_minor", "cost_minor", "released_minor", "decline_code", "decline_class", "capture_before",
    "action_expires_at", "authentication", "created_at",
)  # fmt: skip
_HIDDEN: Final = ("payment_token", "capture", "return_url", "late_at")
_CAPTURE: Final = (
    "capture_key", "authorisation_id", "currency", "requested_minor", "amount_minor", "cost_minor", "status",
    "decline_code", "decline_class", "final", "late_at", "created_at",
)  # fmt: skip


def _insert(table: str, columns: tuple[str, ...]) -> str:
    named = ", ".join(f":{column}" for column in columns)
    return f"insert into {table} ({', '.join(columns)}) values ({named})"  # noqa: S608  names of our own schema


INSERT_AUTHORISATION: Final = _insert("authorisations", _AUTHORISATION + _HIDDEN)
INSERT_CAPTURE: Final = _insert("captures", _CAPTURE)
AUTHORISATION_BY: Final = {
    "id": "select * from shown_authorisations where id = ?",
    "attempt_key": "select * from shown_authorisations where attempt_key = ?",
}


def authorisation_row(
    identifier: str, key: str, request: Authorisation, behind: Instrument, amount_minor: int, now: datetime
) -> dict[str, Any]:
    """A hold of `amount_minor` on which nothing has happened yet."""
    return {
        "id": identifier,
        "attempt_key": key,
        "order_id": request.order_id,
        "attempt": request.attempt,
        "requested_minor": request.amount_minor,
        "amount_minor": amount_minor,
        "currency": request.currency,
        "method": behind.method,
        "status": "authorised",
        "captured_minor": 0,
        "cost_minor": 0,
        "released_minor": 0,
        "decline_code": None,
        "decline_class": None,
        "capture_before": None,
        "action_expires_at": None,
        "authentication": behind.authentication,
        "created_at": moments.written(now),
        "payment_token": request.payment_token,
        "capture": request.capture,
        "return_url": request.return_url,
        "late_at": None,
    }


def capture_row(key: str, authorisation_id: str, request: Capture, now: datetime) -> dict[str, Any]:
    """A capture as it was asked for."""
    return {
        "capture_key": key,
        "authorisation_id": authorisation_id,
        "currency": request.currency,
        "requested_minor": request.amount_minor,
        "amount_minor": request.amount_minor,
        "cost_minor": 0,
        "status": "captured",
        "decline_code": None,
        "decline_class": None,
        "final": request.final,
        "late_at": None,
        "created_at": moments.written(now),
    }


def shown(row: dict[str, Any], public_url: str) -> dict[str, Any]:
    """An authorisation as clients see it: without the token, and with the page the customer has to go to, if any."""
    action_url = f"{public_url}/3ds/{row['id']}" if row["status"] == "requires_action" else None
    return {**{column: row[column] for column in _AUTHORISATION}, "action_url": action_url}


def take(
    connection: sqlite3.Connection, authorisation_id: str, key: str, row: dict[str, Any], gross_minor: int, fee: int
) -> None:
    """Money has reached the provider: what its settlement of that day is made of. `row` tells currency and moment."""
    connection.execute(
        "insert into movements (kind, authorisation_id, capture_key, currency, gross_minor, fee_minor, booked_at, day) "
        "values ('capture', ?, ?, ?, ?, ?, ?, ?)",
        (authorisation_id, key, row["currency"], gross_minor, fee, row["created_at"], row["created_at"][:10]),
    )


def another_amount(amount_minor: int, fault: Fault, greatest: int | None) -> int:
    """What is booked instead of `amount_minor`: never nothing, never more than `greatest`, never the right amount
    unless there is no other."""
    limit = GREATEST_AMOUNT if greatest is None else greatest
    wanted = amount_minor + (fault.by_minor or -1)
    for candidate in (min(max(wanted, 1), limit), amount_minor - 1, amount_minor + 1):
        if 1 <= candidate <= limit and candidate != amount_minor:
            return candidate
    return amount_minor
