"""The payment process: follows order events and lets the rails do what orders ask for.

An event only says *look at this order*; what is done is decided by the order's folded state (`payments.attempts`). So
an event that is seen twice, or again after a crash, is harmless. Each rail is called by a bounded pool of its own, one
call per order at a time. The checkpoint is the highest position below which all work is finished: after SIGKILL
everything above it is looked at again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol
from uuid import UUID

import msgspec
import structlog
from eventsourcing.persistence import IntegrityError, Tracking

from eventlog.errors import LogUnavailable
from eventlog.follower import Follower
from eventlog.recorded import Recorded
from payments.lanes import CALLS, SORTING, Lanes

NAME = "payments"
CREATED = "payment-order.created.v1"
TOPICS = (
    CREATED,
    "payment-order.attempt-outcome-unknown.v1",
    "payment-order.capture-requested.v1",
    "payment-order.void-requested.v1",
    "payment-order.late-success-detected.v1",
)
IN_FLIGHT = 20_000
"""Orders that are taken up and not done: what comes to one rail while it hangs must not fill it for the others."""
CHECKPOINT_SECONDS = 0.25
GATHER_SECONDS = 0.01
"""How long events are gathered for: the process's own writes wake it too, and each look costs the same."""
RETRY_SECONDS = 2.0

log = structlog.get_logger()


class Checkpoints(Protocol):
    """Where the process keeps how far it has come; both recorders do."""

    def insert_tracking(self, tracking: Tracking) -> None: ...

    def max_tracking_id(self, application_name: str) -> int | None: ...


class Advances(Protocol):
    """What is done for an order, by its book and stream; `payments.attempts` does it."""

    def lane(self, stream_id: UUID) -> str:
        """The rail that the order is at, or wants."""
        ...

    def advance(self, book: int, stream_id: UUID) -> bool:
        """Does what the order asks for; False = look again later, its outcome could not be written down."""
        ...


class Unfinished:
    """The positions whose work is not finished; knows the checkpoint. Not thread-safe: its owner holds a lock."""

    def __init__(self, position: int) -> None:
        self._seen = position
        self._open: dict[int, None] = {}

    def begin(self, position: int) -> None:
        """Positions begin in log order, so the dict's order is theirs and its first key the lowest."""
        self._open[position] = None
        self._seen = max(self._seen, position)

    def finish(self, positions: Sequence[int]) -> None:
        for position in positions:
            self._open.pop(position, None)

    def passed(self, position: int) -> None:
        """Nothing up to `position` is still to come from the follower."""
        self._seen = max(self._seen, position)

    def __len__(self) -> int:
        return len(self._open)

    @property
    def checkpoint(self) -> int:
        """Everything up to and including this position is finished."""
        lowest = next(iter(self._open), None)
        return self._seen if lowest is None else lowest - 1


class _Created(msgspec.Struct):
    rail: str | None = None


_read_created = msgspec.json.Decoder(_Created).decode


def _lane(row: Recorded) -> str | None:
    """The lane that an event belongs to; None for an order that was created without a rail and waits for nobody."""
    return SORTING if row.topic != CREATED else _read_created(row.state).rail


