"""Real marketplace orders through the whole program, held against a computation that shares no code with it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg
import pytest

from daybook.running import running
from daybook.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("DAYBOOK_SHARED", ROOT.parent / "shared"))
DATA = SHARED / "data" / "marketplace"
COMMISSION = Fraction(1, 10)
FIRST = 500

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the marketplace data is not in {DATA}")


class Copy:
    """One home and one database; each command is a process of its own, as for a user."""

    def __init__(self, home: Path, database_url: str) -> None:
        self.database_url = database_url
        self.environment = {
            **os.environ,
            "DAYBOOK_HOME": str(home),
            "DAYBOOK_DATABASE_URL": database_url,
            "DAYBOOK_COMMISSION_BPS": "1000",
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "daybook", *arguments, "--json"],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def differences(self) -> list[int]:
        with psycopg.connect(self.database_url) as connection:
            rows = connection.execute(
                "select captured_minor - due_minor from views.order_differences"
                " where captures > 0 and captured_minor <> due_minor"
            )
            return [int(row[0]) for row in rows]


def read(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(newline="") as file:
        return list(csv.DictReader(file))


def first_orders(directory: Path, count: int) -> tuple[Path, Path]:
    """Both files cut down to the first orders of the items file."""
    items = read("order_items.csv")
    kept = set(list(dict.fromkeys(row["order_id"] for row in items))[:count])
    paths = []
    for name in ("order_items.csv", "payments.csv"):
        rows = [row for row in read(name) if row["order_id"] in kept]
        path = directory / name
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        paths.append(path)
    return paths[0], paths[1]


def half_even(value: Fraction) -> int:
    return round(value)  # Python rounds a Fraction half to even


def payments_by_seller(items: Path, payments: Path) -> Iterator[tuple[str, str, int, dict[str, int]]]:
    """Order, currency and amount of every payment, and what each seller has of it, straight from the files."""
    due: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    with items.open(newline="") as file:
        for row in csv.DictReader(file):
            due[row["order_id"]][row["seller_id"]] += int(row["price_minor"]) + int(row["freight_minor"])
    with payments.open(newline="") as file:
        for row in csv.DictReader(file):
            amount, sellers = int(row["amount_minor"]), due[row["order_id"]]
            total = sum(sellers.values())
            exact = {seller: Fraction(amount * part, total) for seller, part in sellers.items()}
            shares = {seller: int(value) for seller, value in exact.items()}
            for seller in sorted(sellers, key=lambda one: (shares[one] - exact[one], one))[
                : amount - sum(shares.values())
            ]:
                shares[seller] += 1
            yield row["order_id"], row["currency"], amount, shares


def expected(items: Path, payments: Path) -> tuple[dict[str, int], int, int, list[int]]:
    """Net per seller, commission, captured and the paid orders' differences, straight from the files."""
    due: dict[str, int] = defaultdict(int)
    with items.open(newline="") as file:
        for row in csv.DictReader(file):
            due[row["order_id"]] += int(row["price_minor"]) + int(row["freight_minor"])
    net: dict[str, int] = defaultdict(int)
    paid: dict[str, int] = defaultdict(int)
    commission = 0
    for order, _, amount, shares in payments_by_seller(items, payments):
        paid[order] += amount
        for seller, share in shares.items():
            fee = half_even(share * COMMISSION)
            commission += fee
            net[seller] += share - fee
    differences = [paid[order] - due[order] for order in paid]
    return dict(net), commission, sum(paid.values()), [one for one in differences if one]


def check(copy: Copy, items: Path, payments: Path) -> None:
    net, commission, captured, differences = expected(items, payments)
    balance = copy.run("trial-balance")
    accounts = {row["address"]: row["credit_minor"] - row["debit_minor"] for row in balance["accounts"]}
    assert balance["sum_minor"] == {"BRL": 0}
    assert balance["captured_minor"] == {"BRL": captured}
    assert accounts["rev:fees"] == commission
    sellers = {name.split(":")[1]: amount for name, amount in accounts.items() if name.startswith("merchant:")}
    assert sellers == {seller: amount for seller, amount in net.items() if amount}
    assert sorted(map(abs, copy.differences())) == sorted(map(abs, differences))


def test_the_first_orders_of_the_marketplace_agree_to_the_cent_and_again_changes_nothing(
    tmp_path: Path, database_url: str
) -> None:
    """The first command starts what it needs, the others find it running."""
    items, payments = first_orders(tmp_path, FIRST)
    copy = Copy(tmp_path / "home", database_url)
    totals = copy.run("orders", "import", "--items", str(items), "--payments", str(payments))
    assert (totals["orders"], totals["created"]) == (FIRST, FIRST)
    with running(Settings(home=tmp_path / "home", database_url=database_url), ("engine", "views")):
        check(copy, items, payments)
        again = copy.run("orders", "import", "--items", str(items), "--payments", str(payments))
        assert (again["created"], again["replayed"], again["captured_minor"]) == (0, FIRST, 0)
        check(copy, items, payments)


def test_the_files_themselves_hold_the_published_figures() -> None:
    net, commission, captured, differences = expected(DATA / "order_items.csv", DATA / "payments.csv")
    assert (captured, commission, sum(net.values())) == (319_449_992, 31_945_054, 287_504_938)
    assert len(net) in (1_163, 1_164)
    assert (len(differences), sum(map(abs, differences))) == (121, 102_227)


@pytest.mark.long
def test_the_whole_marketplace_agrees_to_the_cent(tmp_path: Path, database_url: str) -> None:
    items, payments = DATA / "order_items.csv", DATA / "payments.csv"
    copy = Copy(tmp_path / "home", database_url)
    command = ("orders", "import", "--items", str(items), "--payments", str(payments))
    process = subprocess.Popen(
        [sys.executable, "-m", "daybook", *command], env=copy.environment, cwd=ROOT, stderr=subprocess.DEVNULL
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        query = "select count(*) from log.events where topic = 'payment-order.created.v1'"
        while process.poll() is None and (connection.execute(query).fetchone() or (0,))[0] < 5_000:
            pass
    process.kill()
    process.wait()
    totals = copy.run(*command)
    assert totals["orders"] == 20_000
    assert 0 < totals["created"] < 20_000
    check(copy, items, payments)
