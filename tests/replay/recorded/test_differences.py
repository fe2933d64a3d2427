"""What new code does otherwise fails by name: the row, the column, the amount as money, the events; or the stream."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.payment_order import PaymentOrder
from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.mapper import stored_row
from eventlog.memory import MemoryRecorder
from projections.registry import view, views
from projections.wallet_days import WalletDays
from replay.builds import find
from replay.fill import EventRefused
from replay.golden_rows import Outcome, replay, write_outcome
from replay.golden_states import replayed_states, write_states
from replay.recorded import HistoryUnreadable, RecordedHistory, record
from replay.testing import HistoryDiffers, assert_same_rows, assert_same_states, replayed_rows
from tests.replay.history import MERCHANT, History, catch_up
from tests.replay.planted.right_fees import RightEarnings
from tests.replay.planted.takings import InSek, Takings
from tests.replay.planted.wrong_fees import WrongEarnings
from tests.replay.recorded.writing import SMALL

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 60.0


def test_an_other_amount_fails_with_row_money_and_events(tmp_path: Path) -> None:
    golden = tmp_path / "earnings.jsonl"
    write_outcome(golden, RightEarnings(), Outcome(replayed_rows(SMALL, RightEarnings())))
    assert_same_rows(SMALL, RightEarnings(), golden)
    with pytest.raises(HistoryDiffers) as failed:
        assert_same_rows(SMALL, WrongEarnings(), golden)
    before, after = (
        {row["seller_id"]: row for row in replayed_rows(SMALL, one)} for one in (RightEarnings(), WrongEarnings())
    )
    text = str(failed.value)
    assert f"changed: book 1, seller_id {MERCHANT}, currency EUR" in text
    amounts = [f"{found[MERCHANT]['net_minor'] / 100:.2f} EUR" for found in (before, after)]
    assert f"net_minor: {amounts[0]} -> {amounts[1]}" in text
    assert re.search(r"behind it: payment-order\.captured\.v1 at position \d+, .*", text)
    assert "in all, replayed minus recorded: commission_minor" in text
    assert f"recorded in {golden}; if the difference is meant, write it anew with --record-golden" in text


def test_rows_that_come_or_go_are_told(tmp_path: Path) -> None:
    golden = tmp_path / "earnings.jsonl"
    rows = replayed_rows(SMALL, RightEarnings())
    write_outcome(golden, RightEarnings(), Outcome([*rows[1:], {**rows[0], "seller_id": "somebody"}]))
    with pytest.raises(HistoryDiffers, match="0 rows changed, 1 added, 1 removed") as failed:
        assert_same_rows(SMALL, RightEarnings(), golden)
    assert "removed: book 1, seller_id somebody" in str(failed.value)
    assert "behind it: no event of the history" in str(failed.value)


def test_a_column_that_the_view_lost_or_got_is_told(tmp_path: Path) -> None:
    golden = tmp_path / "earnings.jsonl"
    rows = replayed_rows(SMALL, RightEarnings())
    write_outcome(golden, RightEarnings(), Outcome(rows))
    golden.write_text(golden.read_text().replace('"captures"', '"orders"'), encoding="utf-8")
    with pytest.raises(HistoryDiffers, match=r"orders: \d+ -> -") as failed:
        assert_same_rows(SMALL, RightEarnings(), golden)
    assert re.search(r"captures: - -> \d+", str(failed.value))


def test_money_of_a_wallet_is_told_in_the_currency_that_the_history_says_it_is_in(tmp_path: Path) -> None:
    golden = tmp_path / "wallet_days.jsonl"
    rows = replayed_rows(SMALL, WalletDays())
    more = {**rows[0], "debit_minor": rows[0]["debit_minor"] + 250}
    write_outcome(golden, WalletDays(), Outcome([more, *rows[1:]]))
    with pytest.raises(HistoryDiffers, match=r"in all, replayed minus recorded: debit_minor -2\.50 EUR"):
        assert_same_rows(SMALL, WalletDays(), golden)


def test_money_of_another_merchant_is_missing_from_one_sum_and_found_in_the_other(tmp_path: Path) -> None:
    golden = tmp_path / "takings.jsonl"
    write_outcome(golden, Takings(), Outcome(replayed_rows(SMALL, InSek())))
    with pytest.raises(HistoryDiffers) as failed:
        assert_same_rows(SMALL, Takings(), golden)
    sums = re.findall(r"in all, replayed minus recorded: amount_minor ([+-][\d.]+) (...)", str(failed.value))
    assert [(f"{-float(amount):+.2f}", currency) for amount, currency in sums[1:]] == [(sums[0][0], "SEK")]
    assert sums[0][1] == "EUR"


class Failing(RightEarnings):
    """Cannot take a capture in euros."""

    def fold(self, rows: Any, fact: Any) -> None:
        if fact.event.currency == "EUR":
            raise KeyError("EUR")
        super().fold(rows, fact)


def test_an_event_that_new_code_cannot_take_is_named_unless_it_could_not_be_taken_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = tmp_path / "earnings.jsonl"
    write_outcome(golden, RightEarnings(), Outcome(replayed_rows(SMALL, RightEarnings())))
    refused = r"earnings cannot take payment-order\.captured\.v1 at position \d+.*EUR"
    with pytest.raises(HistoryDiffers, match=refused) as failed:
        assert_same_rows(SMALL, Failing(), golden)
    assert f"removed: book 1, seller_id {MERCHANT}, currency EUR" in str(failed.value)
    with pytest.raises(EventRefused, match=refused):
        replayed_rows(SMALL, Failing())
    write_outcome(golden, Failing(), replay(RecordedHistory(SMALL), Failing()))
    assert_same_rows(SMALL, Failing(), golden)
    with pytest.raises(HistoryDiffers, match=r"view earnings takes stream .* now, which it had left out"):
        assert_same_rows(SMALL, RightEarnings(), golden)
    monkeypatch.setattr("replay.golden_rows.LEFT_OUT_MAX", 1)
    with pytest.raises(HistoryDiffers, match="1 streams before it were refused too"):
        assert_same_rows(SMALL, Failing(), golden)
    with pytest.raises(HistoryDiffers, match="none is not there: run once with --record-golden"):
        assert_same_rows(SMALL, RightEarnings(), tmp_path / "none")


def test_a_stream_that_ends_in_another_state_is_named_with_the_fields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = tmp_path / "states.jsonl"
    write_states(golden, replayed_states(RecordedHistory(SMALL))[0])
    assert_same_states(SMALL, golden)
    declined = PaymentOrder.AttemptDeclined.apply

    def cancels(event: Any, order: Any) -> None:
        declined(event, order)
        order.cancelled = True

    monkeypatch.setattr(PaymentOrder.AttemptDeclined, "apply", cancels)
    with pytest.raises(HistoryDiffers, match=r"2 of \d+ streams end otherwise") as failed:
        assert_same_states(SMALL, golden)
    named = r"payment-order [0-9a-f-]{36} \(book 1\) after version \d+ at position \d+: other cancelled"
    assert re.search(named, str(failed.value))
    monkeypatch.setattr(PaymentOrder.AttemptDeclined, "apply", lambda _, order: order.nothing_like_it())
    with pytest.raises(HistoryDiffers, match=r"attempt-declined\.v1 at position \d+, version \d+ .* cannot be folded"):
        assert_same_states(SMALL, golden)
    write_states(golden, replayed_states(RecordedHistory(SMALL))[0])
    assert_same_states(SMALL, golden)
    monkeypatch.setattr(PaymentOrder.AttemptDeclined, "apply", declined)
    with pytest.raises(HistoryDiffers, match="folds now, which it did not"):
        assert_same_states(SMALL, golden)


def test_a_stream_that_is_cut_off_or_not_there_is_named(tmp_path: Path) -> None:
    golden, lines = tmp_path / "states.jsonl", SMALL.read_bytes().splitlines(keepends=True)
    write_states(golden, replayed_states(RecordedHistory(SMALL))[0])
    shorter = tmp_path / "shorter.jsonl"
    shorter.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(HistoryDiffers, match=r"1 of \d+ streams end otherwise\n  subject .*: is not in the history"):
        assert_same_states(shorter, golden)
    write_states(golden, replayed_states(RecordedHistory(shorter))[0])
    with pytest.raises(HistoryDiffers, match="was not recorded"):
        assert_same_states(SMALL, golden)


@pytest.mark.parametrize(
    "line", [b"{}", b"[1]", b"nothing", b'{"position":"x","book":1}', SMALL.read_bytes().splitlines()[3][:-9]]
)
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "damaged.jsonl"
    path.write_bytes(SMALL.read_bytes().splitlines()[0] + b"\n" + line + b"\n")
    with pytest.raises(HistoryUnreadable, match=r"damaged\.jsonl, line 2: "):
        RecordedHistory(path)


@pytest.mark.parametrize("name", views())
def test_what_is_replayed_in_memory_is_what_the_machine_made(
    name: str, log: EventLog, database_url: str, tmp_path: Path
) -> None:
    history = History(log)
    history.open_wallets(4)
    history.write(60)
    catch_up(log, database_url)
    path = tmp_path / "history.jsonl"
    assert record(log.log_recorder, path) == len(log.log_recorder.read(0, 10**6))
    recorded = RecordedHistory(path)
    assert recorded.rows == log.log_recorder.read(0, 10**6)
    found = view(name)
    with connect(database_url) as connection:
        table = find(connection, name, "live").table
        rows = connection.execute(f"select {', '.join(found.columns)} from {table}").fetchall()
    replayed = replayed_rows(path, found)
    assert sorted(map(str, replayed)) == sorted(str(dict(zip(found.columns, row, strict=True))) for row in rows)


@given(
    st.lists(
        st.tuples(st.dictionaries(st.text(), st.integers() | st.text()), st.integers(1, 3), st.sampled_from([0, 2])),
        max_size=8,
    )
)
def test_whatever_the_log_holds_comes_back_from_the_file(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[dict[str, Any], int, int]]
) -> None:
    recorder = MemoryRecorder()
    for number, (state, book, indent) in enumerate(events):
        text = msgspec.json.format(msgspec.json.encode(state), indent=indent)
        recorder.insert_events([stored_row(UUID(int=number), 1, "demo.happened.v1", text)], book=book)
    path = tmp_path_factory.mktemp("recorded") / "history.jsonl"
    assert record(recorder, path) == len(events)
    found = RecordedHistory(path)
    for row, wanted in zip(found.rows, recorder.read(0, 100), strict=True):
        assert row._replace(state=b"") == wanted._replace(state=b"")
        assert msgspec.json.decode(row.state) == msgspec.json.decode(wanted.state)
    assert found.read(1, 2, books=[2]) == [row for row in found.rows if row.position > 1 and row.book == 2][:2]
    assert len(RecordedHistory(path).rows) == record(recorder, path, until=len(events))
    assert record(recorder, path, books=[1]) == sum(book == 1 for _, book, _ in events)


CONFTEST = 'pytest_plugins = ["replay.testing"]\n'
TEST = """
from tests.replay.planted.{module} import VIEW

def test_history(recorded_history):
    history = recorded_history("small.jsonl")
    history.assert_same_rows(VIEW)
    history.assert_same_states()
"""


def test_a_projects_own_tests_record_compare_and_fail(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "small.jsonl").write_bytes(SMALL.read_bytes())
    test = tmp_path / "test_history.py"
    test.write_text(TEST.format(module="right_fees"), encoding="utf-8")
    status, text = run_pytest(tmp_path)
    assert (status, "run once with --record-golden" in text) == (1, True)
    assert run_pytest(tmp_path, "--record-golden")[0] == 0
    assert {path.name for path in tmp_path.glob("small.*.jsonl")} == {"small.earnings.jsonl", "small.states.jsonl"}
    assert run_pytest(tmp_path)[0] == 0
    test.write_text(TEST.format(module="wrong_fees"), encoding="utf-8")
    status, text = run_pytest(tmp_path)
    assert status == 1
    assert "replay.testing.HistoryDiffers: view earnings: " in text
    assert "behind it: payment-order.captured.v1 at position" in text


def run_pytest(folder: Path, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
