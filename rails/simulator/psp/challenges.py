"""The customer's bank asks its customer: the step of 3-D Secure, for a person with a browser and for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from rails.simulator import moments
from rails.simulator.problem import Problem
from rails.simulator.psp.rows import take
from rails.simulator.psp.tokens import instrument

if TYPE_CHECKING:
    from datetime import datetime

    from rails.simulator.agenda import Agenda
    from rails.simulator.clock import Clock
    from rails.simulator.psp.terms import Terms
    from rails.simulator.store import Store

APPROVE: Final = "approve"
DECLINE: Final = "decline"
DECISIONS: Final = (APPROVE, DECLINE)
FAILED: Final = "authentication_failed"
EXPIRED: Final = "authentication_expired"
_ANSWERED: Final = {APPROVE: "approved", DECLINE: "declined"}


class Challenges:
    """Challenges that are open, were answered, or came to nothing. They carry the id of their authorisation."""

    def __init__(self, store: Store, clock: Clock, terms: Terms, agenda: Agenda) -> None:
        self._store = store
        self._clock = clock
        self._terms = terms
        self._agenda = agenda

    def find(self, challenge_id: str) -> dict[str, Any]:
        """The authorisation that a challenge belongs to, whole. Raises `Problem` 404."""
        statement = "select * from authorisations where id = ? and action_expires_at is not null"
        row = self._store.row(statement, challenge_id)
        if row is None:
            raise Problem(404, "not_found", f"there is no challenge with id {challenge_id!r}")
        return row

    def answer(self, challenge_id: str, decision: str) -> dict[str, Any]:
        """The customer's word. The same word again changes nothing; another one, or one too late, is refused with 409.

        Answers with the authorisation as it is then.
        """
        row = self.find(challenge_id)
        if row["status"] == "requires_action":
            now = self._clock.now()
            if decision == APPROVE:
                self._approve(row, now)
            else:
                self._decline(row, FAILED, _ANSWERED[DECLINE])
            return self.find(challenge_id)
        if row["authentication"] != _ANSWERED[decision]:
            detail = f"the challenge was {row['authentication']} before; nothing was changed"
            raise Problem(409, "challenge_closed", detail)
        return row

    def expire(self, until: datetime) -> None:
        """Those that nobody answered in time. To be called within an operation."""
        self._store.write(
            "update authorisations set status = 'declined', decline_code = ?, decline_class = 'soft', "
            "authentication = 'expired' where status = 'requires_action' and action_expires_at <= ?",
            EXPIRED,
            moments.written(until),
        )

    def _approve(self, row: dict[str, Any], now: datetime) -> None:
        decline = instrument(row["payment_token"]).decline
        if decline is not None:
            self._decline(row, decline.code, _ANSWERED[APPROVE], decline.decline_class)
            return
        with self._store.operation() as connection:
            self.succeed(connection, row, now)
            connection.execute("update authorisations set authentication = 'approved' where id = ?", (row["id"],))

    def succeed(self, connection: Any, row: dict[str, Any], at: datetime) -> None:
        """Hold, or take, what an authorisation was about, later than it was asked for."""
        amount, cost = row["amount_minor"], 0
        if row["capture"]:
            cost = self._terms.fee(row["method"], amount)
            told = {"currency": row["currency"], "created_at": moments.written(at)}
            take(connection, row["id"], row["attempt_key"], told, amount, cost)
        ends = at + self._terms.capture_window
        self._agenda.add(ends)
        connection.execute(
            "update authorisations set status = ?, captured_minor = ?, cost_minor = ?, capture_before = ?, "
            "decline_code = null, decline_class = null where id = ?",
            (
                "captured" if row["capture"] else "authorised",
                amount if row["capture"] else 0,
                cost,
                None if row["capture"] else moments.written(ends),
                row["id"],
            ),
        )

    def _decline(self, row: dict[str, Any], code: str, answered: str, decline_class: str = "soft") -> None:
        with self._store.operation() as connection:
            connection.execute(
                "update authorisations set status = 'declined', decline_code = ?, decline_class = ?, "
                "authentication = ? where id = ?",
                (code, decline_class, answered, row["id"]),
            )


def way_back(row: dict[str, Any]) -> str | None:
    """Where the customer goes next: the shop's address with what it may look up, None when the shop named none.

    What it says may have been typed by anybody: a shop believes an inquiry only.
    """
    if row["return_url"] is None:
        return None
    url = urlsplit(row["return_url"])
    query = [*parse_qsl(url.query, keep_blank_values=True), ("authorisation_id", row["id"]), ("status", row["status"])]
    return str(url._replace(query=urlencode(query)).geturl())
