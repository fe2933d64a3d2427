"""A wallet's explanation adds up at any position and any length, and every entry leads to its cause."""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest

from domain.ids import wallet_stream_id
from domain.wallet import WalletAccount
from replay.explain.history import History
from replay.explain.wallet import EntriesDoNotClose, WalletExplanation, explain_wallet
from tests.replay.checks.history import ALICE, CAROL, CASH, HOLD, PAID, REVERTED, SELLERS, TOO_LATE, order_stream

HistoryAt = Callable[..., History]
DEBIT = {"asset", "expense", "memo"}
NUMBERS = """
select stream_id, position, convert_from(state, 'utf8') from log.events
 where topic in ('wallet.posted.v1', 'wallet.held.v1') order by position
"""
OPENED = """
select stream_id, position, convert_from(state, 'utf8') from log.events where topic = 'wallet.opened.v1'
"""


def explained(history: History, wallet: UUID, limit: int = 1_000) -> WalletExplanation:
    found = explain_wallet(history, wallet, limit)
    assert found is not None
    return found


def test_opening_and_shown_make_the_balance_at_any_position_and_length(
    books: str, history: HistoryAt, positions: list[int]
) -> None:
    """Held against the rows read as plain JSON."""
    with psycopg.connect(books) as connection:
        numbers = [(wallet, at, json.loads(state)) for wallet, at, state in connection.execute(NUMBERS)]
        opened = {wallet: (at, json.loads(state)) for wallet, at, state in connection.execute(OPENED)}
    for wallet, (opened_at, account) in opened.items():
        sign = 1 if account["account_kind"] in DEBIT else -1
        for position in positions[::11]:
            if position < opened_at:
                assert explain_wallet(history(position), wallet) is None
                continue
            mine = [state for stream, at, state in numbers if stream == wallet and at <= position]
            posted = sign * sum(state.get("amount_minor", 0) for state in mine)
            held = mine[-1]["held_after"] if mine else 0
            for limit in (1, 3, 1_000):
                found = explained(history(position), wallet, limit)
                assert (found.posted_minor, found.held_minor, found.available_minor) == (posted, held, posted - held)
                assert found.opening_minor + found.shown_minor == found.posted_minor
                assert found.shown_minor == sum(entry.amount_minor for entry in found.entries)
                assert found.entries_before + len(found.entries) == len(mine)
                assert sum(entry.held_change_minor for entry in found.entries) == held or found.entries_before


def test_the_newest_entry_comes_first_and_each_has_the_balance_after_it(history: HistoryAt) -> None:
    found = explained(history(), CASH)
    assert [entry.amount_minor for entry in found.entries] == [500, -200, 500, 10_000]
    assert [entry.posted_minor for entry in found.entries] == [10_800, 10_300, 10_500, 10_000]
    assert (found.address, found.account_kind, found.overdraft_limit_minor) == ("bank:main:cash", "asset", None)


def test_an_entry_of_a_request_names_it(history: HistoryAt) -> None:
    found = explained(history(), CAROL)
    taken, given = found.entries
    assert (taken.rule, taken.reference, taken.amount_minor) == ("transfer", "transfer/overdraft", -550)
    assert taken.cause is not None
    assert (taken.cause.kind, taken.cause.subject, taken.cause.source) == ("request", "transfer/overdraft", None)
    assert taken.posting is not None
    assert (taken.posting.actor, taken.posting.topic) == ("engine", "posting.recorded.v1")
    assert (given.line, given.posted_minor) == (1, 500)


def test_an_entry_of_a_fact_leads_to_its_event_and_order(history: HistoryAt) -> None:
    available = wallet_stream_id(1, f"merchant:{SELLERS[1]}:available", "EUR")
    (entry,) = explained(history(), available).entries
    assert (entry.rule, entry.amount_minor) == ("release-funds.v1", 301)
    assert entry.cause is not None
    assert entry.cause.subject == f"order {PAID}"
    source = entry.cause.source
    assert source is not None
    assert (source.topic, source.stream_id) == ("payment-order.funds-released.v1", order_stream(PAID))
    assert (source.actor, source.correlation, source.code_version) == ("key:demo", "request-065", "1.0")


def test_an_adjustment_and_a_late_fact_are_causes_too(history: HistoryAt) -> None:
    suspense = explained(history(), wallet_stream_id(1, "suspense:psp", "EUR"))
    subjects = [entry.cause.subject for entry in suspense.entries if entry.cause is not None]
    assert subjects[0] == f"order {TOO_LATE}"
    assert f"adjustment {UUID(int=201)}" in subjects


def test_holds_are_entries_that_move_nothing(history: HistoryAt) -> None:
    found = explained(history(), ALICE)
    mine = [entry for entry in found.entries if entry.posting_id == HOLD]
    assert [(entry.amount_minor, entry.held_change_minor) for entry in mine] == [(0, -300), (0, 600)]
    commits = [entry for entry in found.entries if entry.rule == "hold-commit"]
    assert [(entry.amount_minor, entry.held_change_minor) for entry in commits] == [(-100, -100), (-200, -200)]
    reversal = next(entry for entry in found.entries if entry.rule == "reversal")
    assert reversal.amount_minor == -200
    assert any(entry.posting_id == REVERTED for entry in found.entries)


def test_what_is_no_wallet_of_the_book_is_not_there(history: HistoryAt) -> None:
    assert explain_wallet(history(), UUID(int=7)) is None
    assert explain_wallet(history(), order_stream(PAID)) is None
    assert explain_wallet(history(book=2), ALICE) is None


def test_damaged_entries_are_not_explained_away(history: HistoryAt, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = history()
    shown = whole.newest_numbers(CASH, 100)
    event = shown[0].event
    monkeypatch.setitem(vars(event), "amount_minor", event.amount_minor + 1)
    monkeypatch.setattr(whole, "newest_numbers", lambda *_: shown)
    assert isinstance(event, WalletAccount.Posted)
    with pytest.raises(EntriesDoNotClose):
        explain_wallet(whole, CASH)
