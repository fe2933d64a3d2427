"""A rail whose failures stay its own: bounded calls at once, a breaker for each operation, and few second tries.

A rail that hangs keeps only its own calls waiting: there are at most `CALLS` of an operation at once, and what comes
beyond is answered `NotSent` at once, as is everything while the rail is held to be down. Only technical failures count
(no usable answer, or nothing sent); a decline is an answer. Inquiries have a breaker of their own: they must go on when
authorisations fail, and tell when the rail is back. A call without an answer is made once more where that is safe
(`rails.retries`), never while the operation is held to be down, and never when it was the guard that did not make it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import pybreaker
import structlog
from prometheus_client import Counter, Gauge, Histogram

from rails.facts import FactsPage
from rails.health import Measured, OperationHealth, State, declared
from rails.port import (
    OPERATIONS,
    AuthoriseReply,
    AuthoriseRequest,
    Capabilities,
    CapabilityNotDeclared,
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
from rails.retries import REPEATED, UNANSWERED, Budget, Repeats, Waits, outcome, retry_class

CALLS: Final = 8
"""Calls of one operation at once: half of what the payment process makes of all rails together."""
FAILURES: Final = 5
DOWN_SECONDS: Final = 10.0
"""After so many technical failures in a row (pybreaker's own default) an operation is held to be down for so long; then
one call tries it. One call in ten seconds burdens no rail, and a minute, as is usual, keeps payers waiting for it."""
USUAL_WAITS: Final = Waits()
NO_TIMEOUTS: Final[Mapping[str, float]] = MappingProxyType({})
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)

CALL_SECONDS = Histogram(
    "daybook_rail_call_seconds", "How long calls of rails take", ["rail", "operation"], buckets=_BUCKETS
)
REPLIES = Counter("daybook_rail_replies", "What rails answer", ["rail", "operation", "reply"])
DOWN = Gauge("daybook_rail_down", "1 while an operation is held to be down", ["rail", "operation"])
RETRIES = Counter("daybook_rail_retries", "Calls that were made once more", ["rail", "operation"])
TIMEOUT_SECONDS = Gauge("daybook_rail_timeout_seconds", "How long an answer is waited for", ["rail", "operation"])

log = structlog.get_logger()


class _Technical(Exception):
    """A reply that says nothing about the money."""


class _Operation:
    """One operation of one rail: its breaker, its bounded calls, and what is measured of them."""

    def __init__(self, rail: Rail, name: str, calls: int, failures: int, down_seconds: float, repeats: Repeats) -> None:
        self.rail, self.name, self.measured = rail.name, name, Measured()
        self._capabilities, self._repeats = rail.capabilities, repeats
        self._room = threading.BoundedSemaphore(calls)
        self._state = pybreaker.CircuitMemoryStorage(pybreaker.STATE_CLOSED)
        self._told = _Told(rail.name, name)
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=failures, reset_timeout=down_seconds, state_storage=self._state, listeners=[self._told]
        )
        self._probing = threading.Lock()

    def call(self, send: Callable[[], Any]) -> Any:
        """The reply, or NotSent without having asked."""
        if self._state.state != pybreaker.STATE_CLOSED:
            return self._probe(send)
        first = self._try(send)
        if first is None:
            return self._replied(NotSent(f"rail {self.rail} has too many calls of {self.name} under way"))
        self._repeats.called()
        if retry_class(self.name, self._capabilities, first) not in REPEATED:
            return first
        return self._once_more(send, first)

    def _once_more(self, send: Callable[[], Any], first: Unknown | NotSent) -> Any:
        """The reply to both tries; that to the first where there is to be no second."""

        def again() -> Any:
            if self._state.state != pybreaker.STATE_CLOSED:
                return first
            second = self._try(send, repeated=True)
            return first if second is None else outcome(first, second)

        if self._state.state != pybreaker.STATE_CLOSED:
            return first
        return self._repeats.once_more(f"{self.rail} {self.name}", first, again)

    def _try(self, send: Callable[[], Any], *, repeated: bool = False) -> Any:
        """The rail's reply; None without having asked when it has too many calls already."""
        if not self._room.acquire(blocking=False):
            return None
        try:
            reply = self._timed(send, repeated=repeated)
        finally:
            self._room.release()
        if self._state.state == pybreaker.STATE_CLOSED:
            self._count(reply)
        return reply

    @property
    def down(self) -> str | None:
        """Why it is not to be asked now; None when it may be, or when its time for a trial has come."""
        return self._held_down if self._state.state == pybreaker.STATE_OPEN and not self._trial_is_due() else None

    @property
    def standing(self) -> tuple[State, datetime]:
        """Whether it is up, and since when it is, or is not."""
        if self._state.state == pybreaker.STATE_CLOSED:
            return "up", self._told.since
        return ("trial" if self.down is None else "down"), self._told.since

    @cached_property
    def _call_seconds(self) -> Histogram:
        """Found once: looking for it costs more than a call's own bookkeeping."""
        return CALL_SECONDS.labels(self.rail, self.name)

    @property
    def _held_down(self) -> str:
        return f"rail {self.rail} has not answered {self.name} lately and is held to be down"

    def _trial_is_due(self) -> bool:
        opened = self._state.opened_at
        if opened is None:
            return True
        return (time.time() - opened.timestamp()) >= self._breaker.reset_timeout

    def _probe(self, send: Callable[[], Any]) -> Any:
        """While it is down one call at a time may try it, once its time has come. The breaker holds its lock for as
        long as a call takes, so that only this one is ever made under it."""
        if not self._probing.acquire(blocking=False):
            return self._replied(NotSent(self._held_down))
        reply: list[Any] = []

        def trial() -> None:
            reply.append(self._timed(send))
            if isinstance(reply[0], UNANSWERED):
                raise _Technical

        try:
            with contextlib.suppress(_Technical, pybreaker.CircuitBreakerError):
                self._breaker.call(trial)
        finally:
            self._probing.release()
        return reply[0] if reply else self._replied(NotSent(self._held_down))

    def _count(self, reply: Any) -> None:
        """Tells the breaker, which need not be told of an answer after an answer."""
        unanswered = isinstance(reply, UNANSWERED)
        if not unanswered and not self._state.counter:
            return

        def told() -> None:
            if unanswered:
                raise _Technical

        with contextlib.suppress(_Technical, pybreaker.CircuitBreakerError):
            self._breaker.call(told)

    def _timed(self, send: Callable[[], Any], *, repeated: bool = False) -> Any:
        began = time.perf_counter()
        reply = send()
        seconds = time.perf_counter() - began
        self._call_seconds.observe(seconds)
        self.measured.add(seconds, reply, repeated=repeated)
        if repeated:
            RETRIES.labels(self.rail, self.name).inc()
        return self._replied(reply)

    def _replied(self, reply: Any) -> Any:
        REPLIES.labels(self.rail, self.name, type(reply).__name__.lower()).inc()
        return reply


class _Told(pybreaker.CircuitBreakerListener):
    """Says when a rail is held to be down, and when it is back."""

    def __init__(self, rail: str, operation: str) -> None:
        self._rail, self._operation = rail, operation
        self.since = datetime.now(UTC)

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        """Logged once for each change; the metric is what alarms watch. A trial that fails has changed nothing."""
        if pybreaker.STATE_CLOSED in (old_state.name, new_state.name):
            self.since = datetime.now(UTC)
        down = new_state.name == pybreaker.STATE_OPEN
        DOWN.labels(self._rail, self._operation).set(float(down))
        log.warning("rails.breaker", rail=self._rail, operation=self._operation, state=new_state.name)


class GuardedRail:
    """A rail with its guard; as a rail itself, so that nobody has to know."""

    def __init__(
        self,
        rail: Rail,
        *,
        calls: int = CALLS,
        failures: int = FAILURES,
        down_seconds: float = DOWN_SECONDS,
        waits: Waits = USUAL_WAITS,
        budget: Budget | None = None,
        timeouts: Mapping[str, float] = NO_TIMEOUTS,
    ) -> None:
        """`timeouts` are what the rail was opened with, in seconds by operation: they are told, not kept, here."""
        self._rail, self._timeouts, self._opened_at = rail, timeouts, datetime.now(UTC)
        repeats = Repeats(waits, budget)
        self._operations = {name: _Operation(rail, name, calls, failures, down_seconds, repeats) for name in OPERATIONS}
        for operation, seconds in timeouts.items():
            TIMEOUT_SECONDS.labels(rail.name, operation).set(seconds)

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

    def health(self) -> tuple[OperationHealth, ...]:
        """How each of its operations is doing."""
        return tuple(self._health(self._operations[name]) for name in declared(self.capabilities))

    def _health(self, operation: _Operation) -> OperationHealth:
        state, since = operation.standing
        told, timeout_s = operation.measured.figures(), self._timeouts.get(operation.name)
        return OperationHealth(
            operation=operation.name,
            state=state,
            since=since,
            **asdict(told),
            timeout_ms=None if timeout_s is None else timeout_s * 1000,
            counted_from=self._opened_at,
        )

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

    def facts(self, after: int) -> FactsPage | NotSent | Unknown:
        """As the rail, or NotSent. Raises `CapabilityNotDeclared`."""
        if not self.capabilities.facts:
            raise CapabilityNotDeclared(self.name, "facts", "ask what became of a payment by inquire")
        telling: Any = self._rail
        page: FactsPage | NotSent | Unknown = self._operations["facts"].call(lambda: telling.facts(after))
        return page

    def close(self) -> None:
        """Closes the rail."""
        self._rail.close()


def guarded(
    rails: Mapping[str, Rail], timeouts: Mapping[str, Mapping[str, float]], waits: Waits = USUAL_WAITS
) -> dict[str, GuardedRail]:
    """Each rail with a guard of its own; `timeouts` by rail and operation."""
    return {
        name: GuardedRail(rail, timeouts=timeouts.get(name, NO_TIMEOUTS), waits=waits) for name, rail in rails.items()
    }
