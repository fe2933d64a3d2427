"""A rail whose failures stay its own: bounded calls at once, and a breaker for each operation.

A rail that hangs keeps only its own calls waiting: there are at most `CALLS` of an operation at once, and what comes
beyond is answered `NotSent` at once, as is everything while the rail is held to be down. Only technical failures count
(no usable answer, or nothing sent); a decline is an answer. Inquiries have a breaker of their own: they must go on when
authorisations fail, and tell when the rail is back (payments reference, section 4).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import pybreaker
import structlog
from prometheus_client import Counter, Gauge, Histogram

from rails.port import (
    AuthoriseReply,
    AuthoriseRequest,
    Capabilities,
    CaptureReply,
    CaptureRequest,
    InquiryReply,
    InquiryRequest,
    NotSent,
    Rail,
    Unknown,
    VoidReply,
    VoidRequest,
)

CALLS: Final = 8
"""Calls of one operation at once: half of what the payment process makes of all rails together."""
FAILURES: Final = 5
DOWN_SECONDS: Final = 10.0
"""After so many technical failures in a row (pybreaker's own default) an operation is held to be down for so long; then
one call tries it. One call in ten seconds burdens no rail, and a minute, as is usual, keeps payers waiting for it."""
OPERATIONS: Final = ("authorise", "capture", "void", "inquire")
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)

CALL_SECONDS = Histogram(
    "daybook_rail_call_seconds", "How long calls of rails take", ["rail", "operation"], buckets=_BUCKETS
)
REPLIES = Counter("daybook_rail_replies", "What rails answer", ["rail", "operation", "reply"])
DOWN = Gauge("daybook_rail_down", "1 while an operation is held to be down", ["rail", "operation"])

log = structlog.get_logger()


class _Technical(Exception):
    """A reply that says nothing about the money."""


class _Operation:
    """One operation of one rail: its breaker and its bounded calls."""

    def __init__(self, rail: str, name: str, calls: int, failures: int, down_seconds: float) -> None:
        self.rail, self.name = rail, name
        self._room = threading.BoundedSemaphore(calls)
        self._state = pybreaker.CircuitMemoryStorage(pybreaker.STATE_CLOSED)
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=failures, reset_timeout=down_seconds, state_storage=self._state, listeners=[_Told(rail, name)]
        )
        self._probing = threading.Lock()

    def call(self, send: Callable[[], Any]) -> Any:
        """The reply, or NotSent without having asked."""
        if self._breaker.current_state != pybreaker.STATE_CLOSED:
            return self._probe(send)
        if not self._room.acquire(blocking=False):
            return self._replied(NotSent(f"rail {self.rail} has too many calls of {self.name} under way"))
        try:
            reply = self._timed(send)
        finally:
            self._room.release()
        if self._breaker.current_state == pybreaker.STATE_CLOSED:
            self._count(reply)
        return self._replied(reply)

    @property
    def down(self) -> str | None:
        """Why it is not to be asked now; None when it may be, or when its time for a trial has come."""
        if self._breaker.current_state != pybreaker.STATE_OPEN or self._trial_is_due():
            return None
        return self._held_down

    @property
    def _held_down(self) -> str:
        return f"rail {self.rail} has not answered {self.name} lately and is held to be down"

    def _trial_is_due(self) -> bool:
        opened = self._breaker._state_storage.opened_at
        if opened is None:
            return True
        return (time.time() - opened.timestamp()) >= self._breaker.reset_timeout

    def _probe(self, send: Callable[[], Any]) -> Any:
        """While it is down one call at a time may try it, once its time has come. The breaker holds its lock for as
        long as a call takes, so that only this one is ever made under it."""
        refused = NotSent(self._held_down)
        if not self._probing.acquire(blocking=False):
            return self._replied(refused)
        reply = [refused]

        def trial() -> None:
            reply[0] = self._timed(send)
            if isinstance(reply[0], (Unknown, NotSent)):
                raise _Technical

        try:
            with contextlib.suppress(_Technical, pybreaker.CircuitBreakerError):
                self._breaker.call(trial)
        finally:
            self._probing.release()
        return self._replied(reply[0])

    def _count(self, reply: Any) -> None:
        def outcome() -> None:
            if isinstance(reply, (Unknown, NotSent)):
                raise _Technical

        with contextlib.suppress(_Technical, pybreaker.CircuitBreakerError):
            self._breaker.call(outcome)

    def _timed(self, send: Callable[[], Any]) -> Any:
        with CALL_SECONDS.labels(self.rail, self.name).time():
            return send()

    def _replied(self, reply: Any) -> Any:
        REPLIES.labels(self.rail, self.name, type(reply).__name__.lower()).inc()
        return reply


class _Told(pybreaker.CircuitBreakerListener):
    """Says when a rail is held to be down, and when it is back."""

    def __init__(self, rail: str, operation: str) -> None:
        self._rail, self._operation = rail, operation

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        """Logged once for each change; the metric is what alarms watch."""
        down = new_state.name == pybreaker.STATE_OPEN
        DOWN.labels(self._rail, self._operation).set(float(down))
        log.warning("rails.breaker", rail=self._rail, operation=self._operation, state=new_state.name)


class GuardedRail:
    """A rail with its guard; as a rail itself, so that nobody has to know."""

    def __init__(
        self, rail: Rail, *, calls: int = CALLS, failures: int = FAILURES, down_seconds: float = DOWN_SECONDS
    ) -> None:
        self._rail = rail
        self._operations = {name: _Operation(rail.name, name, calls, failures, down_seconds) for name in OPERATIONS}

    @property
    def name(self) -> str:
        """That of the rail."""
        return self._rail.name

    @property
    def capabilities(self) -> Capabilities:
        """Those of the rail."""
        return self._rail.capabilities

    def why_not(self, operation: str = "authorise") -> str | None:
        """Why the rail is not to be asked now; None when it may be."""
        return self._operations[operation].down

    def authorise(self, request: AuthoriseRequest) -> AuthoriseReply:
        """As the rail, or NotSent."""
        reply: AuthoriseReply = self._operations["authorise"].call(lambda: self._rail.authorise(request))
        return reply

    def capture(self, request: CaptureRequest) -> CaptureReply:
        """As the rail, or NotSent."""
        reply: CaptureReply = self._operations["capture"].call(lambda: self._rail.capture(request))
        return reply

    def void(self, request: VoidRequest) -> VoidReply:
        """As the rail, or NotSent."""
        reply: VoidReply = self._operations["void"].call(lambda: self._rail.void(request))
        return reply

    def inquire(self, request: InquiryRequest) -> InquiryReply:
        """As the rail, or NotSent."""
        reply: InquiryReply = self._operations["inquire"].call(lambda: self._rail.inquire(request))
        return reply

    def close(self) -> None:
        """Closes the rail."""
        self._rail.close()


def guarded(rails: Mapping[str, Rail]) -> dict[str, GuardedRail]:
    """Each rail with a guard of its own."""
    return {name: GuardedRail(rail) for name, rail in rails.items()}
