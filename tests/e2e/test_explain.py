"""`daybook explain` from the command line: for people, for programs, as of any moment, and when asked wrongly."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from daybook.running import running
from daybook.settings import Settings
from tests.e2e.test_ledger_commands import Shell

ORDER = str(UUID(int=7))
SELLER = str(UUID(int=8))
DAMAGE = """
update log.events set state = convert_to(
    coalesce(%(state)s, replace(convert_from(state, 'utf8'), '"attempt":', '"attempt": 7')), 'utf8')
 where topic = %(topic)s returning position
"""


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Iterator[Shell]:
    """An order over 1,000 that was paid with 960 in two payments, and a wallet with two entries."""
    with running(Settings(home=tmp_path / "home", database_url=database_url), ("engine", "views")) as copy:
        shell = Shell(copy.settings)
        _import(shell, tmp_path)
        shell.run("wallets", "open", "wallet:alice", "EUR")
        shell.run("wallets", "open", "bank:main:cash", "EUR", "--overdraft-limit-minor", "none")
        for amount in ("700", "300"):
            lines = ("--line", "bank:main:cash", "EUR", amount, "--line", "wallet:alice", "EUR", f"-{amount}")
            shell.run("postings", "create", *lines)
        yield shell


def _import(shell: Shell, directory: Path) -> None:
    items, payments = directory / "items.csv", directory / "payments.csv"
    item = {"order_id": ORDER, "ordered_at": "2026-01-01T00:00:00Z", "item_no": 1, "seller_id": SELLER}
    _write(items, [{**item, "price_minor": 900, "freight_minor": 100, "currency": "BRL"}])
    _write(payments, [_payment(1, 500), _payment(2, 460)])
    shell.run("orders", "import", "--items", str(items), "--payments", str(payments))


def _payment(sequence: int, amount_minor: int) -> dict[str, object]:
    return {"order_id": ORDER, "sequence": sequence, "method": "voucher", "installments": 1,
            "amount_minor": amount_minor, "currency": "BRL"}  # fmt: skip


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def test_a_number_is_explained_to_people_and_to_programs(shell: Shell) -> None:
    alice = ("explain", "wallet", "wallet:alice", "--currency", "EUR")
    found = shell.facts(*alice)
    assert [entry["amount_minor"] for entry in found["entries"]] == [300, 700]
    assert (found["opening_minor"], found["shown_minor"], found["posted_minor"]) == (0, 1_000, 1_000)
    assert found["entries"][0]["cause"]["kind"] == "request"
    first = found["entries"][1]["source"]["position"]
    assert shell.facts(*alice, "--as-of", first)["posted_minor"] == 700
    assert shell.facts("explain", "wallet", found["wallet_id"])["entries"] == found["entries"]
    text = shell.run(*alice, "--limit", "1")
    assert "opening 700 (1 entries) + 1 shown +300 = posted 1,000" in text
    assert "caused by a request: posting/" in text


def test_an_order_and_its_difference_are_explained(shell: Shell) -> None:
    text = shell.run("explain", "order", ORDER)
    for line in (
        "recorded took 500 BRL by attempt 1 -> captured",
        "commission 500 x 1,000 / 10,000 = 50; net 450",
        "credit            50 BRL rev:fees",
    ):
        assert line in text
    found = shell.facts("explain", "order", ORDER)
    captured = [step["source"]["position"] for step in found["steps"] if step["shares"]]
    assert len(captured) == 2
    together = shell.facts("explain", "order", ORDER, "--as-of", captured[0])  # an import commits an order as a whole
    assert (together["captured_minor"], together["as_of"]) == (960, captured[1])
    assert "difference -40: 2 payments make 40 less than was due" in shell.run("explain", "difference", ORDER)
    (row,) = [shell.facts("explain", "difference", ORDER)]
    assert (row["due_minor"], row["captured_minor"], row["difference_minor"]) == (1_000, 960, -40)
    assert [taken["source"]["position"] for taken in row["captured"]] == captured


def test_what_is_asked_wrongly_is_named(shell: Shell) -> None:
    nothing = str(UUID(int=99))
    for arguments, status, named in (
        (("wallet", nothing), 1, f"WALLET: there is no wallet {nothing} in book 1"),
        (("wallet", "wallet:nobody", "--currency", "EUR"), 1, "WALLET: there is no wallet wallet:nobody"),
        (("wallet", "wallet:alice"), 1, "currency"),
        (("wallet", nothing, "--as-of", str(2**62)), 1, "--as-of: the log has come to position"),
        (("wallet", nothing, "--as-of", "2999-01-01T00:00:00Z"), 1, "--as-of: 2999"),
        (("wallet", nothing, "--as-of", "soon"), 2, "--as-of"),
        (("wallet", nothing, "--as-of", str(2**63 - 1)), 1, "--as-of: the log has come to position"),
        (("wallet", nothing, "--as-of", "9" * 26), 2, f"'--as-of': positions end at {2**63 - 1}"),
        (("wallet", nothing, "--as-of", "9" * 5_000), 2, "'--as-of': positions end at"),
        (("wallet", nothing, "--limit", "0"), 2, "--limit"),
        (("order", nothing), 1, f"ORDER_ID: there is no payment order {nothing} in book 1"),
        (("order", "seven"), 2, "ORDER_ID"),
        (("difference", nothing), 1, "ORDER_ID: there is no payment order"),
    ):
        assert named in shell.run("explain", *arguments, status=status)
    assert "there is no payment order" in shell.run("explain", "order", ORDER, book=2, status=1)
    assert json.loads(shell.run("explain", "order", ORDER, "--json"))["order_id"] == ORDER


@pytest.mark.parametrize(
    ("topic", "state", "words"),
    [
        ("payment-order.attempt-started.v1", "{", "cannot be read: Input data was truncated"),
        ("payment-order.created.v1", '{"amount_minor": 1}', "cannot be read: Object missing required field"),
        ("payment-order.captured.v1", None, "cannot be what came next: "),
    ],
)
def test_a_damaged_row_is_named_with_what_to_do(
    shell: Shell, database_url: str, topic: str, state: str | None, words: str
) -> None:
    """The last one can be read and is of an attempt that there is none of."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        (position,) = owner.execute(DAMAGE, {"topic": topic, "state": state}).fetchall()[0]
    for what in ("order", "difference"):
        told = shell.run("explain", what, ORDER, status=1)
        assert f"refused: {topic} at position {position}, " in told
        assert words in told
        assert "restore them from a backup" in told


def test_a_damaged_entry_of_a_wallet_is_named(shell: Shell, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(DAMAGE, {"topic": "wallet.opened.v1", "state": "{"})
    told = shell.run("explain", "wallet", "wallet:alice", "--currency", "EUR", status=1)
    assert "refused: wallet.opened.v1 at position " in told
