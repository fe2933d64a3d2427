"""One key, one effect: the reply to a request is kept with what it did and given again to whoever asks again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rails.simulator.magic import FAILURES
from rails.simulator.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from rails.simulator.store import Store


@dataclass(frozen=True, slots=True)
class Outcome:
    """A reply as it is sent and kept; `failure` is the fault of a magic amount, by its name in the catalogue.

    `twisted` tells that a fault of the books took part in it.
    """

    status: int
    body: str
    replayed: bool = False
    failure: str | None = None
    twisted: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """What an operation answers once it has written what it did."""

    status: int
    body: str
    twisted: bool = False


def once(
    store: Store,
    key: str,
    target: str,
    request: Any,
    amount_minor: Callable[[], int],
    effect: Callable[[], Effect],
) -> Outcome:
    """One transaction: the effect and the reply that is given again to every later request with the key, for ever.

    `amount_minor` is asked only for a new key: it decides which fault of `magic.py` befalls the request. Raises
    `Problem` 422 for a key that was used for something else; whatever `effect` raises leaves the key unused.
    """
    mark = fingerprint(target, request)
    with store.operation() as connection:
        row = connection.execute("select fingerprint, status, body from replies where key = ?", (key,)).fetchone()
        if row is not None:
            if row["fingerprint"] != mark:
                detail = "this Idempotency-Key came with another request"
                raise Problem(422, "idempotency_key_reused", detail, field="Idempotency-Key")
            return Outcome(row["status"], row["body"], replayed=True)
        failure = FAILURES.get(amount_minor())
        if failure is not None and failure.endswith("_before"):
            return Outcome(500, "", failure=failure)
        done = effect()
        connection.execute("insert into replies values (?, ?, ?, ?)", (key, mark, done.status, done.body))
        return Outcome(done.status, done.body, failure=failure, twisted=done.twisted)


def fingerprint(target: str, request: Any) -> bytes:
    """Tells two requests apart that came with one key; the target is part of it, the order of the members is not.

    A member that was left out counts as not being there, so that a new one does not make strangers of old requests.
    """
    members = {name: value for name, value in asdict(request).items() if value is not None}
    return hashlib.sha256(f"{target}\n{json.dumps(members, sort_keys=True)}".encode()).digest()


def refused(problem: Problem) -> Effect:
    """A refusal is an answer like any other: it is kept under its key."""
    return Effect(problem.status, problem.as_json())
