"""The simulator's books: what it holds and what it took, kept so that the ledger can be compared with them.

One SQLite file, one connection, one lock: SQLite lets one transaction write at a time anyway, and an operation takes
well under a millisecond. Commits survive the death of the process; `synchronous = normal` may lose the last of them
when the machine loses power, which is enough for money that does not exist.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rails.simulator.cost import capture_cost
from rails.simulator.magic import DECLINES, FAILURES
from rails.simulator.requests import Authorisation, Capture, Problem, Void, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rails.simulator.magic import Failure

SCHEMA: Final = Path(__file__).with_name("schema.sql")
CAPTURE_WINDOW: Final = timedelta(days=7)
"""Stripe's window for Visa payments a customer starts; Adyen and Braintree give 10 and 8 days."""
INSERT_AUTHORISATION: Final = (
    "insert into authorisations (id, attempt_key, order_id, attempt, amount_minor, currency, payment_token, status, "
    "captured_minor, cost_minor, decline_code, decline_class, capture_before, created_at) values (:id, :attempt_key, "
    ":order_id, :attempt, :amount_minor, :currency, :payment_token, :status, :captured_minor, :cost_minor, "
    ":decline_code, :decline_class, :capture_before, :created_at)"
)
INSERT_CAPTURE: Final = (
    "insert into captures (capture_key, authorisation_id, currency, amount_minor, cost_minor, status, decline_code, "
    "decline_class, final, created_at) values (:capture_key, :authorisation_id, :currency, :amount_minor, :cost_minor, "
    ":status, :decline_code, :decline_class, :final, :created_at)"
)
AUTHORISATION_BY: Final = {
    "id": "select * from shown_authorisations where id = ?",
    "attempt_key": "select * from shown_authorisations where attempt_key = ?",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A reply as it is sent and kept, and what goes wrong on its way out, if anything."""

    status: int
    body: str
    replayed: bool = False
    failure: Failure | None = None


class Books:
    """Opens or creates the books at `database`; safe to call from several threads. `clock` gives aware UTC times."""

    def __init__(self, database: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.execute("pragma foreign_keys = on")
        self._connection.executescript(SCHEMA.read_text(encoding="utf-8"))

    def close(self) -> None:
        """Folds the write-ahead log into the file."""
        with self._lock:
            self._connection.close()

    def authorise(self, key: str, request: Authorisation) -> Outcome:
        """Hold the amount, or take it at once. Raises `Problem` 422 for a key that was used for something else."""
        return self._once(
            key, "authorisations", request, lambda: request.amount_minor, lambda: self._authorise(key, request)
        )

    def capture(self, key: str, authorisation_id: str, request: Capture) -> Outcome:
        """Take a part or all of what is held; refusals are kept under the key, like effects."""
        target = f"authorisations/{authorisation_id}/captures"
        return self._once(
            key, target, request, lambda: request.amount_minor, lambda: self._capture(key, authorisation_id, request)
        )

    def void(self, key: str, authorisation_id: str, request: Void) -> Outcome:
        """Give back all that is still held; it is the amount given back that may be a magic one."""
        target = f"authorisations/{authorisation_id}/voids"
        return self._once(
            key, target, request, lambda: self._held(authorisation_id), lambda: self._void(authorisation_id)
        )

    def authorisation(self, by: str, value: str) -> dict[str, Any]:
        """One authorisation by `id` or `attempt_key`. Raises `Problem` 404."""
        rows = self._read(AUTHORISATION_BY[by], value)
        if not rows:
            raise Problem(404, "not_found", f"there is no authorisation with {by} {value!r}")
        return rows[0]

    def capture_by_key(self, key: str) -> dict[str, Any]:
        """One capture, taken or declined. Raises `Problem` 404."""
        rows = self._read("select * from captures where capture_key = ?", key)
        if not rows:
            raise Problem(404, "not_found", f"there is no capture with capture_key {key!r}")
        return {**rows[0], "final": bool(rows[0]["final"])}

    def authorisations(self, order_id: str | None, after: str, limit: int) -> list[dict[str, Any]]:
        """A page in the order of ids, of one order's authorisations or of all."""
        return self._read(
            "select * from shown_authorisations where id > ?1 and (?2 is null or order_id = ?2) order by id limit ?3",
            after,
            order_id,
            limit,
        )

    def totals(self) -> dict[str, dict[str, int]]:
        """The sums per currency that a ledger on top of this rail must arrive at, in minor units."""
        rows = self._read(
            "select currency, count(*) as authorisations, sum(amount_minor) as authorised_minor, "
            "sum(captured_minor) as captured_minor, sum(cost_minor) as cost_minor, "
            "sum(released_minor) as released_minor, sum(amount_minor - captured_minor - released_minor) as held_minor "
            "from authorisations where status <> 'declined' group by currency order by currency"
        )
        return {row.pop("currency"): row for row in rows}

    def _once(
        self,
        key: str,
        target: str,
        request: Authorisation | Capture | Void,
        amount_minor: Callable[[], int],
        effect: Callable[[], tuple[int, str]],
    ) -> Outcome:
        """One transaction: the effect and the reply that is given again to every later request with the key.

        `amount_minor` is asked only for a new key: it decides which fault of `magic.py` befalls the request.
        """
        mark = fingerprint(target, request)
        with self._transaction() as connection:
            row = connection.execute("select fingerprint, status, body from replies where key = ?", (key,)).fetchone()
            if row is not None:
                if row["fingerprint"] != mark:
                    raise Problem(422, "idempotency_key_reused", "this Idempotency-Key came with another request")
                return Outcome(row["status"], row["body"], replayed=True)
            failure = FAILURES.get(amount_minor())
            if failure is not None and not failure.after_effect:
                return Outcome(500, "", failure=failure)
            status, body = effect()
            connection.execute("insert into replies values (?, ?, ?, ?)", (key, mark, status, body))
            return Outcome(status, body, failure=failure)

    def _authorise(self, key: str, request: Authorisation) -> tuple[int, str]:
        decline = DECLINES.get(request.amount_minor)
        taken = request.amount_minor if request.capture and decline is None else 0
        authorisation_id = "au_" + hashlib.sha256(key.encode()).hexdigest()[:24]
        now = self._clock()
        holds = decline is None and not request.capture
        row = {
            "id": authorisation_id,
            "attempt_key": key,
            "order_id": request.order_id,
            "attempt": request.attempt,
            "amount_minor": request.amount_minor,
            "currency": request.currency,
            "payment_token": request.payment_token,
            "status": "declined" if decline else "captured" if request.capture else "authorised",
            "captured_minor": taken,
            "cost_minor": capture_cost(taken) if taken else 0,
            "decline_code": decline.code if decline else None,
            "decline_class": decline.decline_class if decline else None,
            "capture_before": (now + CAPTURE_WINDOW).isoformat() if holds else None,
            "created_at": now.isoformat(),
        }
        self._connection.execute(INSERT_AUTHORISATION, row)
        if decline is not None:
            return _refused(Problem(402, decline.code, "the payer's bank refused the payment", decline.decline_class))
        return 201, json.dumps(self._authorisation(authorisation_id))

    def _capture(self, key: str, authorisation_id: str, request: Capture) -> tuple[int, str]:
        held = self._authorisation(authorisation_id)
        refusal = self._refusal_of_capture(held, request)
        row = {
            "capture_key": key,
            "authorisation_id": authorisation_id,
            "currency": request.currency,
            "amount_minor": request.amount_minor,
            "cost_minor": 0 if refusal else capture_cost(request.amount_minor),
            "status": "declined" if refusal else "captured",
            "decline_code": refusal.code if refusal else None,
            "decline_class": refusal.decline_class if refusal else None,
            "final": request.final,
            "created_at": self._clock().isoformat(),
        }
        self._connection.execute(INSERT_CAPTURE, row)
        if refusal is not None:
            return _refused(refusal)
        left = held["amount_minor"] - held["captured_minor"] - request.amount_minor
        self._connection.execute(
            "update authorisations set captured_minor = captured_minor + ?, cost_minor = cost_minor + ?, "
            "released_minor = ?, status = ? where id = ?",
            (
                request.amount_minor,
                row["cost_minor"],
                left if request.final else 0,
                "captured" if request.final or left == 0 else "authorised",
                authorisation_id,
            ),
        )
        return 201, json.dumps(row)

    def _refusal_of_capture(self, held: dict[str, Any], request: Capture) -> Problem | None:
        decline = DECLINES.get(request.amount_minor)
        left = held["amount_minor"] - held["captured_minor"]
        if held["status"] != "authorised":
            return Problem(422, "authorisation_closed", f"the authorisation is {held['status']}", "hard")
        if request.currency != held["currency"]:
            return Problem(422, "currency_mismatch", f"the authorisation is in {held['currency']}", "hard")
        if datetime.fromisoformat(held["capture_before"]) <= self._clock():
            return Problem(422, "authorisation_expired", f"the hold ended at {held['capture_before']}", "hard")
        if request.amount_minor > left:
            return Problem(422, "amount_too_large", f"amount_minor is {request.amount_minor}, held are {left}", "hard")
        if decline is not None:
            return Problem(402, decline.code, "the payer's bank refused the capture", decline.decline_class)
        return None

    def _void(self, authorisation_id: str) -> tuple[int, str]:
        held = self._authorisation(authorisation_id)
        left = held["amount_minor"] - held["captured_minor"]
        decline = DECLINES.get(left)
        if held["status"] != "authorised":
            problem = Problem(422, "authorisation_closed", f"the authorisation is {held['status']}", "hard")
            return _refused(problem)
        if decline is not None:
            return _refused(Problem(402, decline.code, "the payer's bank refused the void", decline.decline_class))
        self._connection.execute(
            "update authorisations set status = 'voided', released_minor = ? where id = ?", (left, authorisation_id)
        )
        return 201, json.dumps(self._authorisation(authorisation_id))

    def _authorisation(self, authorisation_id: str) -> dict[str, Any]:
        row = self._connection.execute(AUTHORISATION_BY["id"], (authorisation_id,)).fetchone()
        if row is None:
            raise Problem(404, "not_found", f"there is no authorisation with id {authorisation_id!r}")
        return dict(row)

    def _held(self, authorisation_id: str) -> int:
        row = self._authorisation(authorisation_id)
        return int(row["amount_minor"] - row["captured_minor"] - row["released_minor"])

    def _read(self, statement: str, *values: object) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self._connection.execute(statement, values)]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")


def _refused(problem: Problem) -> tuple[int, str]:
    return problem.status, problem.as_json()
