"""Rails from the command line, as the payment process has measured them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daybook.bootstrap import checkout, event_log
from daybook.commands.rails import standing
from daybook.running import running
from daybook.settings import Settings
from payments.commands import CreateOrder
from rails.simulator.magic import SERVER_ERROR_BEFORE_EFFECT
from tests.docs.reader import free_ports
from tests.e2e.test_ledger_commands import Shell

PATIENCE_S = 30.0
VISA = "tok_visa"
TIMEOUTS = {"simulated": {"authorise": 30, "inquire": 5}}


@pytest.fixture
def copy(database_url: str, tmp_path: Path) -> Iterator[Settings]:
    """A payment process, the simulator, and time-outs of somebody's own."""
    (port,) = free_ports(1)
    settings = Settings(
        home=tmp_path / "home", database_url=database_url, simulator_port=port, rail_timeouts=TIMEOUTS,
        stop_timeout_s=60.0,
    )  # fmt: skip
    with running(settings, ("simulator", "engine", "views", "payments")) as copy:
        yield copy.settings


def told(shell: Shell, operation: str, calls: int) -> dict[str, Any]:
    """What is told of an operation of the simulated rail, once it has so many calls."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        (rail,) = [rail for rail in shell.facts("rails") if rail["rail"] == "simulated"]
        for found in rail["operations"]:
            if found["operation"] == operation and found["calls"] >= calls:
                return found
        time.sleep(0.1)
    raise AssertionError(f"{calls} calls of {operation} were not reported")


def order(settings: Settings, amount_minor: int) -> None:
    wanted = CreateOrder(
        book=1, order_id=str(uuid4()), amount_minor=amount_minor, currency="EUR", rail="simulated",
        payment_token=VISA, merchant_id=str(uuid4()),
    )  # fmt: skip
    with event_log(settings) as log:
        checkout(log, rails=frozenset({"simulated"})).create_order(wanted)


def test_the_command_tells_what_the_payment_process_has_measured(copy: Settings) -> None:
    shell = Shell(copy)
    idle = told(shell, "authorise", 0)
    assert (idle["state"], idle["timeout_ms"], idle["p50_ms"]) == ("up", 30_000.0, None)
    assert told(shell, "void", 0)["timeout_ms"] == copy.rail_timeout_s * 1000
    order(copy, 1_000)
    assert told(shell, "authorise", 1)["p50_ms"] > 0
    order(copy, SERVER_ERROR_BEFORE_EFFECT)
    failed = told(shell, "authorise", 3)
    assert failed["failures"] == failed["calls"] - 1
    assert failed["retries"] == failed["failures"] // 2, "each is made once more, and no oftener"
    text = shell.run("rails")
    assert "simulated   enabled, reported " in text
    assert "sepa        not enabled" in text
    assert "recorded    enabled, calls nobody" in text


def test_a_report_of_yesterday_does_not_pass_for_one_of_now() -> None:
    rail = {"rail": "stripe", "enabled": True, "reported_at": datetime(2026, 1, 31, 12, tzinfo=UTC), "stale": False}
    assert standing(rail) == "enabled, reported 2026-01-31T12:00:00Z"
    assert standing({**rail, "stale": True}) == "enabled, STALE: nobody has reported since 2026-01-31T12:00:00Z"
    assert standing({**rail, "reported_at": None, "stale": None}) == "enabled, nothing reported"
    assert standing({**rail, "enabled": False}) == "not enabled"
