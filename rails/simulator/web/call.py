"""A request on its way through the table of endpoints, and what an endpoint answers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rails.simulator.fields import read_body, read_key
from rails.simulator.web.wire import Reply

if TYPE_CHECKING:
    from rails.simulator.books import Books
    from rails.simulator.faults.kinds import Fault
    from rails.simulator.fields import Body
    from rails.simulator.once import Outcome
    from rails.simulator.web.http import Request


@dataclass(frozen=True, slots=True)
class Call:
    """`names` is what the path says; `fault` is one of the books, if one has been drawn or ordered."""

    request: Request
    books: Books
    names: dict[str, str]
    fault: Fault | None = None

    @property
    def key(self) -> str:
        """Raises `Problem` 400 when the Idempotency-Key is missing."""
        return read_key(self.request.headers.get("idempotency-key"))

    @property
    def body(self) -> Body:
        """The JSON object that was sent. Raises `Problem` 400."""
        return read_body(self.request.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, the fault that a magic amount asks for, and whether a fault of the books took part in it."""

    reply: Reply
    failure: str | None = None
    twisted: bool = False


def as_json(body: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Data as JSON."""
    return Answer(Reply(status, json.dumps(body).encode(), headers=headers))


def of_outcome(outcome: Outcome) -> Answer:
    """The reply that was kept under a key."""
    kind = "application/json" if outcome.status < 400 else "application/problem+json"
    headers = (("Idempotent-Replayed", "true"),) if outcome.replayed else ()
    return Answer(Reply(outcome.status, outcome.body.encode(), kind, headers), outcome.failure, outcome.twisted)


def key_for_faults(request: Request, names: dict[str, str]) -> str:
    """What a planned fault goes by: the request's own key, what its path asks about, or what a file contains."""
    own = request.headers.get("idempotency-key")
    if own:
        return own
    if request.body and not names:
        return hashlib.sha256(request.body).hexdigest()
    return "/".join(names.values()) if names else request.raw_query
