"""The supervisor keeps processes running and stops them in order; killed itself, it leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from daybook.running import AlreadyRunning, child_environment, running
from daybook.settings import Settings
from daybook.supervisor import ProcessNotReady, ProcessSpec, Supervisor
from ledger.client import EngineUnavailable, LedgerClient

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0

# Writes its name when it is told to stop, and ends by itself when its parent's pipe closes.
STOPS_POLITELY = """
import pathlib, signal, sys
name, book = sys.argv[1:]
def leave(*_):
    with open(book, "a") as lines:
        lines.write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
pathlib.Path(book + "." + name).touch()
sys.stdin.read()
"""


def _until(true: Callable[[], bool]) -> None:
    """Ask until the answer is yes; the pause between two questions decides nothing."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        threading.Event().wait(0.02)


def _spec(name: str, book: Path) -> ProcessSpec:
    started = Path(f"{book}.{name}")
    return ProcessSpec(name, (sys.executable, "-c", STOPS_POLITELY, name, str(book)), started.exists)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_processes_stop_in_the_reverse_order_of_their_start(tmp_path: Path) -> None:
    book = tmp_path / "stopped"
    supervisor = Supervisor([_spec(name, book) for name in ("first", "second", "third")], os.environ, 30)
    supervisor.start()
    supervisor.wait_ready(PATIENCE_S, threading.Event())
    supervisor.stop_all()
    assert book.read_text().split() == ["third", "second", "first"]
    assert supervisor.pids() == {}


def test_a_killed_process_is_started_again(tmp_path: Path) -> None:
    supervisor = Supervisor([_spec("only", tmp_path / "stopped")], os.environ, 30)
    supervisor.start()
    try:
        supervisor.wait_ready(PATIENCE_S, threading.Event())
        before = supervisor.pids()["only"]
        os.kill(before, signal.SIGKILL)

        def is_back() -> bool:
            supervisor.step()
            return supervisor.pids().get("only", before) != before

        _until(is_back)
    finally:
        supervisor.stop_all()


def test_a_process_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    started = tmp_path / "started"
    code = (
        "import pathlib, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "pathlib.Path(sys.argv[1]).touch(); sys.stdin.read()"
    )
    spec = ProcessSpec("deaf", (sys.executable, "-c", code, str(started)), started.exists)
    supervisor = Supervisor([spec], os.environ, stop_timeout_s=0.2)
    supervisor.start()
    supervisor.wait_ready(PATIENCE_S, threading.Event())
    process = psutil.Process(supervisor.pids()["deaf"])
    supervisor.stop_all()
    assert not process.is_running()


def test_a_process_that_never_gets_ready_is_named() -> None:
    spec = ProcessSpec("hopeless", (sys.executable, "-c", "import sys; sys.stdin.read()"), lambda: False)
    supervisor = Supervisor([spec], os.environ, 30)
    supervisor.start()
    try:
        with pytest.raises(ProcessNotReady, match="hopeless"):
            supervisor.wait_ready(0.1, threading.Event())
    finally:
        supervisor.stop_all()


def test_a_second_copy_under_one_home_is_refused_and_a_guest_uses_the_first(tmp_path: Path, database_url: str) -> None:
    settings = Settings(home=tmp_path / "home", database_url=database_url, simulator_port=_free_port())
    with running(settings, ["simulator"]) as owner:
        assert owner.supervisor is not None
        with running(settings, ["simulator"]) as guest:
            assert guest.supervisor is None
        with pytest.raises(AlreadyRunning, match="DAYBOOK_HOME"), running(settings, ["simulator"], exclusive=True):
            pass
        assert set(owner.supervisor.pids()) == {"simulator"}


def test_the_engine_answers_on_its_socket_and_comes_back_after_a_kill(
    server_directory: Path, database_url: str
) -> None:
    settings = Settings(home=server_directory, database_url=database_url)
    with (
        running(settings, ["engine"]) as copy,
        contextlib.closing(LedgerClient(settings.engine_socket)) as client,
    ):
        supervisor = copy.supervisor
        assert supervisor is not None

        def answers() -> bool:
            supervisor.step()
            try:
                return client.ping(book=settings.book).status == "found"
            except EngineUnavailable:
                return False

        _until(answers)
        before = supervisor.pids()["engine"]
        os.kill(before, signal.SIGKILL)
        _until(lambda: answers() and supervisor.pids().get("engine", before) != before)
    assert supervisor.pids() == {}


def test_a_worker_stops_when_its_supervisor_is_killed(tmp_path: Path, database_url: str) -> None:
    settings = Settings(home=tmp_path / "home", database_url=database_url, simulator_port=_free_port())
    worker = subprocess.Popen(
        [sys.executable, "-m", "daybook", "worker", "--role", "simulator", "--stop-with-parent"],
        stdin=subprocess.PIPE,
        env=child_environment(settings),
        cwd=tmp_path,
    )

    def answers() -> bool:
        try:
            socket.create_connection((settings.simulator_host, settings.simulator_port), timeout=1).close()
        except OSError:
            return False
        return True

    try:
        _until(answers)
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(PATIENCE_S) == 0
    finally:
        worker.kill()
        worker.wait()
