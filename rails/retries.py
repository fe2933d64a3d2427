"""Calling a rail once more within a call: what may be, how soon, and how often. The guard (`rails.guarded`) does it.

A call that brought no answer is made twice at most; what is still not known then is for the process, which has written
it down and asks step by step. stamina waits and calls again; when, and whether at all, is decided here, for it knows
neither what a rail has left of second tries nor what may charge twice. A wait cannot be cut short: a process that stops
begins none, makes no call after one, and so stops up to five seconds later.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, Literal

from rails.port import Capabilities, NotSent, Unknown

RetryClass = Literal["safe", "safe_with_key", "unsafe", "never"]
BY_OPERATION: Final[Mapping[str, RetryClass]] = {
    "inquire": "safe",
    "facts": "safe",
    "authorise": "safe_with_key",
    "capture": "safe_with_key",
    "void": "safe_with_key",
}
"""Questions change nothing, so that they are safe by nature. What moves money is safe with a key that the rail makes
one effect of, for the same body and at the same rail; without one it is unsafe."""
REPEATED: Final = frozenset({"safe", "safe_with_key"})
"""The classes that are made once more here. What is unsafe is asked about first, by the process."""
UNANSWERED: Final = (Unknown, NotSent)
"""Replies that say nothing about the money. All others decide something, a refusal too: they are never repeated."""
TRIES: Final = 2

SHORTEST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 5.0
"""Full jitter between both (AWS Architecture Blog, "Exponential Backoff And Jitter"): callers that failed together do
not come back together. After more than 5 s a payer is better served by the process's own steps."""
BUDGET_SHARE: Final = 0.2
BUDGET_PER_SECOND: Final = 0.1
BUDGET_MOST: Final = 10.0
"""Finagle's RetryBudget: for every five calls one more, so that a rail in trouble gets a fifth more of calls and not
twice as many. Its floor of ten a second is for services with a thousand times our calls; ours lets a rail that is
called now and then have one in ten seconds, and ten may be saved up."""
WAITING: Final = 2
"""Calls of one rail that wait for their second try at once. Each keeps one of the eight threads of its rail's lane:
with more, a few failing calls in a hundred would keep all others from being made."""


def retry_class(operation: str, capabilities: Capabilities, reply: object) -> RetryClass:
    """Whether what `reply` came to may be sent again."""
    if not isinstance(reply, UNANSWERED):
        return "never"
    found = BY_OPERATION[operation]
    return "unsafe" if found == "safe_with_key" and not capabilities.idempotency_keys else found


def outcome(first: Unknown | NotSent, second: object) -> object:
    """What both tries say together. When the second never left, what became of the first is as unknown as before."""
    return first if isinstance(first, Unknown) and isinstance(second, NotSent) else second


@dataclass(frozen=True)
class Waits:
    """How long a call waits for its second try, in seconds. `stopped` answers whether the process is to stop, as an
    event's `is_set` does; `chance` is between 0 and 1."""

    shortest_s: float = SHORTEST_WAIT_SECONDS
    longest_s: float = LONGEST_WAIT_SECONDS
    stopped: Callable[[], bool] = threading.Event().is_set
    chance: Callable[[], float] = random.random

    def pause_s(self, retry_after_s: float | None) -> float | None:
        """How long to wait; None where the rail asks for longer than any call may."""
        least_s = retry_after_s or 0.0
        if least_s > self.longest_s:
            return None
        return max(least_s, self.shortest_s + self.chance() * (self.longest_s - self.shortest_s))


class Budget:
    """How many second tries a rail has left: a token bucket that calls and time fill. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left, self._filled_at = BUDGET_MOST, clock()

    def earn(self) -> None:
        """A call was made."""
        with self._lock:
            self._left = min(BUDGET_MOST, self._left + BUDGET_SHARE)

    def spend(self) -> bool:
        """Whether there is a second try left; it is taken then."""
        with self._lock:
            now = self._clock()
            self._left = min(BUDGET_MOST, self._left + BUDGET_PER_SECOND * (now - self._filled_at))
            self._filled_at = now
            if self._left < 1.0:
                return False
            self._left -= 1.0
            return True


class NoAnswer(Exception):
    """A try without an answer, for stamina, which is told of tries by exceptions; its text is what is logged."""

    def __init__(self, call: str, reply: Unknown | NotSent) -> None:
        super().__init__(f"{call}: {reply.reason}")
        self.reply = reply


class Repeats:
    """The second tries of one rail, for all of its operations together."""

    def __init__(self, waits: Waits, budget: Budget | None = None) -> None:
        self._waits, self._budget = waits, budget or Budget()
        self._room = threading.BoundedSemaphore(WAITING)

    def called(self) -> None:
        """A first try was made."""
        self._budget.earn()

    def once_more(self, call: str, first: Unknown | NotSent, again: Callable[[], Any]) -> Any:
        """What the second try gives, made by `again` after a wait; `first`, the reply of the first one, where there is
        none: the rail asks for a longer wait, too many have failed or wait already, or the process stops. `call` names
        the call in the log. Not for calls with an answer: nearly all have one, and are not to pay for this."""
        # Only here: most processes call no rail, and most calls need no second try.
        from stamina import retry_context

        with ExitStack() as turn:

            def backoff(error: Exception) -> float | bool:
                return isinstance(error, NoAnswer) and self._backoff_s(error.reply, turn)

            try:
                for attempt in retry_context(on=backoff, attempts=TRIES, timeout=None):
                    with attempt:
                        if attempt.num == 1:
                            raise NoAnswer(call, first)
                        turn.close()
                        return first if self._waits.stopped() else again()
            except NoAnswer:
                return first
        raise AssertionError("stamina gives up by raising")

    def _backoff_s(self, reply: Unknown | NotSent, turn: ExitStack) -> float | bool:
        """How long to wait; False for no second try. The turn holds a place among those that wait, until it is over."""
        if self._waits.stopped() or not self._room.acquire(blocking=False):
            return False
        turn.callback(self._room.release)
        pause_s = self._waits.pause_s(reply.retry_after_s)
        return pause_s if pause_s is not None and self._budget.spend() else False
