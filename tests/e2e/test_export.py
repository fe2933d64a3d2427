"""Exports from the command line: the log as Parquet, a book for Beancount, and real orders that bean-check proves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from beancount import loader
from beancount.core import data

from daybook.running import running
from daybook.settings import Settings
from eventlog.postgres import PostgresRecorder
from replay.archive.beancount_names import address_of
from replay.archive.reader import ArchiveReader
from tests.e2e.test_import import DATA, Copy
from tests.e2e.test_ledger_files import warm_daybook
from tests.projections.ledger import Ledger

AT = datetime(2026, 3, 1, tzinfo=UTC)
BEAN_CHECK = str(Path(sys.executable).with_name("bean-check"))
FIRST = 300
with_real_orders = pytest.mark.skipif(not DATA.is_dir(), reason=f"the marketplace data is not in {DATA}")


class Exports(Copy):
    """A copy of which nothing but exports is asked, by a program that is warm."""

    def __init__(self, home: Path, database_url: str, program: Path) -> None:
        super().__init__(home, database_url)
        self._program = str(program)

    def said(self, *words: str, status: int = 0) -> str:
        """What a command printed: on standard error when it was to end with another status than 0."""
        command = [self._program, "export", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done.stderr if status else done.stdout

    def facts(self, *words: str) -> Any:
        """What a command did."""
        return json.loads(self.said(*words, "--json"))


@pytest.fixture
def copy(tmp_path: Path, database_url: str) -> Iterator[Exports]:
    """A book with postings of three days, and another book."""
    with closing(Ledger(database_url)) as ledger:
        for number in range(6):
            at = AT + timedelta(hours=12 * number)
            ledger.post(1, "bank:main:cash", "wallet:alice", 1_000 + number, at, external_reference=f"é{number}")
        ledger.post(2, "bank:main:cash", "wallet:bob", 7, AT, "JPY")
    with warm_daybook(tmp_path) as program:
        yield Exports(tmp_path / "home", database_url, program)


def rows(reader: Any, after: int = 0) -> Any:
    return reader.read(after, 1_000_000)


def test_the_log_goes_out_as_parquet_again_and_again_and_damage_is_told(copy: Exports, tmp_path: Path) -> None:
    directory = tmp_path / "archive"
    with closing(PostgresRecorder(copy.database_url)) as log:
        whole = rows(log)
        middle = whole[len(whole) // 2].position
        first = copy.facts("parquet", str(directory), "--until-position", str(middle))
        assert (first["rows"], first["through"]) == (len(whole) // 2 + 1, str(middle))
        second = copy.facts("parquet", str(directory))
        assert (second["rows_in_all"], second["through"]) == (len(whole), str(whole[-1].position))
        assert copy.facts("parquet", str(directory))["rows"] == 0
        late = copy.facts("parquet", str(tmp_path / "late"), "--since-position", str(middle), "--book", "2")
        assert late["rows"] == sum(row.book == 2 for row in whole if row.position > middle)
        with closing(ArchiveReader(directory)) as archive:
            assert rows(archive) == whole
    assert copy.facts("verify", str(directory))["damaged"] == 0
    assert "another directory" in copy.said("parquet", str(directory), "--book", "1", status=1)
    ahead = copy.said("parquet", str(tmp_path / "ahead"), "--since-position", str(2**62), status=1)
    assert f"the log has come to position {whole[-1].position}" in ahead
    damaged = next(directory.glob("*/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-10])
    assert f"{damaged} has" in copy.said("verify", str(directory), status=1)
    assert "put it back from a copy" in copy.said("parquet", str(directory), status=1)
    assert "_manifest.json cannot be read" in copy.said("verify", str(tmp_path / "nowhere"), status=1)


def test_a_book_goes_out_for_beancount_to_a_file_or_to_standard_output(copy: Exports, tmp_path: Path) -> None:
    file = tmp_path / "book.beancount"
    with closing(PostgresRecorder(copy.database_url)) as log:
        end = rows(log)[-1].position
    facts = copy.facts("beancount", str(file), "--as-of", str(end))
    assert facts == {"book": 1, "as_of": str(end), "accounts": 2, "postings": 6}
    assert subprocess.run([BEAN_CHECK, str(file)], check=False).returncode == 0
    assert copy.said("beancount", "-", "--as-of", str(end)) == file.read_text(encoding="utf-8")
    assert "7 JPY" in copy.said("beancount", "-", "--as-of", str(end), "--book", "2")
    before = file.read_bytes()
    assert "positions end at" in copy.said("beancount", str(file), "--as-of", "9" * 26, status=2)
    assert f"the log has come to position {end}" in copy.said("beancount", str(file), "--as-of", str(end + 1), status=1)
    assert "cannot write" in copy.said("beancount", str(tmp_path / "no" / "file"), "--as-of", str(end), status=1)
    with psycopg.connect(copy.database_url, autocommit=True) as owner:
        owner.execute("update log.events set state = '{' where position = (select min(position) from log.events)")
    assert "refused: posting.recorded.v1 at position" in copy.said(
        "beancount", str(file), "--as-of", str(end), status=1
    )
    assert (file.read_bytes(), sorted(path.name for path in tmp_path.glob("*.part"))) == (before, [])


def check_against_ours(copy: Copy, file: Path) -> int:
    """`bean-check` accepts the file, and every account has the balance of our trial balance; how many accounts."""
    done = subprocess.run([BEAN_CHECK, str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    entries, errors, _ = loader.load_file(str(file))
    assert errors == []
    found: dict[str, Decimal] = defaultdict(Decimal)
    for entry in entries:
        if isinstance(entry, data.Transaction):
            for line in entry.postings:
                assert line.units is not None
                found[address_of(line.account)] += line.units.number * 100
    balance = copy.run("trial-balance")
    ours = {row["address"]: row["debit_minor"] - row["credit_minor"] for row in balance["accounts"]}
    assert found == ours
    balances = [entry for entry in entries if isinstance(entry, data.Balance)]
    asserted = {address_of(entry.account): entry.amount.number * 100 for entry in balances}
    assert {address: amount for address, amount in asserted.items() if amount or address in ours} == ours
    return len(ours)


def exported_orders(tmp_path: Path, database_url: str, items: Path, payments: Path) -> int:
    copy = Copy(tmp_path / "home", database_url)
    with running(Settings(home=tmp_path / "home", database_url=database_url), ("engine", "views")):
        copy.run("orders", "import", "--items", str(items), "--payments", str(payments))
        facts = copy.run("export", "beancount", str(tmp_path / "orders.beancount"))
        assert facts["postings"] > 0
        archived = copy.run("export", "parquet", str(tmp_path / "archive"))
        assert archived["rows"] == archived["rows_in_all"]
        with closing(PostgresRecorder(database_url)) as log, closing(ArchiveReader(tmp_path / "archive")) as archive:
            assert rows(archive) == rows(log)[: archived["rows"]]
        return check_against_ours(copy, tmp_path / "orders.beancount")


@with_real_orders
def test_bean_check_accepts_all_real_orders_and_every_balance_is_ours(tmp_path: Path, database_url: str) -> None:
    assert exported_orders(tmp_path, database_url, DATA / "order_items.csv", DATA / "payments.csv") > 1_100
