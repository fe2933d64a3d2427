"""A simulator per file, as a process of its own; for each test its books are empty and its clock stands still."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from rails.simulator.process import RunningSimulator, running_simulator
from tests.rails.simulator.desk import START, Desk


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with running_simulator(tmp_path_factory.mktemp("simulator") / "books.sqlite3") as simulator:
        yield simulator


@pytest.fixture(scope="module")
def http(simulator: RunningSimulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.url, trust_env=False) as http:
        yield http


@pytest.fixture
def desk(http: httpx.Client) -> Desk:
    assert http.post("/reset").status_code == 200
    desk = Desk(http)
    desk.clock(set=START, freeze=True)
    return desk
