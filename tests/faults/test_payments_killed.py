"""SIGKILL of the payment process at every point around a call of a rail: after a restart its books and ours agree on
every order, nobody is charged twice, and nothing was guessed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from daybook.running import child_environment
from daybook.settings import Settings
from rails.simulator.process import RunningSimulator, running_simulator
from tests.faults.killed_payments import OPERATIONS, POINTS
from tests.faults.orders_at_rail import DOUBTFUL, EACH, Orders, is_attempted, timers_filled, wishes
from tests.faults.running_copy import PATIENCE_S, wait_until

ROOT = Path(__file__).resolve().parents[2]
ORDINARY = (sys.executable, "-m", "daybook", "worker", "--role", "payments")
DYING = (sys.executable, "-m", "tests.faults.killed_payments")
TIMES: Final = {
    "authorise": sum(EACH.values()),
    "capture": EACH["captured"],
    "void": EACH["voided"],
    "inquire": len(DOUBTFUL),
    "inquire-capture": len(DOUBTFUL),
}
"""How often each operation is sure to be reached."""
IN_DOUBT: Final = {"inquire": "authorise", "inquire-capture": "capture"}
DONE: Final = {"capture": "captured ", "inquire-capture": "captured ", "void": "voided "}
SHORT: Final = dict.fromkeys(IN_DOUBT, ("after_send", "after_commit"))
"""Points of which only the long form shows the others; of an operation that is not named all are shown every time."""
CASES: Final = [
    pytest.param(
        operation,
        point,
        seed,
        marks=[pytest.mark.long] if seed > 1 or point not in SHORT.get(operation, POINTS) else [],
    )
    for seed in (1, 2)
    for operation in OPERATIONS
    for point in POINTS
]


@pytest.fixture(scope="module")
def simulator_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("simulator") / "books.sqlite3"


@pytest.fixture(scope="module")
def simulator(simulator_database: Path) -> Iterator[RunningSimulator]:
    with running_simulator(simulator_database) as simulator:
        yield simulator


@pytest.fixture
def orders(
    database_url: str, simulator: RunningSimulator, simulator_database: Path, tmp_path: Path
) -> Iterator[Orders]:
    """A book of its own for each test, and empty books of the rail."""
    address = urlsplit(simulator.url)
    assert address.hostname
    assert address.port
    settings = Settings(
        home=tmp_path / "home",
        database_url=database_url,
        simulator_host=address.hostname,
        simulator_port=address.port,
        timer_interval_s=0.1,
    )
    orders = Orders(settings, simulator_database)
    try:
        yield orders
    finally:
        orders.close()


@contextmanager
def process(settings: Settings, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A payment process for the duration of a block; at its end it is gone, if need be the hard way."""
    environment = child_environment(settings)
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def died(dying: subprocess.Popen[str]) -> uuid.UUID:
    """Wait for the end by its own hand; the stream of the order at which it came."""
    assert dying.wait(PATIENCE_S) == -signal.SIGKILL
    assert dying.stdout is not None
    return uuid.UUID(dying.stdout.readline().strip())


def look_at_the_gap(orders: Orders, stream: uuid.UUID, operation: str, point: str) -> None:
    """The process died where it was to die: what the rail has done, and what of it our books know."""
    history, rows = orders.histories()[stream], orders.rows(orders.order_id(stream))
    known = DONE[operation] in history if operation in DONE else is_attempted(history)
    assert known == (point == "after_commit")
    if operation == "authorise":
        assert ("attempt-started " in history) == (point != "before_append")
        done = len(rows) == 1
    else:
        done = rows[0]["state"] == "voided" if operation == "void" else rows[0]["captured_minor"] > 0
    if operation in IN_DOUBT:
        assert done
        assert "attempt-outcome-unknown " in history
    elif point in ("after_send", "after_reply", "after_commit"):
        assert done
    elif point == "after_append" or (operation, point) == ("authorise", "before_append"):
        assert not done


def asked_until_dead(orders: Orders, dying: subprocess.Popen[str]) -> bool:
    """Ask for what can be asked for by now; whether nobody does anything about it any more."""
    orders.ask_for_the_rest()
    return dying.poll() is not None


def finish(orders: Orders) -> None:
    """Let an ordinary process do what is left."""
    with process(orders.settings, *ORDINARY):
        orders.wait_for_attempts()
        orders.ask_for_the_rest()
        orders.wait_for_the_end()
        orders.wait_until_looked_at()


@pytest.mark.parametrize(("operation", "point", "seed"), CASES)
def test_after_a_kill_around_a_call_of_a_rail_the_books_of_both_are_right(
    orders: Orders, tmp_path: Path, operation: str, point: str, seed: int
) -> None:
    name = f"{seed}/{operation}/{point}"
    count = random.Random(name).randint(1, TIMES[operation])
    orders.place(wishes(name, IN_DOUBT.get(operation)))
    with timers_filled(orders.log):
        with process(orders.settings, *DYING, operation, point, str(count)) as dying:
            if operation not in ("authorise", "inquire"):
                orders.wait_for_attempts()
                orders.ask_for_the_rest()
            stream = died(dying)
        look_at_the_gap(orders, stream, operation, point)
        finish(orders)
    assert orders.findings(tmp_path) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_after_kills_one_after_the_other_the_books_of_both_are_right(orders: Orders, tmp_path: Path, seed: int) -> None:
    """What one process leaves behind is what the next one begins with, and dies over."""
    rng = random.Random(seed)
    with timers_filled(orders.log):
        for operation in rng.sample(OPERATIONS, k=2 * len(OPERATIONS), counts=[2] * len(OPERATIONS)):
            point, count = rng.choice(list(POINTS)), rng.randint(1, TIMES[operation])
            orders.place(wishes(rng.random(), IN_DOUBT.get(operation)))
            with process(orders.settings, *DYING, operation, point, str(count)) as dying:
                wait_until(partial(asked_until_dead, orders, dying), f"{operation} {point} is reached")
                died(dying)
        finish(orders)
    assert orders.findings(tmp_path) == []
