"""Balances and statements from the command line, as of any moment."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daybook.running import running
from daybook.settings import Settings
from ledger.client import LedgerClient
from ledger.wire import OpenWallet, Post, PostLine
from tests.e2e.test_ledger_commands import Shell

YESTERDAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
def books(database_url: str, tmp_path: Path) -> Iterator[Shell]:
    """Alice has 1,000 of today and 200 of yesterday."""
    with running(Settings(home=tmp_path / "home", database_url=database_url), ("engine", "views")) as copy:
        client = LedgerClient(copy.settings.engine_socket)
        opened = {
            address: client.ask(
                OpenWallet(book=1, key=address, address=address, currency="EUR", overdraft_limit_minor=None)
            ).wallet_id
            for address in ("bank:main:cash", "wallet:alice")
        }
        for amount, effective_at in ((1_000, None), (200, YESTERDAY)):
            parts = zip(opened.values(), (amount, -amount), strict=True)
            lines = tuple(PostLine(wallet_id, "EUR", part) for wallet_id, part in parts if wallet_id is not None)
            reply = client.ask(Post(book=1, key=str(uuid4()), lines=lines, effective_at=effective_at))
            assert reply.status == "posted", reply
        client.close()
        yield Shell(copy.settings)


def test_balances_and_statements_are_printed_as_of_any_moment(books: Shell) -> None:
    (row,) = books.facts("balances", "wallet:**", "--group-by", "address")["balances"]
    assert (row["group"], row["posted_minor"]) == ({"address": "wallet:alice"}, 1_200)
    (row,) = books.facts("balances", "wallet:alice", "--effective-at", YESTERDAY.isoformat())["balances"]
    assert row["posted_minor"] == 200
    assert "1,200" in books.run("balances", "--kind", "asset")
    alice = ("statement", "wallet:alice", "--currency", "EUR")
    whole = books.facts(*alice)
    assert [entry["balance_minor"] for entry in whole["entries"]] == [200, 1_200]
    position = whole["entries"][1]["position"]
    assert books.facts(*alice, "--recorded-from", position)["opening_minor"] == 1_000
    (row,) = books.facts("balances", "wallet:alice", "--as-of", position)["balances"]
    assert row["posted_minor"] == 1_000
    today = books.facts(*alice, "--from", (YESTERDAY + timedelta(hours=1)).isoformat())
    assert (today["opening_minor"], len(today["entries"]), today["closing_minor"]) == (200, 1, 1_200)
    rows = list(csv.DictReader(io.StringIO(books.run(*alice, "--csv"))))
    assert [row["kind"] for row in rows] == ["opening", "entry", "entry", "closing"]
    assert "closing" in books.run(*alice)
    for wrong, status in (
        (("balances", "savings:**"), 1),
        (("balances", "--as-of", str(2**62)), 1),
        (("statement", "wallet:nobody", "--currency", "EUR"), 1),
        ((*alice, "--csv", "--json"), 2),
        ((*alice, "--from", "2026-01-01"), 2),
    ):
        books.run(*wrong, status=status)


def test_what_is_shown_can_be_asked_as_of_a_moment(books: Shell) -> None:
    alice = ("--line", "wallet:alice", "EUR")
    hold = books.facts("holds", "place", *alice, "300", "--line", "bank:main:cash", "EUR", "-300")
    then = hold["position"]
    posting = books.facts("postings", "create", *alice, "50", "--line", "bank:main:cash", "EUR", "-50")
    monitor = books.facts(
        "monitors", "create", "wallet:alice", "--currency", "EUR", "--measure", "posted", "--threshold-minor", "5"
    )
    lines = ("--line", "exp:writeoff", "EUR", "5", "--line", "suspense:psp", "EUR", "-5")
    adjustment = books.facts("adjustments", "propose", *lines, "--reason", "audit", "--by", "ann")
    books.facts("holds", "void", hold["hold_id"])
    books.facts("periods", "close", "2020-01-31")

    def past(*command: str) -> dict[str, Any]:
        return books.facts(*command, "--as-of", then)

    wallet = ("wallets", "show", "wallet:alice", "--currency", "EUR")
    assert [past(*wallet)[name] for name in ("posted_minor", "held_minor")] == [1_200, 300]
    assert books.facts(*wallet)["posted_minor"] == 1_150
    show = ("holds", "show", hold["hold_id"])
    assert (past(*show)["state"], books.facts(*show)["state"]) == ("pending", "voided")
    assert (past("periods", "show")["closed_through"], books.facts("periods", "show")["closed_through"]) == (
        None, "2020-01-31",
    )  # fmt: skip
    for absent in (
        ("postings", "show", posting["posting_id"]), ("monitors", "show", monitor["monitor_id"]),
        ("adjustments", "show", adjustment["adjustment_id"]),
    ):  # fmt: skip
        assert books.facts(*absent)["state" if absent[0] != "monitors" else "measure"] is not None
        assert f"in book 1 at position {then[:-2]}" in books.run(*absent, "--as-of", then, status=1)
    statement = past("statement", "wallet:alice", "--currency", "EUR")
    assert (statement["closing_minor"], len(statement["entries"])) == (1_200, 2)
    assert statement["as_of"] == past(*wallet)["as_of"] > then  # what was committed together was known together
    debits = {row["address"]: row["debit_minor"] for row in past("trial-balance")["accounts"]}
    assert debits == {"bank:main:cash": 1_200, "wallet:alice": 0}
    for wrong in ((*wallet, "--as-of", str(2**62)), ("trial-balance", "--as-of", "2999-01-01T00:00:00Z")):
        assert "--as-of: " in books.run(*wrong, status=1)


def test_the_rows_of_any_view_are_printed_now_and_as_of_then(books: Shell) -> None:
    rows = ("replay", "rows")
    (now,) = books.facts(*rows, "balances", "--where", "address=wallet:alice")
    (first, _) = books.facts(*rows, "wallet_entries", "--where", f"wallet_id={now['wallet_id']}")
    (then,) = books.facts(*rows, "balances", "--where", "address=wallet:alice", "--as-of", first["position"])
    assert (now["posted_minor"], then["posted_minor"], then["position"]) == (-1_200, -1_000, first["position"])
    assert books.facts(*rows, "order_differences") == []
    assert len(books.facts(*rows, "trial_balance", "--limit", "1")) == 1
    assert "address=wallet:alice" in books.run(*rows, "balances")
    for wrong, status, says in (
        (("nothing",), 2, "nothing"),
        (("balances", "--where", "colour=red"), 1, "column_unknown: colour: view balances has no such column"),
        (("balances", "--where", "wallet_id=x"), 1, "value_unreadable: view balances: invalid input syntax"),
        (
            ("balances", "--where", "book=two", "--as-of", "1"),
            1,
            "value_unreadable: view balances: invalid input syntax",
        ),
        (("balances", "--as-of", "2999-01-01T00:00:00Z"), 1, "--as-of: "),
    ):
        assert says in books.run(*rows, *wrong, status=status)