class PaymentProcess:
    """Advances every order that an event names; see the module for what it promises."""

    def __init__(
        self, checkpoints: Checkpoints, follower: Callable[[int], Follower], orders: Advances, calls: int = CALLS
    ) -> None:
        """`calls` is how many orders of one rail are worked on at once."""
        self._checkpoints = checkpoints
        self._orders = orders
        start = checkpoints.max_tracking_id(NAME) or 0
        self._written = start
        self._written_at = time.monotonic()
        self._unfinished = Unfinished(start)
        self._follower = follower(start)
        self._lanes = Lanes(calls)
        self._lock = threading.Condition()
        self._waiting: dict[UUID, list[int]] = {}
        self._later: list[tuple[float, int, UUID]] = []
        self._stopping = threading.Event()

    @property
    def checkpoint(self) -> int:
        with self._lock:
            return self._unfinished.checkpoint

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; a log that cannot be reached is waited for. Calls under way are finished first."""
        try:
            while not stop.is_set():
                try:
                    self.step(CHECKPOINT_SECONDS)
                    stop.wait(GATHER_SECONDS)
                except LogUnavailable as unavailable:
                    log.warning("payments.log_unavailable", reason=str(unavailable))
                    stop.wait(RETRY_SECONDS)
        finally:
            self.close()

    def step(self, timeout: float) -> int:
        """Take in one batch of events, at most `timeout` seconds of waiting; answers how many."""
        self._take_up_again()
        with self._lock:
            self._lock.wait_for(lambda: len(self._unfinished) < IN_FLIGHT, timeout)
            if len(self._unfinished) >= IN_FLIGHT:
                return 0
        rows = self._follower.next_batch(timeout)
        for row in rows:
            lane = _lane(row)
            if lane is not None:
                self._take(row, lane)
        with self._lock:
            self._unfinished.passed(self._follower.position)
        if time.monotonic() - self._written_at >= CHECKPOINT_SECONDS:
            self.write_checkpoint()
        return len(rows)

    def look(self, book: int, stream_id: UUID) -> bool:
        """Look at an order whose timer has run out, when its turn comes; a rail that hangs keeps no timer from others.
        Answers False: nothing has changed yet."""
        with self._lock:
            if stream_id in self._waiting or len(self._waiting) >= IN_FLIGHT:
                return False
            self._waiting[stream_id] = []
        self._lanes.submit(SORTING, self._sort, book, stream_id)
        return False

    @property
    def idle(self) -> bool:
        """Whether no order is being looked at or waits for its turn."""
        with self._lock:
            return not self._waiting

    def settle(self, timeout: float = 30.0) -> bool:
        """Wait until nothing is unfinished; False when `timeout` seconds were not enough."""
        with self._lock:
            settled = self._lock.wait_for(lambda: not len(self._unfinished), timeout)
        self.write_checkpoint()
        return settled

    def write_checkpoint(self) -> None:
        """Keep how far everything is finished. Losing it costs looking at orders again, nothing else.

        Raises LogUnavailable when it may be kept or not; the next one finds out.
        """
        position = self.checkpoint
        self._written_at = time.monotonic()
        if position > self._written:
            with suppress(IntegrityError):  # kept already, by a write whose answer was lost
                self._checkpoints.insert_tracking(Tracking(NAME, position))
            self._written = position

    def close(self) -> None:
        """Finish the calls under way, start none of the waiting ones, keep the checkpoint."""
        self._stopping.set()
        self._lanes.close()
        try:
            self.write_checkpoint()
        except LogUnavailable as unavailable:
            log.warning("payments.checkpoint_not_kept", reason=str(unavailable))

    def _take(self, row: Recorded, lane: str) -> None:
        with self._lock:
            self._unfinished.begin(row.position)
            if row.stream_id in self._waiting:  # its call is under way or queued: looked at again when that is over
                self._waiting[row.stream_id].append(row.position)
                return
            self._waiting[row.stream_id] = [row.position]
        self._lanes.submit(lane, self._work if lane else self._sort, row.book, row.stream_id)

    def _sort(self, book: int, stream_id: UUID) -> None:
        """Into its rail's lane; where that cannot be told now, later."""
        try:
            self._lanes.submit(self._orders.lane(stream_id), self._work, book, stream_id)
        except Exception:  # as in `_attempt`
            log.exception("payments.advance_failed", stream_id=str(stream_id))
            with self._lock:
                self._later.append((time.monotonic() + RETRY_SECONDS, book, stream_id))

    def _work(self, book: int, stream_id: UUID) -> None:
        """Advance one order until no event asks for more; one that fails waits for its turn without a thread."""
        while not self._stopping.is_set():
            with self._lock:
                begun = len(self._waiting[stream_id])
            if not self._attempt(book, stream_id):
                with self._lock:
                    self._later.append((time.monotonic() + RETRY_SECONDS, book, stream_id))
                return
            with self._lock:
                positions = self._waiting[stream_id]
                self._unfinished.finish(positions[:begun])
                del positions[:begun]
                if not positions:
                    del self._waiting[stream_id]
                self._lock.notify_all()
                if not positions:
                    return

    def _take_up_again(self) -> None:
        with self._lock:
            now = time.monotonic()
            due = [entry for entry in self._later if entry[0] <= now]
            self._later = [entry for entry in self._later if entry[0] > now]
        for _, book, stream_id in due:
            self._lanes.submit(SORTING, self._sort, book, stream_id)

    def _attempt(self, book: int, stream_id: UUID) -> bool:
        try:
            return self._orders.advance(book, stream_id)
        except LogUnavailable as unavailable:
            log.warning("payments.log_unavailable", stream_id=str(stream_id), reason=str(unavailable))
        except Exception:  # one order that cannot be advanced must neither stop the others nor pass as finished
            log.exception("payments.advance_failed", stream_id=str(stream_id))
        return False
