"""The provider's books: what it holds and what it took, kept so that a ledger can be compared with them."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from rails.simulator import moments
from rails.simulator.faults.kinds import Manner
from rails.simulator.magic import DECLINES, Decline
from rails.simulator.once import Effect, once, refused
from rails.simulator.problem import Problem
from rails.simulator.psp.rows import (
    AUTHORISATION_BY,
    INSERT_AUTHORISATION,
    INSERT_CAPTURE,
    another_amount,
    authorisation_row,
    capture_row,
    shown,
    take,
)
from rails.simulator.psp.tokens import instrument

if TYPE_CHECKING:
    from rails.simulator.agenda import Agenda
    from rails.simulator.clock import Clock
    from rails.simulator.faults.kinds import Fault
    from rails.simulator.once import Outcome
    from rails.simulator.psp.requests import Authorisation, Capture, Void
    from rails.simulator.psp.terms import Terms
    from rails.simulator.store import Store

LATE: Final = Decline("issuer_unavailable", "soft")
"""What a client is told of a payment that goes through later after all."""


class Payments:
    """The three operations of the provider. `public_url` is where a customer's browser finds the simulator."""

    def __init__(self, store: Store, clock: Clock, terms: Terms, agenda: Agenda) -> None:
        self._store = store
        self._clock = clock
        self._terms = terms
        self._agenda = agenda
        self.public_url = ""

    def authorise(self, key: str, request: Authorisation, fault: Fault | None = None) -> Outcome:
        """Hold the amount, or take it at once, or ask the customer first.

        `fault` is one of the books (`late_success`, `wrong_amount`) or None. Raises `Problem` 422 for a key that was
        used for something else.
        """
        return once(
            self._store,
            key,
            "authorisations",
            request,
            lambda: request.amount_minor,
            lambda: self._authorise(key, request, fault),
        )

    def capture(self, key: str, authorisation_id: str, request: Capture, fault: Fault | None = None) -> Outcome:
        """Take a part or all of what is held; refusals are kept under the key, like effects. Raises `Problem` 404."""
        return once(
            self._store,
            key,
            f"authorisations/{authorisation_id}/captures",
            request,
            lambda: request.amount_minor,
            lambda: self._capture(key, authorisation_id, request, fault),
        )

    def void(self, key: str, authorisation_id: str, request: Void) -> Outcome:
        """Give back all that is still held; it is the amount given back that may be a magic one. Raises `Problem`."""
        return once(
            self._store,
            key,
            f"authorisations/{authorisation_id}/voids",
            request,
            lambda: _given_back(self._row(authorisation_id)),
            lambda: self._void(authorisation_id),
        )

    def authorisation(self, by: str, value: str) -> dict[str, Any]:
        """One authorisation by `id` or `attempt_key`. Raises `Problem` 404."""
        row = self._store.row(AUTHORISATION_BY[by], value)
        if row is None:
            raise Problem(404, "not_found", f"there is no authorisation with {by} {value!r}")
        return shown(row, self.public_url)

    def capture_by_key(self, key: str) -> dict[str, Any]:
        """One capture, taken or declined. Raises `Problem` 404."""
        row = self._store.row("select * from captures where capture_key = ?", key)
        if row is None:
            raise Problem(404, "not_found", f"there is no capture with capture_key {key!r}")
        row.pop("late_at")
        return {**row, "final": bool(row["final"])}

    def authorisations(self, order_id: str | None, after: str, limit: int) -> list[dict[str, Any]]:
        """A page in the order of ids, of one order's authorisations or of all."""
        statement = "select * from shown_authorisations where id > ?1 and (?2 is null or order_id = ?2)"
        rows = self._store.rows(statement + " order by id limit ?3", after, order_id, limit)
        return [shown(row, self.public_url) for row in rows]

    def _authorise(self, key: str, request: Authorisation, fault: Fault | None) -> Effect:
        behind = instrument(request.payment_token)
        decline = DECLINES.get(request.amount_minor) or (None if behind.challenge else behind.decline)
        twist = fault if decline is None else None
        late = twist is not None and twist.kind.manner is Manner.LATE and not behind.challenge
        amount = request.amount_minor
        if twist is not None and twist.kind.manner is Manner.AMOUNT:
            amount = another_amount(amount, twist, None)
        now = self._clock.now()
        row = authorisation_row(_id(key), key, request, behind, amount, now)
        if late and twist is not None:
            row["late_at"] = self._due(now + timedelta(seconds=twist.seconds))
            decline = LATE
        if decline is not None:
            row |= {"status": "declined", "decline_code": decline.code, "decline_class": decline.decline_class}
        elif behind.challenge:
            row["status"] = "requires_action"
            row["action_expires_at"] = self._due(now + self._terms.challenge_window)
        elif request.capture:
            row |= {
                "status": "captured",
                "captured_minor": amount,
                "cost_minor": self._terms.fee(row["method"], amount),
            }
        else:
            row["capture_before"] = self._due(now + self._terms.capture_window)
        twisted = late or amount != request.amount_minor
        return self._book(row, decline, twisted=twisted)

    def _book(self, row: dict[str, Any], decline: Decline | None, *, twisted: bool) -> Effect:
        with self._store.operation() as connection:
            connection.execute(INSERT_AUTHORISATION, row)
            if row["status"] == "captured":
                take(connection, row["id"], row["attempt_key"], row, row["captured_minor"], row["cost_minor"])
        if decline is not None:
            problem = Problem(402, decline.code, "the payer's bank refused the payment", decline.decline_class)
            return Effect(402, problem.as_json(), twisted=twisted)
        return Effect(201, json.dumps(shown(row, self.public_url)), twisted=twisted)

    def _capture(self, key: str, authorisation_id: str, request: Capture, fault: Fault | None) -> Effect:
        held = self._row(authorisation_id)
        refusal = self._refusal_of_capture(held, request)
        twist = fault if refusal is None else None
        amount = request.amount_minor
        now = self._clock.now()
        row = capture_row(key, authorisation_id, request, now)
        if twist is not None and twist.kind.manner is Manner.LATE:
            row["late_at"] = self._due(now + timedelta(seconds=twist.seconds))
            refusal = Problem(402, LATE.code, "the payer's bank could not be reached", LATE.decline_class)
        elif twist is not None:
            amount = another_amount(amount, twist, _left(held))
        twisted = row["late_at"] is not None or amount != request.amount_minor
        with self._store.operation() as connection:
            if refusal is not None:
                row |= {"status": "declined", "decline_code": refusal.code, "decline_class": refusal.decline_class}
                connection.execute(INSERT_CAPTURE, row)
                return Effect(refusal.status, refusal.as_json(), twisted=twisted)
            row |= {"amount_minor": amount, "cost_minor": self._terms.fee(held["method"], amount)}
            connection.execute(INSERT_CAPTURE, row)
            take(connection, authorisation_id, key, row, amount, row["cost_minor"])
            reduce_hold(connection, held, amount, row["cost_minor"], final=request.final)
        row.pop("late_at")
        return Effect(201, json.dumps(row), twisted=twisted)

    def _refusal_of_capture(self, held: dict[str, Any], request: Capture) -> Problem | None:
        decline = DECLINES.get(request.amount_minor)
        if held["status"] == "expired":
            return Problem(422, "authorisation_expired", f"the hold ended at {held['capture_before']}", "hard")
        if held["status"] != "authorised":
            return Problem(422, "authorisation_closed", f"the authorisation is {held['status']}", "hard")
        if request.currency != held["currency"]:
            detail = f"the authorisation is in {held['currency']}"
            return Problem(422, "currency_mismatch", detail, "hard", field="currency")
        if request.amount_minor > _left(held):
            detail = f"amount_minor is {request.amount_minor}, held are {_left(held)}"
            return Problem(422, "amount_too_large", detail, "hard", field="amount_minor")
        if decline is not None:
            return Problem(402, decline.code, "the payer's bank refused the capture", decline.decline_class)
        return None

    def _void(self, authorisation_id: str) -> Effect:
        """What waits for its payer can be given up too: nothing is held then, and nobody can confirm it any more."""
        held = self._row(authorisation_id)
        left = _given_back(held)
        decline = DECLINES.get(left)
        if held["status"] not in ("authorised", "requires_action"):
            return refused(Problem(422, "authorisation_closed", f"the authorisation is {held['status']}", "hard"))
        if decline is not None:
            return refused(Problem(402, decline.code, "the payer's bank refused the void", decline.decline_class))
        with self._store.operation() as connection:
            connection.execute(
                "update authorisations set status = 'voided', released_minor = ?, authentication = "
                "case when status = 'requires_action' then 'cancelled' else authentication end where id = ?",
                (left, authorisation_id),
            )
        return Effect(201, json.dumps(self.authorisation("id", authorisation_id)))

    def _due(self, moment: datetime) -> str:
        self._agenda.add(moment)
        return moments.written(moment)

    def _row(self, authorisation_id: str) -> dict[str, Any]:
        row = self._store.row(AUTHORISATION_BY["id"], authorisation_id)
        if row is None:
            raise Problem(404, "not_found", f"there is no authorisation with id {authorisation_id!r}")
        return row


def reduce_hold(connection: Any, held: dict[str, Any], amount: int, cost: int, *, final: bool) -> None:
    """Write in the authorisation what a capture took of it; the last one gives back what is left."""
    left = _left(held) - amount
    connection.execute(
        "update authorisations set captured_minor = captured_minor + ?, cost_minor = cost_minor + ?, "
        "released_minor = ?, status = ? where id = ?",
        (amount, cost, left if final else 0, "captured" if final or left == 0 else "authorised", held["id"]),
    )


def _left(held: dict[str, Any]) -> int:
    return int(held["amount_minor"] - held["captured_minor"] - held["released_minor"])


def _given_back(row: dict[str, Any]) -> int:
    """What a void gives back: nothing where the customer has not even been asked."""
    return _left(row) if row["status"] == "authorised" else 0


def _id(key: str) -> str:
    """Made of the key, so that the same requests make the same books."""
    return "au_" + hashlib.sha256(key.encode()).hexdigest()[:24]
