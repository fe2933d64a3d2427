"""The ledger from the command line: each command asks the engine that runs, or starts one for its duration."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog
from click.testing import CliRunner, Result

from daybook.commands import main
from daybook.running import child_environment, running
from daybook.settings import Settings

PATIENCE_S = 120.0


class Shell:
    """Runs commands on one home, in this process: starting an interpreter for each would take longer than all of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def run(self, *arguments: str, book: int = 1, status: int = 0) -> str:
        """The output of a command that ended with `status`; of one that did not succeed, what it said about it."""
        done = self.ended(*arguments, book=book, status=status)
        return done.stdout if status == 0 else done.stderr

    def ended(self, *arguments: str, book: int = 1, status: int = 0) -> Result:
        """A command that ended with `status`."""
        settings = self._settings.model_copy(update={"book": book})
        handlers = logging.getLogger().handlers[:]
        try:
            done = CliRunner().invoke(main, arguments, env=dict(child_environment(settings)))
        finally:
            logging.getLogger().handlers[:] = handlers  # those of the command write to an output that is gone
            structlog.reset_defaults()
        assert done.exit_code == status, f"daybook {' '.join(arguments)}: {done.output}"
        return done

    def facts(self, *arguments: str, book: int = 1) -> Any:
        """The JSON of a command that succeeded."""
        return json.loads(self.run(*arguments, "--json", book=book))


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Iterator[Shell]:
    """A home whose engine runs already, so that commands need not start one each."""
    with running(Settings(home=tmp_path / "home", database_url=database_url), ("engine",)) as copy:
        yield Shell(copy.settings)


def line(wallet: str, amount: int) -> tuple[str, ...]:
    """One line in euros."""
    return "--line", wallet, "EUR", str(amount)


def open_two(shell: Shell, book: int = 1) -> None:
    """A bank that gives without limit, and Alice with 10.00."""
    shell.run("wallets", "open", "bank:main:cash", "EUR", "--overdraft-limit-minor", "none", book=book)
    shell.run("wallets", "open", "wallet:alice", "EUR", book=book)
    shell.run("postings", "create", *line("bank:main:cash", 1_000), *line("wallet:alice", -1_000), book=book)


def alice(shell: Shell, book: int = 1) -> tuple[int, int, int]:
    """Posted, held and available money."""
    found = shell.facts("wallets", "show", "wallet:alice", "--currency", "EUR", book=book)
    return found["posted_minor"], found["held_minor"], found["available_minor"]


def test_money_is_posted_held_committed_and_taken_back(shell: Shell) -> None:
    open_two(shell)
    taken = (*line("wallet:alice", 600), *line("bank:main:cash", -600))
    tried = shell.facts("postings", "create", *taken, "--dry-run")
    assert (tried["dry_run"], tried["lines"][0]["posted_after"]) == (True, -400)
    hold = shell.facts("holds", "place", *taken)["hold_id"]
    assert alice(shell) == (1_000, 600, 400)
    assert "insufficient_funds" in shell.run("postings", "create", *taken, status=1)
    commit = shell.facts("holds", "commit", hold, "--amount-minor", "100", "--keep-rest")
    shell.run("holds", "void", hold)
    shown = shell.facts("holds", "show", hold)
    assert (shown["state"], shown["commits"]) == ("voided", [commit["posting_id"]])
    back = ("postings", "revert", commit["posting_id"], "--key", str(uuid4()))
    assert [shell.facts(*back)["replayed"] for _ in range(2)] == [False, True]
    assert alice(shell) == (1_000, 0, 1_000)
    assert shell.facts("postings", "show", commit["posting_id"])["state"] == "reverted"
    assert "already_reverted" in shell.run("postings", "revert", commit["posting_id"], status=1)


def test_wallets_are_limited_frozen_closed_and_opened_again(shell: Shell) -> None:
    open_two(shell)
    named = ("wallet:alice", "--currency", "EUR")
    shell.run("wallets", "freeze", *named, "--reason", "asked for")
    assert shell.facts("wallets", "show", *named)["frozen"] is True
    shell.run("wallets", "unfreeze", *named, "--reason", "asked for")
    assert "wallet_not_empty" in shell.run("wallets", "close", *named, "--reason", "gone", status=1)
    shell.run("wallets", "limit", "wallet:alice", "50", "--currency", "EUR")
    shell.run("postings", "create", *line("wallet:alice", 1_050), *line("bank:main:cash", -1_050))
    assert alice(shell) == (-50, 0, -50)
    assert "unknown_account" in shell.run("wallets", "freeze", "cash", "--currency", "EUR", "--reason", "x", status=1)


def test_periods_monitors_and_adjustments_have_their_commands(shell: Shell) -> None:
    open_two(shell)
    monitor = shell.facts(
        "monitors", "create", "wallet:alice", "--currency", "EUR", "--measure", "posted", "--threshold-minor", "500"
    )["monitor_id"]
    shell.run("postings", "create", *line("wallet:alice", 600), *line("bank:main:cash", -600))
    crossings = shell.facts("monitors", "show", monitor)["crossings"]
    assert [(one["side"], one["balance_minor"]) for one in crossings] == [("below", 400)]
    shell.run("monitors", "remove", monitor)
    lines = (*line("exp:writeoff", 5), *line("suspense:psp", -5))
    proposal = ("adjustments", "propose", *lines, "--reason", "audit", "--by", "ann", "--key", str(uuid4()))
    proposed = shell.facts(*proposal)["adjustment_id"]
    assert shell.facts(*proposal)["replayed"] is True
    assert "self_approval" in shell.run("adjustments", "approve", proposed, "--by", "ann", status=1)
    posting = shell.facts("adjustments", "approve", proposed, "--by", "bob")["posting_id"]
    assert shell.facts("postings", "show", posting)["rule"] == "adjustment.v1"
    assert shell.facts("adjustments", "show", proposed)["state"] == "approved"
    assert "decided" in shell.run("adjustments", "reject", proposed, "--by", "cid", "--reason", "no", status=1)
    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    shell.run("periods", "close", day)
    assert shell.facts("periods", "show")["closed_through"] == day
    late = (*line("wallet:alice", 1), *line("bank:main:cash", -1), "--effective-at", f"{day}T00:00:00Z")
    assert "period_closed" in shell.run("postings", "create", *late, status=1)


def test_a_second_tenant_has_its_own_book_wallets_and_keys(shell: Shell) -> None:
    opening = ("books", "open", "2", "--name", "acme", "--commission-bps", "250")
    assert "book_not_open" in shell.run("keys", "create", "--book", "2", "--role", "admin", status=1)
    assert [shell.facts(*opening)["replayed"] for _ in range(2)] == [False, True]
    listed = shell.facts("books", "list")
    assert [(book["book"], book["commission_bps"]) for book in listed] == [(1, 1_000), (2, 250)]
    made = shell.facts("keys", "create", "--book", "2", "--role", "operator")
    assert made["api_key"].startswith("dbk_test_")
    assert "merchant" in shell.run("keys", "create", "--book", "2", "--role", "merchant", status=1)
    assert shell.facts("keys", "revoke", made["key_id"])["revoked_at"] is not None
    assert [key["key_id"] for key in shell.facts("keys", "list", "--book", "2")] == [made["key_id"]]
    assert made["api_key"] not in shell.run("keys", "list")
    open_two(shell, book=2)
    assert alice(shell, book=2)[0] == 1_000
    assert "there is no wallet" in shell.run("wallets", "show", "wallet:alice", "--currency", "EUR", status=1)
    theirs = shell.facts("wallets", "show", "wallet:alice", "--currency", "EUR", book=2)["wallet_id"]
    assert "there is no wallet" in shell.run("wallets", "show", theirs, status=1)
    assert "unknown_wallet" in shell.run("wallets", "freeze", theirs, "--reason", "x", status=1)


def test_a_command_starts_an_engine_when_none_runs(database_url: str, tmp_path: Path) -> None:
    environment = child_environment(Settings(home=tmp_path / "home", database_url=database_url))
    done = subprocess.run(
        [sys.executable, "-m", "daybook", "wallets", "open", "wallet:alice", "EUR", "--json"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert json.loads(done.stdout)["status"] == "opened"


def test_an_argument_that_makes_no_sense_is_named(database_url: str, tmp_path: Path) -> None:
    shell = Shell(Settings(home=tmp_path / "home", database_url=database_url))
    assert "--currency" in shell.run("wallets", "show", "wallet:alice", status=2)
    for moment, wrong in (("2026-01-01T00:00:00", "offset"), ("yesterday", "2026-01-31T12:00:00Z")):
        arguments = (*line("wallet:a", 1), "--effective-at", moment)
        assert wrong in shell.run("postings", "create", *arguments, status=2)
    assert "--key" in shell.run("holds", "void", str(uuid4()), "--key", "seven", status=2)
