"""Keep a set of processes running, and stop them in the order that loses nothing.

Each process runs in a session of its own, so that Ctrl-C reaches only the supervisor, which then stops them one after
the other. Each also holds the read end of a pipe from the supervisor: should the supervisor be killed outright, the
pipe closes and the processes stop by themselves instead of living on unseen.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
# A process that lived this long was healthy: its next crash starts again with the shortest pause.
HEALTHY_AFTER_S = 30.0
POLL_S = 0.1

log = structlog.get_logger(__name__)


class ProcessNotReady(RuntimeError):
    """A process did not get ready in time; its own log lines say why."""


@dataclass(frozen=True)
class ProcessSpec:
    """What to run and how to see that it is ready to serve."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool] = lambda: True
    environment: Mapping[str, str] = field(default_factory=dict)
    """What it is told beside the environment of all."""
    inherits: tuple[int, ...] = ()
    """Open descriptors that stay open, under the same numbers, in every process started from this."""


@dataclass
class _Child:
    spec: ProcessSpec
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    crashes: int = 0
    restart_at: float = 0.0
    said_ready: bool = field(default=False)


class Supervisor:
    """Runs `specs`, listed in start order; they stop in the reverse order.

    `environment` is the whole environment of every process. `stop_timeout_s` is how long each may take to stop before
    it is killed, which the event log survives by design.
    """

    def __init__(self, specs: Sequence[ProcessSpec], environment: Mapping[str, str], stop_timeout_s: float) -> None:
        self._children = [_Child(spec) for spec in specs]
        self._environment = dict(environment)
        self._stop_timeout_s = stop_timeout_s

    def start(self) -> None:
        """Start every process; returns at once."""
        for child in self._children:
            self._launch(child)

    def wait_ready(self, timeout_s: float, stop: threading.Event) -> None:
        """Return when every process is ready or `stop` is set. Raises `ProcessNotReady` after `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while not stop.is_set():
            waiting = [child.spec.name for child in self._children if not self._is_ready(child)]
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise ProcessNotReady(f"not ready after {timeout_s:g} s: {', '.join(waiting)}")
            self.step()
            stop.wait(POLL_S)

    def run(self, stop: threading.Event) -> None:
        """Restart whatever ends until `stop` is set. Call `stop_all` afterwards."""
        while not stop.wait(POLL_S):
            self.step()

    def step(self) -> None:
        """Look once at every process: note a crash, start again what has waited long enough."""
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._note_crash(child, now)
            if child.process is None and now >= child.restart_at:
                self._launch(child)

    def stop_all(self) -> None:
        """Stop the processes one after the other, the last started first."""
        for child in reversed(self._children):
            self._stop(child)

    def pids(self) -> dict[str, int]:
        """Give the process id of each process that runs now, by name."""
        return {child.spec.name: child.process.pid for child in self._children if child.process is not None}

    def _launch(self, child: _Child) -> None:
        child.said_ready = False
        child.started_at = time.monotonic()
        child.process = subprocess.Popen(
            list(child.spec.command),
            stdin=subprocess.PIPE,
            env={**self._environment, **child.spec.environment},
            pass_fds=child.spec.inherits,
            start_new_session=True,
        )
        log.debug("process started", process=child.spec.name, pid=child.process.pid)

    def _note_crash(self, child: _Child, now: float) -> None:
        process = child.process
        if process is None:
            return
        self._close_pipe(process)
        child.crashes = 1 if now - child.started_at > HEALTHY_AFTER_S else child.crashes + 1
        pause = min(FIRST_PAUSE_S * 2 ** (child.crashes - 1), LONGEST_PAUSE_S)
        child.restart_at = now + pause
        child.process = None
        log.warning("process ended", process=child.spec.name, code=process.returncode, again_in_s=pause)

    def _is_ready(self, child: _Child) -> bool:
        if child.process is None:
            return False
        if not child.said_ready:
            child.said_ready = child.process.poll() is None and child.spec.ready()
        return child.said_ready

    def _stop(self, child: _Child) -> None:
        process = child.process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            log.error("process killed: it did not stop", process=child.spec.name, after_s=self._stop_timeout_s)
            process.kill()
            process.wait()
        self._close_pipe(process)
        child.process = None

    @staticmethod
    def _close_pipe(process: subprocess.Popen[bytes]) -> None:
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
