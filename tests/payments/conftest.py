"""Shops with and without a rail; the rail is the real simulator behind a real connection."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from rails.registry import open_rail
from rails.simulator.process import RunningSimulator, running_simulator
from tests.payments.shop import Shop, open_shop

_RANGES = itertools.count(1)


@pytest.fixture
def shop() -> Shop:
    """Without any rail that could be called."""
    return open_shop(None)


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with running_simulator(tmp_path_factory.mktemp("simulator") / "books.sqlite") as simulator:
        yield simulator


@pytest.fixture
def rail_shop(simulator: RunningSimulator) -> Iterator[Shop]:
    """With the simulator behind a real connection. Ids start apart per test: the simulator's books outlive tests."""
    rail = open_rail("simulated", {"url": simulator.url, "read_timeout": "5"})
    shop = open_shop(rail)
    shop.numbers = itertools.count(next(_RANGES) << 64)
    yield shop
    rail.close()
