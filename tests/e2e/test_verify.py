"""`daybook verify` on real orders: nothing to find, a planted fault, bad arguments, a database that is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from daybook.running import running
from daybook.settings import Settings
from replay.checks.registry import checks
from tests.e2e.test_import import DATA, FIRST, first_orders
from tests.e2e.test_ledger_commands import Shell

SPOIL = """
update log.events
   set state = convert_to((convert_from(state, 'utf8')::jsonb || '{"posted_after": 1}')::text, 'utf8')
 where position = (select max(position) from log.events where topic = 'wallet.posted.v1')
returning position
"""


class Verifying(Shell):
    """Also reads what a command printed that ended with 1."""

    def findings(self, *arguments: str) -> Any:
        """The JSON of a command that found something."""
        return json.loads(self.ended(*arguments, status=1).stdout)


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Iterator[Verifying]:
    """A home with an engine and views."""
    with running(Settings(home=tmp_path / "home", database_url=database_url), ("engine", "views")) as copy:
        yield Verifying(copy.settings)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the marketplace data is not in {DATA}")
def test_real_orders_are_sound_until_somebody_changes_a_row(
    shell: Verifying, database_url: str, tmp_path: Path
) -> None:
    items, payments = first_orders(tmp_path, FIRST)
    shell.run("orders", "import", "--items", str(items), "--payments", str(payments))
    sound = json.loads(shell.run("verify", "--json"))
    assert sound["verdict"] == "sound"
    assert sound["findings"] == []
    assert sound["events"] > 8 * FIRST
    assert [one["check"] for one in sound["checks"]] == list(checks())
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute(SPOIL).fetchone()
    assert row is not None
    position = str(row[0])
    told = shell.findings("verify", "--check", "wallet-numbers", "--check", "lines", "--json")
    (finding,) = told["findings"]
    assert (finding["check"], finding["position"], finding["found"]) == ("wallet-numbers", position, 1)
    assert "explain wallet" in finding["advice"]
    assert [one["findings"] for one in told["checks"]] == [1, 0]


def test_arguments_that_make_no_sense_are_named(shell: Verifying) -> None:
    for arguments, named in (
        (("--check", "balance"), "--check: there is no check 'balance'"),
        (("--until", str(2**62)), "--until: the log has come to position"),
        (("--until", "yesterday"), "--until"),
        (("--book", "0"), "--book"),
    ):
        assert named in shell.run("verify", *arguments, status=2)


def test_one_book_and_an_earlier_position_can_be_verified(shell: Verifying) -> None:
    shell.run("wallets", "open", "wallet:alice", "EUR")
    opened = shell.facts("wallets", "open", "wallet:bob", "EUR")["position"]
    shell.run("wallets", "open", "wallet:carol", "EUR")
    until = json.loads(shell.run("verify", "--until", opened, "--json"))
    assert until["events"] < json.loads(shell.run("verify", "--json"))["events"]
    assert json.loads(shell.run("verify", "--book", "2", "--json"))["events"] == 0
    assert "events up to position" in shell.run("verify")


def test_books_that_cannot_be_reached_are_a_status_of_their_own(tmp_path: Path) -> None:
    nowhere = Settings(home=tmp_path / "home", database_url=f"host={tmp_path} dbname=daybook connect_timeout=1")
    assert "cannot reach the books" in Shell(nowhere).run("verify", status=3)
