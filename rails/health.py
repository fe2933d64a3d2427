"""How a rail is doing, by operation: what was measured of its latest calls, beside how long they may take."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from rails.port import Capabilities, NotSent, Unknown

WINDOW: Final = 10_000
"""Latest calls that percentiles are taken of: ten above p99.9, half a minute of a busy rail."""
State = Literal["up", "trial", "down"]


@dataclass(frozen=True, slots=True)
class OperationHealth:
    """One operation of one rail. Counts are of all calls since `counted_from`, percentiles of the latest `WINDOW` that
    were sent, None before the first. Calls that timed out are among them, with as long as they were waited for.

    `state` is up, down, or down and about to be tried (trial); it has been up, or has not been, since `since`.
    """

    operation: str
    state: State
    since: datetime
    calls: int
    failures: int
    retries: int
    p50_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    timeout_ms: float | None
    counted_from: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured, as in `OperationHealth`."""

    calls: int
    failures: int
    retries: int
    p50_ms: float | None
    p99_ms: float | None
    p999_ms: float | None


class Measured:
    """The calls of one operation. Cheap to add to; what is asked for now and then is computed then. Thread-safe."""

    def __init__(self, window: int = WINDOW) -> None:
        self._seconds: deque[float] = deque(maxlen=window)
        self._lock = threading.Lock()
        self._calls = self._failures = self._retries = 0

    def add(self, seconds: float, reply: object, *, repeated: bool = False) -> None:
        """One call. What was never sent tells nothing of how long the rail takes."""
        with self._lock:
            self._calls += 1
            self._retries += repeated
            self._failures += isinstance(reply, (Unknown, NotSent))
            if not isinstance(reply, NotSent):
                self._seconds.append(seconds)

    def figures(self) -> Figures:
        """All of it now."""
        with self._lock:
            seconds, counts = list(self._seconds), (self._calls, self._failures, self._retries)
        seconds.sort()
        return Figures(*counts, *(_ms(percentile(seconds, share)) for share in (0.5, 0.99, 0.999)))


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The least that so large a share of the numbers is not above (nearest rank); None of nothing.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([1.0, 2.0, 3.0, 4.0], 0.99), percentile([], 0.5)
    (2.0, 4.0, None)
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def declared(capabilities: Capabilities) -> tuple[str, ...]:
    """The operations that a rail takes."""
    flags = {
        "authorise": capabilities.authorise,
        "capture": capabilities.capture,
        "void": capabilities.void,
        "inquire": capabilities.inquiry,
        "facts": capabilities.facts,
    }
    return tuple(operation for operation, taken in flags.items() if taken)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
