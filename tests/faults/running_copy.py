"""A whole copy of the program under `daybook run`, whose processes can be killed one by one."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psutil

from daybook.embedded_postgres import EmbeddedPostgres
from daybook.running import child_environment
from daybook.settings import Settings

SUPERVISOR = "supervisor"
POSTMASTER = "postmaster"
BACKEND = "a session of postgres"
PATIENCE_S = 90.0


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def wait_until(true: Callable[[], bool], what: str) -> None:
    """Ask until the answer is yes; the pause between two questions decides nothing."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"waited too long until {what}"
        threading.Event().wait(0.02)


class RunningCopy:
    """`daybook run` on a home of its own, with its embedded PostgreSQL; use it as a context.

    Between `stop` and `start` other `settings` may be given, as by an operator who changes a variable. What all
    processes log goes into the file `log`, else to where the test's own goes.
    """

    def __init__(self, directory: Path, log: Path | None = None) -> None:
        self._log = log
        api_port, simulator_port = free_ports(2)
        self._directory = directory
        self.settings = Settings(home=directory / "home", api_port=api_port, simulator_port=simulator_port)
        self._postgres = EmbeddedPostgres(self.settings.postgres_directory)
        self._process: subprocess.Popen[str] | None = None
        self.api_key = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever still runs, because a test failed, is ended the hard way, the supervisor first."""
        assert self._process is not None
        if self._process.poll() is None:
            processes = [psutil.Process(self._process.pid), *psutil.Process(self._process.pid).children()]
            for process in processes:
                process.kill()
            self._process.wait()
            psutil.wait_procs(processes, PATIENCE_S)
        self._close_output()
        with self._postgres:  # and stopped, or its shared memory would stay behind
            pass

    def stop(self) -> None:
        """SIGTERM to the supervisor ends all of it, in good order, whatever was killed before."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.terminate()
        assert self._process.wait(PATIENCE_S) == 0
        assert children
        assert [child for child in children if child.is_running()] == []
        assert not self._postgres.is_running()
        self._close_output()

    @property
    def database_url(self) -> str:
        """The embedded database, for whoever looks into the books beside the program."""
        return self._postgres.conninfo("daybook")

    def start(self) -> None:
        """Start the supervisor and wait until it says that everything is ready."""
        with contextlib.nullcontext() if self._log is None else self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "daybook", "run", "--json"],
                stdout=subprocess.PIPE,
                stderr=log,
                env=child_environment(self.settings),
                cwd=self._directory,
                text=True,
            )
        assert self._process.stdout is not None
        told = self._process.stdout.readline()
        assert told, f"daybook run ended with {self._process.wait(PATIENCE_S)} before it was ready"
        self.api_key = json.loads(told)["api_key"]

    def kill(self, victim: str) -> None:
        """SIGKILL to one process, and wait until another has taken its place."""
        found: list[int] = []
        wait_until(lambda: found.extend(filter(None, [self._pid(victim)])) or bool(found), f"{victim} runs")
        before = found[0]
        psutil.Process(before).kill()
        if victim == SUPERVISOR:
            assert self._process is not None
            self._process.wait(PATIENCE_S)
            self._close_output()
            self.start()
        wait_until(lambda: self._pid(victim) not in (None, before), f"{victim} is back")

    def _pid(self, victim: str) -> int | None:
        assert self._process is not None
        try:
            if victim == SUPERVISOR:
                return self._process.pid
            if victim in (POSTMASTER, BACKEND):
                postmaster = int((self._postgres.data / "postmaster.pid").read_text().split("\n", 1)[0])
                return postmaster if victim == POSTMASTER else _session_of(postmaster)
            for child in psutil.Process(self._process.pid).children():
                if f"--role {victim} " in " ".join(child.cmdline()):
                    return child.pid
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None
        return None

    def _close_output(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()


def _session_of(postmaster: int) -> int | None:
    """The oldest session of the program's role; when one dies by SIGKILL the postmaster ends all and recovers."""
    for child in psutil.Process(postmaster).children():
        if " daybook " in " ".join(child.cmdline()):
            return child.pid
    return None
