"""Wakes waiting requests when something is written to the stream they wait for.

One follower per API process reads the log once for all waiting requests; polling per request would cost the database
a query per waiter and tick. A wake-up is only a hint: the woken request folds its stream again and decides for
itself, so a missed or a spurious one can never change an answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol, TypeVar
from uuid import UUID

import structlog

from eventlog.errors import LogUnavailable
from eventlog.recorded import Recorded

Answer = TypeVar("Answer")
logger = structlog.get_logger(__name__)

BATCH_TIMEOUT_S = 0.5
LOG_LOST_PAUSE_S = 0.5


class EventSource(Protocol):
    """What the waiters need of `eventlog.follower.Follower`."""

    def next_batch(self, timeout: float = 1.0) -> list[Recorded]:
        """Events after the last batch; may be empty."""

    def skip(self) -> None:
        """Pass over what a reader who looks now can see."""


class Waiters:
    """The wake-up thread of one API process and the requests registered with it.

    At most `limit` requests wait at once: each holds one of the server's threads, and waiting must not starve writing.
    """

    def __init__(self, source: EventSource, limit: int = 32) -> None:
        self._source = source
        self._slots = threading.BoundedSemaphore(limit)
        self._waiting: dict[UUID, set[threading.Event]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._wanted = threading.Event()  # nobody waits most of the time: reading the log for nobody costs writers
        self._thread = threading.Thread(target=self._run, name="api-waiters", daemon=True)

    def start(self) -> None:
        """Begin to follow the log."""
        self._thread.start()

    def close(self) -> None:
        """Stop following and let every waiting request answer with what it has."""
        self._closing.set()
        with self._lock:
            self._wanted.set()
            for signals in self._waiting.values():
                for signal in signals:
                    signal.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the follower thread runs; the readiness probe asks."""
        return self._thread.is_alive()

    def until(
        self,
        stream_id: UUID,
        look: Callable[[], Answer],
        done: Callable[[Answer], bool],
        timeout_s: float,
    ) -> Answer:
        """Look, and look again after each write to the stream, until `done` or for `timeout_s`; answers the last look.

        Answers the first look at once when every slot for waiting requests is taken.
        """
        if timeout_s <= 0 or not self._slots.acquire(blocking=False):
            return look()
        try:
            with self._registered(stream_id) as signal:
                deadline = monotonic() + timeout_s
                while True:
                    signal.clear()
                    answer = look()
                    left = deadline - monotonic()
                    if done(answer) or left <= 0 or self._closing.is_set():
                        return answer
                    signal.wait(left)
        finally:
            self._slots.release()

    @contextmanager
    def _registered(self, stream_id: UUID) -> Iterator[threading.Event]:
        signal = threading.Event()
        with self._lock:
            if not self._waiting:
                self._source.skip()
                self._wanted.set()
            self._waiting.setdefault(stream_id, set()).add(signal)
        try:
            yield signal
        finally:
            with self._lock:
                signals = self._waiting[stream_id]
                signals.discard(signal)
                if not signals:
                    del self._waiting[stream_id]
                if not self._waiting and not self._closing.is_set():
                    self._wanted.clear()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wanted.wait()
            try:
                batch = self._source.next_batch(BATCH_TIMEOUT_S)
            except LogUnavailable:
                logger.warning("waiters_lost_the_log", retry_in_s=LOG_LOST_PAUSE_S)
                self._closing.wait(LOG_LOST_PAUSE_S)
                continue
            if batch:
                self._wake({recorded.stream_id for recorded in batch})

    def _wake(self, stream_ids: set[UUID]) -> None:
        with self._lock:
            for stream_id in stream_ids & self._waiting.keys():
                for signal in self._waiting[stream_id]:
                    signal.set()
