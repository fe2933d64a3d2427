"""Group commit: commands that arrive while a commit is under way share the next one.

A commit costs a disk flush whatever it carries, so one committer drains a queue into one append. The append says
which command lost its race, so one duplicate never slows the others down.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import psycopg

from eventlog.append import Command, append, conflict, stored_already
from eventlog.errors import LogUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

COMMANDS_PER_COMMIT_MAX = 500
EVENTS_PER_COMMIT_MAX = 5_000
RECONNECT_SECONDS_MAX = 15.0
PACE_SECONDS = 0.0015  # commits begin at least so far apart: each costs the database the same, whatever it carries


class _Submission:
    """One caller waiting for its command's outcome."""

    __slots__ = ("command", "done", "outcome")

    def __init__(self, command: Command) -> None:
        self.command = command
        self.done = threading.Lock()
        self.done.acquire()
        self.outcome: list[int] | BaseException | None = None

    def answer(self, outcome: list[int] | BaseException) -> None:
        self.outcome = outcome
        self.done.release()


class GroupCommitter:
    """Owns one connection and the thread that commits on it. `committed` hears the topics of each commit."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], committed: Callable[[set[str]], None]) -> None:
        self._connect = connect
        self._committed = committed
        self._connection: psycopg.Connection[Any] | None = None
        self._queue: deque[_Submission] = deque()
        self._waiting = threading.Condition(threading.Lock())
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, command: Command) -> list[int]:
        """Waits until the command is durable and answers its positions.

        Raises IntegrityError when its stream has moved on, LogUnavailable when the outcome could not be learnt.
        """
        submission = _Submission(command)
        with self._waiting:
            if self._closing:
                message = "The log is closed: no command is taken any more."
                raise LogUnavailable(message)
            self._queue.append(submission)
            self._waiting.notify()
        submission.done.acquire()
        if isinstance(submission.outcome, BaseException):
            raise submission.outcome
        assert submission.outcome is not None  # noqa: S101 - narrowing only; answer() always sets it
        return submission.outcome

    def close(self) -> None:
        """Commits what has been taken, then ends the thread and its connection."""
        with self._waiting:
            self._closing = True
            self._waiting.notify()
        self._thread.join()
        if self._connection is not None:
            self._connection.close()

    def _run(self) -> None:
        paced_until = 0.0
        while batch := self._next_batch(paced_until):
            paced_until = time.monotonic() + PACE_SECONDS
            try:
                self._commit(batch)
            except BaseException as error:  # noqa: BLE001 - whatever it is, every caller must be answered
                for submission in batch:
                    if submission.outcome is None:
                        submission.answer(error)

    def _next_batch(self, paced_until: float) -> list[_Submission]:
        """Waits for work; a second command on a stream of this batch stays queued, so that it meets a settled log."""
        with self._waiting:
            while not self._queue and not self._closing:
                self._waiting.wait()
        time.sleep(max(0.0, paced_until - time.monotonic()))
        with self._waiting:
            batch: list[_Submission] = []
            later: list[_Submission] = []
            streams: set[UUID | str] = set()
            events = 0
            while self._queue and len(batch) < COMMANDS_PER_COMMIT_MAX and events < EVENTS_PER_COMMIT_MAX:
                submission = self._queue.popleft()
                touched = {event.originator_id for event in submission.command.events}
                if streams.isdisjoint(touched):
                    batch.append(submission)
                    events += len(submission.command.events)
                else:
                    later.append(submission)
                streams |= touched
            self._queue.extendleft(reversed(later))
            return batch

    def _commit(self, batch: list[_Submission]) -> None:
        """Appends until every submission has its answer, through races and lost connections."""
        uncertain = False
        give_up_at = time.monotonic() + RECONNECT_SECONDS_MAX
        raced = 0
        while batch:
            group = batch if raced < 2 else batch[:1]  # a race that comes twice is settled one command at a time
            try:
                connection = self._connected()
                outcomes = append(connection, [submission.command for submission in group])
            except psycopg.errors.UniqueViolation:
                raced += 1
                if len(batch) == 1 and raced > 2:
                    batch.pop().answer(conflict(group[0].command))
                continue
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                uncertain = True
                self._connection = None
                if time.monotonic() > give_up_at:
                    message = "The log could not be reached; look the stream up before trying again."
                    raise LogUnavailable(message) from error
                time.sleep(0.05)
                continue
            self._committed({event.topic for submission in group for event in submission.command.events})
            for submission, positions in zip(group, outcomes, strict=True):
                if positions is None and uncertain:
                    positions = stored_already(connection, submission.command)
                submission.answer(positions if positions is not None else conflict(submission.command))
            batch = batch[len(group) :]

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection
