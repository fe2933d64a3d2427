"""A ledger as a file: exported, imported into another book, cut off, imported again, and refused line by line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from daybook.running import child_environment, running
from daybook.settings import Settings
from domain.ids import stream_id, wallet_stream_id
from domain.payment_order import PaymentOrder
from eventlog.application import EventLog
from eventlog.postgres import PostgresRecorder
from ledger.client import LedgerClient
from ledger.wire import (
    ChangeWallet,
    ClosePeriod,
    CommitHold,
    OpenWallet,
    PlaceHold,
    Post,
    PostLine,
    Reply,
    Revert,
    SetMetadata,
    Single,
    Transfer,
    VoidHold,
)
from tests.conftest import create_database, drop_database
from tests.docs.warm import write_caller

SOURCE, TARGET, CUT, OPENINGS, BAD, SECOND = 1, 2, 3, 4, 5, 6
ROOT = Path(__file__).resolve().parents[2]
WARM = [sys.executable, "-m", "tests.docs.warm"]
SELLER = "00000000-0000-4000-8000-000000000031"
PATIENCE_S = 60.0
NOW = datetime.now(UTC)


@dataclass
class Copy:
    """One database with its engine running; each command is a process of its own, as for a user."""

    settings: Settings
    client: LedgerClient
    folder: Path
    program: Path

    def start(self, *words: str, program: Sequence[str] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*(program or [str(self.program)]), "ledger", *words, "--json"],
            env=child_environment(self.settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, status: int = 0) -> Any:
        """What a command printed: a document, or after a refusal its words."""
        process = self.start(*words)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == status, err
        return json.loads(out) if status == 0 else err.strip().splitlines()[-1]

    def ask(self, order: Single) -> Reply:
        reply = self.client.ask(order)
        assert reply.status not in ("refused", "error"), reply
        return reply

    def file(self, name: str, *lines: Any) -> str:
        path = self.folder / name
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
        return str(path)

    def count(self, query: str, *parameters: Any) -> int:
        with psycopg.connect(self.settings.database_url or "") as connection:
            return int((connection.execute(query, parameters).fetchone() or (0,))[0])

    def written(self) -> int:
        return self.count("select max(position) from log.events")

    def balance(self, book: int, address: str) -> int:
        reply = self.client.wallet(book=book, wallet_id=wallet_stream_id(book, address, "EUR"))
        assert reply.wallet is not None, reply
        return reply.wallet.posted_minor


@contextmanager
def warm_daybook(folder: Path) -> Iterator[Path]:
    """A program that is `daybook` without the time Python takes to import it."""
    calls, program = folder / "calls", folder / "daybook"
    with subprocess.Popen([*WARM, str(calls)], stdout=subprocess.PIPE, cwd=ROOT) as server:
        try:
            write_caller(program, calls)
            program.chmod(0o700)
            assert server.stdout is not None
            assert server.stdout.readline()
            yield program
        finally:
            server.kill()


@pytest.fixture(scope="module")
def copy(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """All tests share one installation and keep to books of their own."""
    folder = tmp_path_factory.mktemp("files")
    name = f"daybook_test_files_{time.time_ns()}"
    create_database(server_url, name, template_database)
    try:
        settings = Settings(home=folder / "home", database_url=make_conninfo(server_url, dbname=name))
        with (
            warm_daybook(folder) as program,
            running(settings, ("engine",)),
            closing(LedgerClient(settings.engine_socket)) as client,
        ):
            yield Copy(settings, client, folder, program)
    finally:
        drop_database(server_url, name)


def wallet(address: str) -> Any:
    return wallet_stream_id(SOURCE, address, "EUR")


def two(debit: str, credit: str, amount: int) -> tuple[PostLine, ...]:
    return PostLine(wallet(debit), "EUR", amount), PostLine(wallet(credit), "EUR", -amount)


def a_lived_in_book(copy: Copy) -> None:
    """One of everything that a history can hold."""
    asked: Any = {"book": SOURCE}
    bank, alice, bob = "bank:main:cash", "wallet:alice", "wallet:bob"
    for address, limit in ((bank, None), (alice, 50), (bob, 0), ("wallet:gone", 0)):
        copy.ask(OpenWallet(**asked, key=address, address=address, currency="EUR", overdraft_limit_minor=limit))
    past = NOW - timedelta(days=40)
    transfer = Transfer(
        **asked, key="t1", source=wallet(bank), destination=wallet(alice), amount_minor=1_000, currency="EUR",
        effective_at=past, metadata={"why": "salary"}, reference="ref-1",
    )  # fmt: skip
    salary = copy.ask(transfer).posting_id
    assert salary is not None
    copy.ask(Transfer(**asked, key="t2", source=wallet(bank), destination=wallet("wallet:gone"), amount_minor=9,
                      currency="EUR"))  # fmt: skip
    copy.ask(Transfer(**asked, key="t3", source=wallet("wallet:gone"), destination=wallet(bank), amount_minor=9,
                      currency="EUR"))  # fmt: skip
    lines = (*two(bank, alice, 70), *two(bank, bob, 30))
    split = copy.ask(Post(**asked, key="p1", lines=lines, metadata={"a": "b"})).posting_id
    assert split is not None
    copy.ask(Revert(**asked, key="r1", posting_id=salary, amount_minor=100, at_effective_date=True))
    copy.ask(Revert(**asked, key="r2", posting_id=salary, amount_minor=50, metadata={"why": "again"}))
    whole = copy.ask(Revert(**asked, key="r3", posting_id=split)).posting_id
    assert whole is not None
    copy.ask(Revert(**asked, key="r4", posting_id=whole))
    for number, changes in enumerate(({"paid": "yes", "why": None}, {"paid": "no"})):
        copy.ask(SetMetadata(**asked, key=f"m{number}", target="posting", target_id=salary, changes=changes))
    copy.ask(SetMetadata(**asked, key="m2", target="wallet", target_id=wallet(alice), changes={"tier": "gold"}))
    later = NOW + timedelta(days=1)
    held = copy.ask(PlaceHold(**asked, key="h1", lines=two(alice, bank, 200), expires_at=later, effective_at=past))
    assert held.posting_id is not None
    copy.ask(CommitHold(**asked, key="c1", hold_id=held.posting_id, amount_minor=60, final=False))
    given_back = copy.ask(PlaceHold(**asked, key="h2", lines=two(alice, bank, 5))).posting_id
    assert given_back is not None
    copy.ask(VoidHold(**asked, key="v1", hold_id=given_back))
    copy.ask(PlaceHold(**asked, key="h3", lines=two(bob, bank, 5), reference="ref-h", metadata={"x": "y"}))
    copy.ask(ChangeWallet(**asked, key="l1", wallet_id=wallet(alice), change="limit", overdraft_limit_minor=7))
    copy.ask(ChangeWallet(**asked, key="f1", wallet_id=wallet(bob), change="freeze", reason="r"))
    copy.ask(ChangeWallet(**asked, key="x1", wallet_id=wallet("wallet:gone"), change="close", reason="r"))
    a_payment(copy)
    for days in (20, 10):
        copy.ask(ClosePeriod(**asked, key=f"d{days}", through=NOW.date() - timedelta(days=days)))


def a_payment(copy: Copy) -> None:
    """A fact: nobody asked the engine for it."""
    order = PaymentOrder.create(
        book=SOURCE, order_id="11111111-0000-4000-8000-000000000001", merchant_id=SELLER, amount_minor=500,
        currency="EUR", expires_at=NOW + timedelta(days=1), at=NOW,
    )  # fmt: skip
    order.start_attempt(rail="simulated", method="token", amount_minor=500, attempt_key="k", at=NOW)
    order.authorize(attempt=1, amount_minor=500, currency="EUR", capture_before=None, rail_reference="au_1", at=NOW)
    with closing(EventLog(PostgresRecorder(copy.settings.database_url or ""))) as log:
        log.save(order, book=SOURCE)


def test_an_export_imported_elsewhere_is_the_same_ledger_and_again_changes_nothing(copy: Copy) -> None:
    a_lived_in_book(copy)
    path = copy.folder / "book.jsonl"
    exported = copy.run("export", str(path))
    assert (exported["postings"], exported["holds"]) == (10, 2)
    first = copy.run("import", str(path), "--book", str(TARGET))
    assert (first["replayed"], first["holds_expired"]) == (0, 0)
    assert copy.run("digest", "--book", str(TARGET)) == {**exported, "book": TARGET}
    before = copy.written()
    again = copy.run("import", str(path), "--book", str(TARGET))
    assert (again["created"], again["replayed"], copy.written()) == (0, first["created"], before)
    kept = copy.folder / "again.jsonl"
    copy.run("export", str(kept), "--book", str(TARGET))
    lines = [sorted(one.read_text().splitlines()) for one in (path, kept)]
    assert lines[0] == lines[1], "an export of an import says the same"


def test_what_was_reverted_before_an_export_is_not_reverted_again_after_it(copy: Copy) -> None:
    lines = [{"address": a, "currency": "EUR", "amount_minor": n} for a, n in (("bank:b:cash", 9), ("wallet:r", -9))]
    back = [{**line, "amount_minor": -line["amount_minor"]} for line in lines]  # type: ignore[operator]
    history = copy.file(
        "reverted.jsonl", *opened("bank:b:cash", "wallet:r"), {"type": "posting", "key": "one", "lines": lines},
        {"type": "posting", "rule": "reversal", "key": "back", "reverts": "posting/one", "lines": back,
         "effective_at": "2026-01-05T00:00:00Z"},
        {"type": "hold", "key": "late", "lines": lines, "expires_at": "2026-01-06T00:00:00Z"},
    )  # fmt: skip
    assert copy.run("import", history, "--book", str(SECOND))["holds_expired"] == 1
    original = copy.count("select count(*) from log.events where book = %s and topic = 'posting.reverted.v1'", SECOND)
    assert (original, copy.balance(SECOND, "wallet:r")) == (1, 0)
    again = copy.client.ask(Revert(book=SECOND, key="again", posting_id=stream_id(SECOND, "posting", "posting/one")))
    assert again.code == "already_reverted"


def opened(*addresses: str) -> list[dict[str, Any]]:
    return [
        {"type": "wallet", "address": address, "currency": "EUR", "overdraft_limit_minor": None}
        for address in addresses
    ]


def moved(key: str, amount: int = 1, **more: Any) -> dict[str, Any]:
    lines = [
        {"address": "bank:main:cash", "currency": "EUR", "amount_minor": amount},
        {"address": "wallet:alice", "currency": "EUR", "amount_minor": -amount},
    ]
    return {"type": "posting", "key": key, "lines": lines, **more}


def test_an_import_that_was_killed_goes_on_where_it_was(copy: Copy) -> None:
    count = 6_000
    history = copy.file(
        "long.jsonl", *opened("bank:main:cash", "wallet:alice"), *(moved(f"k{number}") for number in range(count))
    )
    words = ("import", history, "--book", str(CUT))
    process = copy.start(*words, program=(sys.executable, "-m", "daybook"))
    posted = "select count(*) from log.events where book = %s and topic = 'posting.recorded.v1'"
    deadline = time.monotonic() + PATIENCE_S
    while copy.count(posted, CUT) < 500:
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert -copy.balance(CUT, "wallet:alice") < count
    totals = copy.run(*words)
    assert totals["replayed"] > 0
    assert totals["created"] > 0
    assert copy.balance(CUT, "wallet:alice") == -count


def test_opening_balances_come_from_csv_against_their_contra_account(copy: Copy) -> None:
    openings = copy.file(
        "openings.csv", "currency,address,amount_minor,effective_at", "EUR,wallet:alice,500,2026-01-01T00:00:00Z",
        "EUR,wallet:empty,0,", "EUR,psp:simulated:clearing,200,", "EUR,wallet:bob,1,",
    )  # fmt: skip
    words = ("import", openings, "--contra", "bank:main:cash", "--book", str(OPENINGS))
    first, second = copy.run(*words), copy.run(*words)
    assert (second["created"], second["replayed"]) == (0, first["created"])
    found = [copy.balance(OPENINGS, a) for a in ("wallet:alice", "wallet:empty", "psp:simulated:clearing")]
    assert (found, copy.balance(OPENINGS, "bank:main:cash")) == ([-500, 0, 200], 301)
    changed = copy.file("openings.csv", "address,currency,amount_minor", "wallet:alice,EUR,501")
    assert "openings.csv:2" in copy.run("import", changed, "--contra", "bank:main:cash", "--book", "4", status=1)


def test_a_bad_line_is_named_the_lines_before_it_are_in_and_a_mended_file_goes_on(copy: Copy) -> None:
    start = [*opened("bank:main:cash", "wallet:alice"), moved("a"), moved("b")]
    unknown = moved("c")
    unknown["lines"][1]["address"] = "wallet:nobody"
    words = ("--book", str(BAD))
    broken = copy.file("bad.jsonl", *start, unknown, moved("d"))
    message = copy.run("import", broken, *words, status=1)
    assert "bad.jsonl:5: lines.1: " in message, message
    assert copy.balance(BAD, "wallet:alice") == -2
    totals = copy.run("import", copy.file("bad.jsonl", *start, moved("c"), moved("d")), *words)
    assert (totals["created"], copy.balance(BAD, "wallet:alice")) == (2, -4)
