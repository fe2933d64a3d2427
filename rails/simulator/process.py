"""Runs the simulator as a process of its own for the duration of a block: for commands and tests that need a rail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS: Final = 10


class SimulatorDidNotStart(RuntimeError):
    """The process ended before it said where it listens; its own message is on standard error."""


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """Where to reach it, and the process to kill when dying is the point."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def running_simulator(database: Path, port: int = 0) -> Iterator[RunningSimulator]:
    """A simulator on loopback that has begun to listen. Raises `SimulatorDidNotStart`."""
    search_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "rails.simulator", "--port", str(port), "--database", str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": search_path}) as process:
        try:
            yield RunningSimulator(_address(process), process)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(process: subprocess.Popen[bytes]) -> str:
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        raise SimulatorDidNotStart(f"it ended with status {process.wait()}: read its message above")
    return str(json.loads(line)["url"])
