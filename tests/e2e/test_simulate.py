"""`daybook simulate` as people run it: whole days of payments through rails that fail, and both sides' books agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daybook.simulation.faults import IN_THE_BOOKS, ON_THE_WIRE

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "marketplace"
FILES = ("--items", str(REAL / "order_items.csv"), "--payments", str(REAL / "payments.csv"))
NAMED = {name for name, rate in (ON_THE_WIRE | IN_THE_BOOKS).items() if rate >= 0.1}
"""Every fault that is to befall a tenth of calls."""


def simulated(*arguments: str, status: int = 0) -> dict[str, Any]:
    """What the command prints as JSON."""
    command = [sys.executable, "-m", "daybook", "simulate", *arguments, "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == status, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def assert_right(outcome: dict[str, Any]) -> None:
    """Both sides agree on every attempt, nothing was charged twice, lost or guessed, and our books are sound."""
    agreement = outcome["agreement"]
    assert agreement["disagreements"] == []
    assert [agreement[name] for name in ("double_charges", "lost_captures", "guesses", "open")] == [0, 0, 0, 0]
    assert outcome["findings"] == 0
    assert outcome["right"] is True


def test_a_day_of_heavy_faults_ends_right() -> None:
    outcome = simulated("--orders", "80", "--seed", "3", "--faults", "heavy")
    assert_right(outcome)
    assert sum(outcome["statuses"].values()) == 80
    assert {"authorise", "inquiry", "settlement", "notification"} <= set(outcome["played"])
    assert set().union(*outcome["played"].values()) >= NAMED
    assert outcome["played"]["authorise"]["outage"] > 0


@pytest.mark.long
@pytest.mark.skipif(not REAL.is_dir(), reason="the real orders lie in shared/, which is not there")
def test_twenty_thousand_real_orders_end_right() -> None:
    outcome = simulated("--orders", "20000", "--seed", "1", "--faults", "heavy", *FILES)
    assert_right(outcome)
    assert sum(outcome["statuses"].values()) == 20_000
    for operation, asked in (("authorise", "simulated authorise"), ("inquiry", "simulated inquire")):
        calls = outcome["calls"][asked] - outcome["played"][operation].get("outage", 0)
        known = NAMED if operation == "authorise" else NAMED - set(IN_THE_BOOKS)
        assert {name for name in known if outcome["played"][operation][name] < 0.1 * calls} == set()


@pytest.mark.long
def test_the_same_seed_ends_the_same_and_another_differently() -> None:
    first, again, other = (
        simulated("--orders", "300", "--seed", seed, "--faults", "heavy")["digest"] for seed in ("5", "5", "6")
    )
    assert first == again != other


def test_what_cannot_be_simulated_is_named(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    for arguments, named in (
        (("--faults", "some"), "--faults"),
        (("--orders", "0"), "--orders"),
        (("--items", str(tmp_path / "something")), "--items and --payments belong together"),
        (("--keep", str(tmp_path)), "is not empty"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "daybook", "simulate", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert named in done.stderr
