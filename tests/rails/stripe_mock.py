"""stripe-mock: Stripe's own schema of every request as a server, which refuses what does not fit and keeps nothing.

It is built by Go into the checkout, once. Where Go or the module is not to be had the test is skipped, and the summary
of the run says so; in CI that is a failure.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.rails.processes import listening

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "v0.203.0"
DIRECTORY = Path(__file__).resolve().parents[2] / "build" / f"stripe-mock-{VERSION}"
BUILD_PATIENCE_S = 300


def program() -> Path:
    """The program, built if need be."""
    built = DIRECTORY / "stripe-mock"
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with (DIRECTORY / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may come here at once
        if not built.exists():
            _build()
    return built


def _build() -> None:
    go = shutil.which("go")
    if go is None:
        _do_without("there is no Go")
        return
    command = [go, "install", f"github.com/stripe/stripe-mock@{VERSION}"]
    environment = {**os.environ, "GOBIN": str(DIRECTORY)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=BUILD_PATIENCE_S, check=False
    )
    if done.returncode != 0:
        _do_without(f"Go could not build it: {done.stderr.strip()}")


def _do_without(reason: str) -> None:
    reason = f"stripe-mock {VERSION} holds our requests against Stripe's schema, and {reason}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running_stripe_mock() -> Iterator[str]:
    """The address of one."""
    command = [str(program()), "-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0"]
    with listening(command, r"HTTP at address: \S+:(\d+)") as url:
        yield url
