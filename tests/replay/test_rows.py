"""Rows of a view are the same whether they are asked for now or as of now, of whatever book."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from domain.wallet import WalletAccount
from eventlog.application import EventLog
from projections.queries import Queries
from projections.registry import view, views
from replay.past import PastViews
from replay.rows import ValueUnreadable, rows
from tests.last_written import last_written
from tests.replay.history import AT, History, catch_up

Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def asked(log: EventLog, database_url: str) -> Iterator[Rows]:
    """Asks by book 1, of a history with two books."""
    history = History(log)
    history.open_wallets(3)
    history.write_each(3)
    other = WalletAccount.open(book=2, address="wallet:other", currency="EUR", at=AT, overdraft_limit_minor=None)
    other.post(posting_id=other.id, line=0, amount_minor=5, effective_at=AT, at=AT)
    log.save(other, book=2)
    catch_up(log, database_url)
    past = PastViews(database_url, log.log_recorder, log.log_mapper.decode)
    queries = Queries(log.log_recorder.readers.read, past)

    def ask(name: str, as_of: int | None = None, **where: str) -> list[dict[str, Any]]:
        return rows(queries, view(name), 1, where, 1_000, as_of)

    yield ask
    past.close()


@pytest.mark.parametrize("name", views())
def test_rows_as_of_now_are_those_of_now(asked: Rows, log: EventLog, name: str) -> None:
    now = last_written(log)
    assert asked(name, now) == asked(name)
    if "book" in view(name).columns:
        for book in ("2", "02", "3"):
            assert asked(name, now, book=book) == asked(name, book=book)


def test_another_book_is_asked_about_by_its_number(asked: Rows, log: EventLog) -> None:
    now = last_written(log)
    for found in (asked("balances", book="2"), asked("balances", now, book="2"), asked("balances", now, book=" 2 ")):
        assert [row["address"] for row in found] == ["wallet:other"]
    assert len(asked("wallet_days", now)) > len(asked("balances", now)) == 3
    assert asked("balances", now, book=str(2**31 - 1)) == []
    for wrong in ("two", "9" * 30):
        with pytest.raises(ValueUnreadable, match="integer"):
            asked("balances", now, book=wrong)
