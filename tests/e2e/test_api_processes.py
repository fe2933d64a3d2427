"""Several processes serve one port: their counts are told as one, and the death of one costs no later caller
anything."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from daybook.running import running
from daybook.settings import Settings
from daybook.supervisor import Supervisor

COUNTED = re.compile(r'^daybook_http_requests_total\{.*route="/healthz".*\} (\d+)', re.MULTILINE)

LAG = re.compile(r'^daybook_view_lag_seconds\{build="1",state="live",view="balances"\} [\d.]+$', re.MULTILINE)


@pytest.fixture
def copy(tmp_path: Path, database_url: str) -> Iterator[tuple[Settings, Supervisor]]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(home=tmp_path / "home", database_url=database_url, api_port=port)
    with running(settings, ("views", "api")) as started:
        assert started.supervisor is not None
        yield settings, started.supervisor


def ask(settings: Settings, path: str) -> httpx.Response:
    """One request on a connection of its own, so that either process may get it."""
    return httpx.get(settings.api_url + path, trust_env=False, timeout=20)


def test_processes_count_as_one_and_one_may_die(copy: tuple[Settings, Supervisor]) -> None:
    settings, supervisor = copy
    assert {"api", "api-2"} <= supervisor.pids().keys()
    before = counted(settings)
    assert {ask(settings, "/healthz").status_code for _ in range(30)} == {200}
    assert counted(settings) == before + 30
    os.kill(supervisor.pids()["api"], signal.SIGKILL)
    os.waitid(os.P_PID, supervisor.pids()["api"], os.WEXITED | os.WNOWAIT)
    assert {ask(settings, "/healthz").status_code for _ in range(30)} == {200}
    assert counted(settings) == before + 60


def test_every_process_tells_how_far_the_views_are(copy: tuple[Settings, Supervisor]) -> None:
    settings, _ = copy
    for _ in range(6):  # whichever process answers
        assert len(LAG.findall(ask(settings, "/metrics").text)) == 1


def counted(settings: Settings) -> int:
    """How many probes the processes say they have answered."""
    return sum(int(found) for found in COUNTED.findall(ask(settings, "/metrics").text))
