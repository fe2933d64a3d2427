"""`daybook replay what-if` and `record` from the command line: answers as text, JSON and a page, and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from daybook.settings import Settings
from eventlog.application import EventLog
from eventlog.postgres import PostgresRecorder
from replay.recorded import RecordedHistory
from tests.e2e.test_ledger_commands import Shell
from tests.last_written import last_written
from tests.replay.history import MERCHANT, History


@pytest.fixture
def last(database_url: str) -> Iterator[int]:
    """A few captured orders; the last position."""
    log = EventLog(PostgresRecorder(database_url))
    history = History(log)
    history.open_wallets(2)
    history.write(40)
    yield last_written(log)
    log.close()


@pytest.fixture
def shell(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.syspath_prepend(tmp_path)
    return Shell(Settings(home=tmp_path / "home", database_url=database_url))


def test_other_fees_are_told_on_the_terminal_as_json_and_as_a_page(shell: Shell, last: int, tmp_path: Path) -> None:
    (tmp_path / "no_fees.py").write_text('FEES = {"*": 0}\n', encoding="utf-8")
    page = tmp_path / "page.html"
    text = shell.run("replay", "what-if", "--with", "no_fees", "--html", str(page))
    assert "would be charged otherwise" in text
    assert "0.00 EUR" in text
    assert MERCHANT in page.read_text(encoding="utf-8")
    facts = shell.facts("replay", "what-if", "--with", "no_fees")
    assert (facts["with"], facts["until"], facts["views"], facts["postings"]) == ("no_fees", str(last), [], None)
    (seller,) = facts["fees"]["sellers"]
    assert seller["after_minor"] == 0 < seller["before_minor"] == -seller["difference_minor"]
    assert shell.facts("replay", "what-if", "--with", "no_fees", "--until", "0")["fees"]["sellers"] == []


def test_what_cannot_be_asked_is_named(shell: Shell, last: int, tmp_path: Path) -> None:
    (tmp_path / "failing_fees.py").write_text("def commission_bps(event, book):\n    return -1\n", encoding="utf-8")
    refused = shell.run("replay", "what-if", "--with", "failing_fees", status=1)
    assert "commission_bps of failing_fees cannot take payment-order.captured.v1 at position" in refused
    for arguments, named in (
        (("--with", "not_there_at_all"), "No module named"),
        (("--with", "failing_fees", "--view", "balances"), "has no view 'balances'"),
        (("--with", "failing_fees", "--until", str(last + 2**50)), "--until: the log has come to position"),
        (
            ("--with", "failing_fees", "--html", str(tmp_path / "no" / "page.html")),
            f"there is no folder {tmp_path / 'no'}",
        ),
        (("--with", "failing_fees", "--until", "9" * 26), "'--until': positions end at"),
        ((), "--with"),
    ):
        assert named in shell.run("replay", "what-if", *arguments, status=2)


def test_a_module_that_ends_the_program_does_not_end_as_if_all_were_well(
    shell: Shell, last: int, tmp_path: Path
) -> None:
    (tmp_path / "ending_at_once.py").write_text("import sys\nsys.exit()\n", encoding="utf-8")
    assert "it ends the program" in shell.run("replay", "what-if", "--with", "ending_at_once", status=2)
    (tmp_path / "ending_later.py").write_text("def commission_bps(event, book):\n    exit()\n", encoding="utf-8")
    assert "it ends the program" in shell.run("replay", "what-if", "--with", "ending_later", status=1)


def test_a_page_that_cannot_be_written_after_all_is_said(shell: Shell, last: int, tmp_path: Path) -> None:
    """As when the disk has filled up meanwhile."""
    (tmp_path / "no_fee.py").write_text('FEES = {"*": 0}\n', encoding="utf-8")
    assert "cannot write /dev/full: No space left" in shell.run(
        "replay", "what-if", "--with", "no_fee", "--html", "/dev/full", status=1
    )


def test_a_row_that_is_no_json_is_named_and_no_half_a_history_is_left(
    shell: Shell, last: int, database_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("update log.events set state = '{' where position = %s", [last])
    told = shell.run("replay", "record", str(tmp_path / "history.jsonl"), status=1)
    assert f" at position {last}, " in told
    assert "is no JSON: Input data was truncated; `daybook verify` names" in told
    assert list(tmp_path.glob("history*")) == []


def test_a_history_is_recorded_for_tests_and_none_is_overwritten(shell: Shell, last: int, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    recorded = shell.facts("replay", "record", str(file))
    assert recorded["events"] == len(RecordedHistory(file).rows) > 40
    assert RecordedHistory(file).max_notification_id() == last
    assert "is there already" in shell.run("replay", "record", str(file), status=2)
    assert "No such file" in shell.run("replay", "record", str(tmp_path / "nowhere" / "x"), status=2)
    assert "0 events in" in shell.run("replay", "record", str(tmp_path / "none.jsonl"), "--until", "0")
