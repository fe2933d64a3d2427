"""Queries against an independent computation: whatever was posted, in whatever order of effective time, a number as of
a position is the fold up to it, a number at an effective moment is the sum of what was true by then."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.address_pattern import AddressPattern
from domain.chart import DEBIT_KINDS, account_kind
from domain.ids import wallet_stream_id
from eventlog.connections import connect
from projections.queries import (
    ONLY_KINDS,
    CursorUnreadable,
    Grouping,
    MomentNotReached,
    Range,
    RangeReversed,
    ViewsApart,
    WalletFilter,
    When,
    span,
    up_to,
)
from tests.projections.ledger import BEGIN, Asker, Entry, Ledger

ADDRESSES = ("wallet:a", "wallet:b:main", "merchant:m1:available", "merchant:m2:available", "bank:x:cash", "rev:fees")
MOMENTS = st.sampled_from([BEGIN + timedelta(hours=hours, seconds=1) for hours in (0, 5, 23, 24, 25, 47, 72, 95)])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(ADDRESSES), st.sampled_from(ADDRESSES), st.integers(1, 900), MOMENTS, st.sampled_from("EU")
    ).filter(lambda step: step[0] != step[1]),
    min_size=1,
    max_size=12,
)
BOUNDS = st.sampled_from([BEGIN + timedelta(hours=hours) for hours in (-1, 0, 3, 24, 30, 48, 60, 72, 96, 120)])
books = itertools.count(10)


def natural(entry: Entry) -> int:
    return entry.amount if account_kind(entry.address) in DEBIT_KINDS else -entry.amount


def summed(found: list[Entry]) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for entry in found:
        key = (entry.currency, account_kind(entry.address))
        sums[key] = sums.get(key, 0) + natural(entry)
    return {key: amount for key, amount in sums.items() if amount}


def balances(ledger: Ledger, book: int, when: When, chosen: WalletFilter) -> dict[tuple[str, str], int]:
    page = ledger.queries.balances(Asker(book), chosen, when, ONLY_KINDS, cursor=None, limit=100)
    return {(row["currency"], row["account_kind"]): row["posted_minor"] for row in page.items if row["posted_minor"]}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, moment=BOUNDS, bounds=st.tuples(BOUNDS, BOUNDS), pick=st.integers(0, 30))
def test_every_number_is_what_the_events_up_to_then_add_up_to(
    ledger: Ledger, steps: list[Any], moment: datetime, bounds: tuple[datetime, datetime], pick: int
) -> None:
    book = next(books)
    for source, target, amount, effective_at, currency in steps:
        ledger.post(book, source, target, amount, effective_at, {"E": "EUR", "U": "USD"}[currency])
    ledger.machine.catch_up()
    found = ledger.entries(book)
    position = found[pick % len(found)].position
    for pattern in ("wallet:**", "merchant:*:available", "bank:x:cash", None):
        chosen = WalletFilter(pattern=AddressPattern.parse(pattern) if pattern else None)
        mine = [entry for entry in found if chosen.pattern is None or chosen.pattern.matches(entry.address)]
        known = [entry for entry in mine if entry.position <= position]
        assert balances(ledger, book, When(), chosen) == summed(mine)
        assert balances(ledger, book, When(position), chosen) == summed(known)
        for as_of, entries in ((None, mine), (position, known)):
            true = [entry for entry in entries if entry.effective_at <= moment]
            assert balances(ledger, book, When(as_of, up_to(moment)), chosen) == summed(true)
        check_volumes(ledger, book, chosen, mine, min(bounds), max(bounds), position)
        check_statements(ledger, book, mine, min(bounds), max(bounds), position)


def check_volumes(
    ledger: Ledger, book: int, chosen: WalletFilter, mine: list[Entry], start: datetime, end: datetime, position: int
) -> None:
    asked = {"cursor": None, "limit": 100}
    shown = ledger.queries.volumes(Asker(book), chosen, When(None, span(start, end)), ONLY_KINDS, **asked).items
    inside = [entry for entry in mine if start <= entry.effective_at < end]
    assert sum(row["debit_minor"] for row in shown) == sum(entry.amount for entry in inside if entry.amount > 0)
    assert sum(row["credit_minor"] for row in shown) == -sum(entry.amount for entry in inside if entry.amount < 0)
    assert sum(row["entries"] for row in shown) == len(inside)
    recorded = ledger.queries.recorded_volumes(Asker(book), chosen, position, When(2**62), ONLY_KINDS, **asked).items
    assert sum(row["entries"] for row in recorded) == len([entry for entry in mine if entry.position > position])


def check_statements(
    ledger: Ledger, book: int, mine: list[Entry], start: datetime, end: datetime, position: int
) -> None:
    for address, currency in {(entry.address, entry.currency) for entry in mine}:
        own = [entry for entry in mine if (entry.address, entry.currency) == (address, currency)]
        wallet_id = wallet_stream_id(book, address, currency)
        for about, inside, before in (
            (
                Range(span(start, end)),
                [entry for entry in own if start <= entry.effective_at < end],
                [entry for entry in own if entry.effective_at < start],
            ),
            (
                Range(None, position),
                [entry for entry in own if entry.position > position],
                [entry for entry in own if entry.position <= position],
            ),
        ):
            pages = list(ledger.queries.statement_pages(Asker(book), wallet_id, about, limit=2))
            lines = [line for page in pages for line in page.entries]
            opening, closing = pages[0].opening_minor, pages[-1].closing_minor
            assert opening == sum(map(natural, before))
            assert opening + sum(line["amount_minor"] for line in lines) == closing
            assert sorted(line["amount_minor"] for line in lines) == sorted(map(natural, inside))
            assert [line["balance_minor"] for line in lines] == list(
                itertools.accumulate((line["amount_minor"] for line in lines), initial=opening)
            )[1:]


def test_a_statement_belongs_together_whatever_is_posted_between_its_pages(ledger: Ledger) -> None:
    for amount in (100, 200, 300):
        ledger.post(1, "bank:x:cash", "wallet:a", amount, BEGIN)
    ledger.machine.catch_up()
    asker, wallet_id = Asker(1), wallet_stream_id(1, "wallet:a", "EUR")
    about = Range(span(None, None))
    first = ledger.queries.statement(asker, wallet_id, about, limit=2)
    assert first is not None
    ledger.post(1, "bank:x:cash", "wallet:a", 400, BEGIN - timedelta(days=3))
    ledger.machine.catch_up()
    rest = ledger.queries.statement(asker, wallet_id, about, cursor=first.next_cursor, limit=2)
    assert rest is not None
    assert [line["amount_minor"] for line in [*first.entries, *rest.entries]] == [100, 200, 300]
    assert (first.closing_minor, rest.closing_minor, rest.next_cursor) == (600, 600, None)


def test_balances_are_grouped_by_segment_address_and_notes_page_by_page(ledger: Ledger) -> None:
    for address, amount in (("merchant:m1:available", 5), ("merchant:m2:available", 7), ("merchant:m1:pending", 11)):
        ledger.post(1, "bank:x:cash", address, amount, BEGIN)
    wallet = ledger.wallet(1, "merchant:m1:pending", "EUR")
    wallet.change_metadata({"tier": "gold"}, at=BEGIN)
    ledger.log.save(wallet, book=1)
    ledger.machine.catch_up()
    merchants = WalletFilter(pattern=AddressPattern.parse("merchant:**"))

    def grouped(names: str, chosen: WalletFilter = merchants, limit: int = 1) -> dict[tuple[str | None, ...], int]:
        grouping, rows, cursor = Grouping.parse(names), [], None
        for _ in range(10):
            page = ledger.queries.balances(Asker(1), chosen, When(), grouping, cursor=cursor, limit=limit)
            rows += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        return {tuple(row["group"].values()): row["posted_minor"] for row in rows}

    assert grouped("segment.2") == {("m1",): 16, ("m2",): 7}
    assert grouped("segment.3,segment.2", limit=2) == {
        ("available", "m1"): 5,
        ("available", "m2"): 7,
        ("pending", "m1"): 11,
    }
    assert grouped("metadata.tier") == {(None,): 12, ("gold",): 11}
    gold = WalletFilter(metadata={"tier": "gold"})
    assert grouped("address,kind", gold) == {("merchant:m1:pending",): 11}
    with pytest.raises(CursorUnreadable):
        ledger.queries.balances(Asker(1), gold, When(), ONLY_KINDS, cursor="bm9uc2Vuc2U", limit=1)


def test_what_lies_in_the_future_or_is_no_range_is_refused_by_field(ledger: Ledger) -> None:
    ledger.post(1, "bank:x:cash", "wallet:a", 1, BEGIN)
    last = ledger.recorder.max_notification_id()
    assert ledger.queries.position_as_of(last) == last
    with pytest.raises(MomentNotReached) as refused:
        ledger.queries.position_as_of(last + 1)
    assert refused.value.field == "as_of"
    with pytest.raises(MomentNotReached):
        ledger.queries.position_as_of(datetime.now(UTC) + timedelta(minutes=1))
    with pytest.raises(RangeReversed):
        span(BEGIN, BEGIN - timedelta(seconds=1))


def test_a_time_means_the_position_of_the_last_mark_before_it(ledger: Ledger) -> None:
    ledger.post(1, "bank:x:cash", "wallet:a", 1, BEGIN)
    with connect(ledger.url) as connection:
        for minutes, position in ((1, 5), (3, 9)):
            marked_at = BEGIN + timedelta(minutes=minutes)
            connection.execute("insert into log.time_marks values (%s, %s)", [marked_at, position])
    found = [ledger.queries.position_as_of(BEGIN + timedelta(minutes=minutes)) for minutes in (0, 1, 2, 3, 4)]
    assert found == [0, 5, 5, 9, 9]


def test_days_and_entries_are_not_added_up_while_one_of_them_is_rebuilt(ledger: Ledger) -> None:
    ledger.post(1, "bank:x:cash", "wallet:a", 1, BEGIN)
    ledger.machine.catch_up()
    with connect(ledger.url) as connection:
        connection.execute("update views.builds set position = 0 where view = 'wallet_days'")
    with pytest.raises(ViewsApart):
        ledger.queries.balances(Asker(1), WalletFilter(), When(None, up_to(BEGIN)), ONLY_KINDS, cursor=None, limit=1)
