"""Balances and statements from the command line, as of any moment."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
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
