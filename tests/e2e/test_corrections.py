"""From a wrong view to right balances: rebuilt, compared, drafted, proposed, approved by another person, posted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daybook.running import running
from daybook.settings import Settings
from eventlog.application import EventLog
from eventlog.postgres import PostgresRecorder
from projections.registry import forget_modules
from tests.e2e.test_ledger_commands import Shell
from tests.replay.history import MERCHANT, History

WRONG = "tests.replay.planted.wrong_fees"
RIGHT = f"{WRONG},tests.replay.planted.right_fees"
AVAILABLE = f"merchant:{MERCHANT}:available"
ROLES = ("engine", "views")


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Iterator[Settings]:
    """A home where money was taken, and a wrong view of the earnings is live."""
    yield Settings(home=tmp_path / "home", database_url=database_url, view_modules=WRONG)
    forget_modules()


def take_money(database_url: str) -> int:
    """Orders with captures; what the wrong view keeps of the seller's money."""
    log = EventLog(PostgresRecorder(database_url))
    try:
        history = History(log, seed=3)
        for _ in range(25):
            history._order()
            history._count += 1
        rows = log.log_recorder.read(0, 10**6, topics=["payment-order.captured.v1"])
        shares = [share for row in rows for share in log.log_mapper.decode(row).shares]
        return sum(-(-share.gross_minor // 10) - share.commission_minor for share in shares)
    finally:
        log.close()


def posted(shell: Shell) -> dict[str, int]:
    """What the two accounts hold, by the ledger."""
    found = {line["address"]: line for line in shell.facts("trial-balance")["accounts"]}
    return {
        address: line["debit_minor"] - line["credit_minor"]
        for address, line in found.items()
        if address in (AVAILABLE, "rev:fees")
    }


def test_what_a_wrong_view_paid_out_is_set_right_by_two_people(settings: Settings, database_url: str) -> None:
    with running(settings, ROLES) as copy:
        missing = take_money(database_url)
        before = posted(Shell(copy.settings))
    assert missing > 0
    with running(settings.model_copy(update={"view_modules": RIGHT}), ROLES) as copy:
        shell = Shell(copy.settings)
        assert "does not say how to correct it" in shell.run("replay", "corrections", "balances", status=1)
        assert "has no kept build" in shell.run("replay", "corrections", "earnings", status=1)
        assert "give both" in shell.run("replay", "corrections", "earnings", "--propose", status=2)
        shell.run("replay", "rebuild", "earnings")
        shell.run("replay", "diff", "earnings", status=1)
        text = shell.run("replay", "corrections", "earnings")
        assert f"credit {missing / 100:>14.2f} EUR  {AVAILABLE}" in text
        assert "nothing was proposed" in text
        drafted = shell.facts("replay", "corrections", "earnings")
        proposed = shell.facts("replay", "corrections", "earnings", "--propose", "--by", "ana")
        assert proposed == {**drafted, "proposed": [drafted["drafts"][0]["adjustment_id"]]}
        again = shell.facts("replay", "corrections", "earnings", "--propose", "--by", "ana")
        assert (again["drafts"], again["proposed"]) == ([], [])
        assert "nothing is left to correct" in shell.run("replay", "corrections", "earnings")
        (key,) = proposed["proposed"]
        approved = approve(shell, key)
        assert approved["metadata"] == drafted["drafts"][0]["metadata"]
        assert posted(shell) == {
            AVAILABLE: before.get(AVAILABLE, 0) - missing,
            "rev:fees": before["rev:fees"] + missing,
        }
        shell.run("replay", "swap", "earnings")
        after = shell.facts("replay", "corrections", "earnings")
        assert (after["drafts"], [one["state"] for one in after["earlier"]]) == ([], ["approved"])


def approve(shell: Shell, key: str) -> Any:
    """Not by the one who proposed it."""
    refused = shell.run("adjustments", "approve", key, "--by", "ana", status=1)
    assert "self_approval" in refused
    return json.loads(shell.run("adjustments", "approve", key, "--by", "ben", "--json"))
