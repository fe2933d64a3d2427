"""A whole copy of Daybook for as long as a block lasts: the database, and every process that is not there yet."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx
from pydantic import SecretStr

from daybook.database import open_database
from daybook.listener import listen
from daybook.roles import ROLES, START_ORDER
from daybook.settings import Settings
from daybook.supervisor import ProcessSpec, Supervisor

READY_TIMEOUT_S = 60.0
PROBE_TIMEOUT_S = 1.0
ORPHANS_STOP_S = 5.0
"""Processes of a supervisor that was killed stop by themselves, but keep the port until they have."""


class AlreadyRunning(RuntimeError):
    """Another supervisor owns this DAYBOOK_HOME; two engines on one book would fence each other out."""


@dataclass(frozen=True)
class Running:
    """What a block may use: settings with a ``database_url``, and the supervisor, or None if another one runs."""

    settings: Settings
    supervisor: Supervisor | None


@contextlib.contextmanager
def running(
    settings: Settings, roles: Sequence[str], stop: threading.Event | None = None, *, exclusive: bool = False
) -> Iterator[Running]:
    """Start the database and the processes of `roles`, wait until they are ready, stop them at the end.

    If a supervisor already runs under this home its processes are used and nothing is started, unless `exclusive`,
    which raises `AlreadyRunning`. Raises `ProcessNotReady` and what `open_database` raises.
    """
    stop = stop or threading.Event()
    with _claim(settings.home) as claimed, open_database(settings) as ready_settings:
        if not claimed:
            if exclusive:
                raise AlreadyRunning(f"another process runs {settings.home}; set DAYBOOK_HOME to start a second copy")
            yield Running(ready_settings, None)
            return
        with _process_specs(roles, ready_settings) as specs:
            supervisor = Supervisor(specs, child_environment(ready_settings), settings.stop_timeout_s)
            try:
                supervisor.start()
                supervisor.wait_ready(READY_TIMEOUT_S, stop)
                yield Running(ready_settings, supervisor)
            finally:
                supervisor.stop_all()


@contextlib.contextmanager
def _process_specs(roles: Sequence[str], settings: Settings) -> Iterator[list[ProcessSpec]]:
    """Say how to run each role as a process and how to see that it serves; what they share is held for the block.

    Raises OSError when the API's port is taken.
    """
    probes: dict[str, Callable[[], bool]] = {
        "engine": partial(_accepts_unix, settings.engine_socket),
        "simulator": partial(_accepts_tcp, settings.simulator_host, settings.simulator_port),
    }
    wanted = [name for name in START_ORDER if name in roles and name in ROLES]
    specs = [ProcessSpec(name, _command(name), probes.get(name, _ready)) for name in wanted if name != "api"]
    if "api" not in wanted:
        yield specs
        return
    with (
        listen(settings.api_host, settings.api_port, ORPHANS_STOP_S) as listener,
        tempfile.TemporaryDirectory() as metrics,
    ):
        api = ProcessSpec(
            "api",
            _command("api"),
            partial(_answers_http, f"{settings.api_url}/readyz"),
            environment={"DAYBOOK_API_LISTENER": str(listener.fileno()), "PROMETHEUS_MULTIPROC_DIR": metrics},
            inherits=(listener.fileno(),),
        )
        further = [replace(api, name=f"api-{number}") for number in range(2, settings.api_processes + 1)]
        yield [*specs, api, *further]


def _command(role: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "daybook", "worker", "--role", role, "--stop-with-parent")


def _ready() -> bool:
    """A role that listens nowhere is ready once it runs."""
    return True


def child_environment(settings: Settings) -> dict[str, str]:
    """Give the environment of a worker process: ours, with the settings it must share spelt out.

    The folder of our packages comes along, so that a copy that was never installed can start workers too.
    """
    root = str(Path(__file__).resolve().parent.parent)
    search_path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    shared = {
        f"DAYBOOK_{name.upper()}": _text(value) for name, value in settings.model_dump().items() if value is not None
    }
    return {**os.environ, **shared, "DAYBOOK_HOME": str(settings.home.absolute()), "PYTHONPATH": search_path}


def _text(value: object) -> str:
    """A setting as the environment says it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, dict) else str(value)


@contextlib.contextmanager
def _claim(home: Path) -> Iterator[bool]:
    """Own the home's processes for a block; gives False when somebody else does. The kernel forgets a killed owner."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "supervisor.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _answers_http(url: str) -> bool:
    try:
        return httpx.get(url, timeout=PROBE_TIMEOUT_S, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _accepts_tcp(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=PROBE_TIMEOUT_S):
            return True
    except OSError:
        return False


def _accepts_unix(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
