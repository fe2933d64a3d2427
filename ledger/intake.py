"""What waits to be posted: requests from the socket and facts from the log, taken fairly into one batch.

Nobody waits for a batch to fill: what is queued is taken. While requests wait, facts get only a part of the batch,
so that a saturated log does not make requests wait for long commits.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from domain.posting_rules import PostingDraft
    from ledger.wire import Order, Reply

INTENTS_PER_BATCH = 500
REQUESTS_PER_BATCH = 400
FACTS_BESIDE_REQUESTS = 100
FACTS_QUEUED_MAX = 4_000


class Ask(NamedTuple):
    """A request, the stream that decides its key, the digest of what it asks for, and the way to answer it.

    `weight` is how many requests it stands for: a bulk is as many as it has items.
    """

    order: Order
    posting_id: UUID
    fingerprint: str
    answer: Callable[[Reply], None]
    weight: int = 1


class Fact(NamedTuple):
    """An event of the log that moves money; `draft` None when its rule finds nothing to post."""

    book: int
    position: int
    draft: PostingDraft | None


class Taken(NamedTuple):
    """One batch's worth of work."""

    asks: list[Ask]
    facts: list[Fact]


class Intake:
    """The engine's two queues. Thread-safe; one consumer."""

    def __init__(self) -> None:
        self._asks: deque[Ask] = deque()
        self._weight = 0
        self._facts: deque[Fact] = deque()
        self._changed = threading.Condition()

    def ask(self, ask: Ask) -> None:
        """Queue a request."""
        with self._changed:
            self._asks.append(ask)
            self._weight += ask.weight
            self._changed.notify_all()

    def ask_again(self, asks: Sequence[Ask]) -> None:
        """Put requests whose batch was lost back at the head of the queue."""
        with self._changed:
            self._asks.extendleft(reversed(asks))
            self._weight += sum(ask.weight for ask in asks)
            self._changed.notify_all()

    def facts(self, facts: Sequence[Fact], stopped: Callable[[], bool]) -> bool:
        """Queue facts, waiting while too many are queued; False when `stopped` ended the wait: none were queued."""
        with self._changed:
            while len(self._facts) >= FACTS_QUEUED_MAX and not stopped():
                self._changed.wait(0.2)
            if stopped():
                return False
            self._facts.extend(facts)
            self._changed.notify_all()
            return True

    def forget_facts(self) -> None:
        """Drop the queued facts: they are read from the log again."""
        with self._changed:
            self._facts.clear()
            self._changed.notify_all()

    def withdraw(self) -> list[Ask]:
        """Take back every request that waits, to tell their askers that nobody will decide them here."""
        with self._changed:
            asks = list(self._asks)
            self._asks.clear()
            self._weight = 0
            return asks

    def wake(self) -> None:
        """Let the consumer look whether it shall stop."""
        with self._changed:
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """How many requests are queued, each item of a bulk counted."""
        return self._weight

    @property
    def facts_waiting(self) -> int:
        """How many facts are queued."""
        return len(self._facts)

    @property
    def queued(self) -> int:
        """How many requests and facts are queued."""
        return self._weight + len(self._facts)

    def take(self, timeout: float) -> Taken:
        """What is queued, at most a batch; empty when `timeout` seconds brought nothing."""
        with self._changed:
            if not self._asks and not self._facts:
                self._changed.wait(timeout)
            asks = self._taken_asks()
            room = FACTS_BESIDE_REQUESTS if asks else INTENTS_PER_BATCH
            facts = [self._facts.popleft() for _ in range(min(len(self._facts), room))]
            if facts:
                self._changed.notify_all()
            return Taken(asks, facts)

    def _taken_asks(self) -> list[Ask]:
        """Requests up to a batch; a bulk is taken whole, so the last one may go beyond."""
        asks: list[Ask] = []
        room = REQUESTS_PER_BATCH
        while self._asks and room > 0:
            ask = self._asks.popleft()
            asks.append(ask)
            room -= ask.weight
        self._weight -= REQUESTS_PER_BATCH - room
        return asks
