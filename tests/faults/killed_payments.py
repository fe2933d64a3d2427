"""The payment process as the role `payments` runs it, but for its end: at a point around a call of the simulator it
sends SIGKILL to itself.

    python -m tests.faults.killed_payments OPERATION POINT COUNT

dies when `POINT` of `OPERATION` is reached for the `COUNT`-th time, and says on its output at which order's stream it
was. The settings are those of every process.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID

import httpx
from eventsourcing.persistence import StoredEvent, Tracking

from daybook import bootstrap
from daybook.roles import run_role
from daybook.settings import Settings
from domain.payment_order import PaymentOrder
from eventlog.postgres import PostgresRecorder
from rails.guarded import GuardedRail, guarded
from rails.port import (
    AuthoriseReply,
    AuthoriseRequest,
    CaptureReply,
    CaptureRequest,
    InquiryReply,
    InquiryRequest,
    VoidReply,
    VoidRequest,
)
from rails.retries import Waits
from rails.simulated import SimulatedRail

OPERATIONS: Final = ("authorise", "capture", "void", "inquire", "inquire-capture")
POINTS: Final = {
    "before_append": "what is to be written next is not: the attempt's start of `authorise`, else the outcome",
    "after_append": "it is written that the rail is to be called; it has not been",
    "after_write": "the request has left; what becomes of it is the rail's",
    "after_send": "the rail has taken it and its reply has arrived; nobody has looked at it",
    "after_reply": "the adapter has answered; the outcome is not written",
    "after_commit": "the outcome is written; the checkpoint is not",
}
"""By name, in the order in which a call reaches them: what is so at that point."""
NO_SECOND_TRY: Final = Waits(stopped=lambda: True)
"""What is not known after one call is asked about; a second call under the same key would find out mostly."""
STARTED: Final = "payment-order.attempt-started.v1"
WRITTEN: Final = "http11.send_request_body.complete"


class Fuse:
    """Counts how often the point is reached; the last time is the end. Each thread is at one call of one order."""

    def __init__(self, operation: str, point: str, count: int) -> None:
        if operation not in OPERATIONS or point not in POINTS:
            message = f"{operation} {point}: no such point"
            raise ValueError(message)
        self._moment = (operation, point)
        self._left = count
        self._lock = threading.Lock()
        self._here = threading.local()

    @property
    def operation(self) -> str | None:
        """The operation whose outcome this thread has still to write."""
        operation: str | None = getattr(self._here, "operation", None)
        return operation

    @operation.setter
    def operation(self, operation: str | None) -> None:
        self._here.operation = operation

    def looks_at(self, stream: UUID | str) -> None:
        """The order that this thread is at."""
        self._here.stream = stream

    def reached(self, point: str) -> None:
        """Does not come back from the last time."""
        if (self.operation, point) != self._moment:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.write(sys.stdout.fileno(), f"{self._here.stream}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)


class DyingRecorder(PostgresRecorder):
    """The points around what is appended."""

    def __init__(self, database_url: str, fuse: Fuse, **options: Any) -> None:
        super().__init__(database_url, **options)
        self._fuse = fuse

    def select_events(self, originator_id: UUID | str, **bounds: Any) -> Sequence[StoredEvent]:
        found = super().select_events(originator_id, **bounds)
        if found and found[0].topic.startswith(f"{PaymentOrder.TOPIC}."):
            self._fuse.looks_at(originator_id)
        return found

    def insert_events(  # type: ignore[override]  # as the class above
        self, stored_events: Sequence[StoredEvent], tracking: Tracking | None = None, **why: Any
    ) -> Sequence[int] | None:
        if not stored_events:
            return super().insert_events(stored_events, tracking, **why)
        starts = any(event.topic == STARTED for event in stored_events)
        if starts:
            self._fuse.operation = "authorise"
        if starts or self._fuse.operation != "authorise":
            self._fuse.reached("before_append")
        positions = super().insert_events(stored_events, tracking, **why)
        if not starts:
            self._fuse.reached("after_commit")
            self._fuse.operation = None
        return positions


class DyingRail(SimulatedRail):
    """The points of a call: around the adapter, and below it where the request leaves and the reply comes in."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(url)
        self._fuse = fuse
        self._client.event_hooks = {"request": [self._watch], "response": [self._arrived]}

    def authorise(self, request: AuthoriseRequest) -> AuthoriseReply:
        self._begin("authorise")
        return self._answered(super().authorise(request))

    def capture(self, request: CaptureRequest) -> CaptureReply:
        self._begin("capture")
        return self._answered(super().capture(request))

    def void(self, request: VoidRequest) -> VoidReply:
        self._begin("void")
        return self._answered(super().void(request))

    def inquire(self, request: InquiryRequest) -> InquiryReply:
        self._begin("inquire" if request.capture_key is None else "inquire-capture")
        return self._answered(super().inquire(request))

    def _begin(self, operation: str) -> None:
        self._fuse.operation = operation
        self._fuse.reached("after_append")

    def _answered(self, reply: Any) -> Any:
        self._fuse.reached("after_reply")
        return reply

    def _watch(self, request: httpx.Request) -> None:
        request.extensions["trace"] = self._wrote

    def _wrote(self, event: str, _: Any) -> None:
        if event == WRITTEN:
            self._fuse.reached("after_write")

    def _arrived(self, response: httpx.Response) -> None:
        response.read()
        self._fuse.reached("after_send")


def main(operation: str, point: str, count: str) -> None:
    """Run the role, its rail and its recorder exchanged, until the end."""
    settings, fuse = Settings(), Fuse(operation, point, int(count))

    class Recorder(DyingRecorder):
        """As the role makes it."""

        def __init__(self, database_url: str, **options: Any) -> None:
            super().__init__(database_url, fuse, **options)

    def rails(settings: Settings, _: object) -> dict[str, GuardedRail]:
        return guarded({SimulatedRail.name: DyingRail(settings.simulator_url, fuse)}, {}, NO_SECOND_TRY)

    with patch.multiple(bootstrap, PostgresRecorder=Recorder, rails=rails):
        run_role("payments", settings, threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
