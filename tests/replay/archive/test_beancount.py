"""A book as Beancount reads it: legal names that lead back, exact amounts, and balances that Beancount itself finds."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from beancount import loader
from beancount.core import data
from hypothesis import example, given
from hypothesis import strategies as st

from domain.chart import CHART, AccountKind, account_kind
from domain.money import EXPONENTS
from domain.wallet import WalletAccount
from replay.archive.beancount import BeancountExport, PositionNotReached, shown
from replay.archive.beancount_names import account_name, address_of
from replay.unreadable import EventUnreadable
from tests.projections.ledger import BEGIN, Ledger
from tests.replay.checks.verifying import spoil

LEGAL = re.compile(r"(Assets|Liabilities|Equity|Income|Expenses)(:[A-Z0-9][A-Za-z0-9-]*)+", re.ASCII)
SEGMENTS = st.text("abdeux09._-", min_size=1, max_size=8)
ADDRESSES = st.lists(SEGMENTS, min_size=1, max_size=4).map(":".join)
KINDS = st.sampled_from(sorted({row.kind for row in CHART}))
ACCOUNTS = (
    ("bank:main:cash", "EUR"), ("wallet:a.b:_c-d", "EUR"), ("wallet:a.b:_c-d", "JPY"), ("bank:main:cash", "JPY"),
    ("psp:x_1:in_transit", "BHD"), ("rev:fees", "BHD"), ("memo:auth_hold:psp", "CLF"), ("memo:auth_hold:contra", "CLF"),
)  # fmt: skip


@given(address=ADDRESSES, kind=KINDS)
@example(address="_1", kind="liability")
@example(address="x_1", kind="liability")
@example(address="-_u:.d:x-e", kind="liability")
def test_every_address_has_a_legal_name_that_leads_back_to_it(address: str, kind: AccountKind) -> None:
    name = account_name(address, kind)
    assert LEGAL.fullmatch(name), name
    assert address_of(name) == address


def test_names_are_read_as_the_chart_is() -> None:
    seller = "3f0c2a9e-0000-4000-8000-000000000031"
    assert account_name(f"merchant:{seller}:available", "liability") == (
        "Liabilities:Merchant:3f0c2a9e-0000-4000-8000-000000000031:Available"
    )
    assert account_name("psp:acme:in_transit", "asset") == "Assets:Psp:Acme:InTransit"
    assert account_name("memo:auth_hold:contra", "memo") == "Equity:Memo:AuthHold:Contra"
    assert account_name("wallet:j.doe", "liability") == "Liabilities:Wallet:J-Ddoe"
    assert account_name("wallet:_", "liability") == "Liabilities:Wallet:X-E-U"


@given(amount=st.integers(-(10**20), 10**20), currency=st.sampled_from(sorted(EXPONENTS)))
def test_amounts_keep_every_minor_unit(amount: int, currency: str) -> None:
    text = shown(amount, currency)
    assert Decimal(text).scaleb(EXPONENTS[currency]) == amount
    assert len(text.partition(".")[2]) == EXPONENTS[currency]


def export(ledger: Ledger, until: int | None = None, book: int = 1) -> BeancountExport:
    return BeancountExport(ledger.recorder, ledger.log.log_mapper.decode, book, until)


def checked(ledger: Ledger, until: int | None = None) -> tuple[list[Any], list[Any]]:
    """Beancount's entries and errors of the export."""
    entries, errors, _ = loader.load_string("".join(export(ledger, until).directives()))
    return entries, errors


def a_book(ledger: Ledger) -> None:
    """Currencies with none to four decimals, postings of the far past and future, words that need care."""
    for number, (source, target) in enumerate(((0, 1), (3, 2), (4, 5), (6, 7))):
        (debited, currency), (credited, _) = ACCOUNTS[source], ACCOUNTS[target]
        for amount, days in ((123_456_789, 0), (1, -30_000), (5, 30_000)):
            at = BEGIN + timedelta(days=days, hours=number)
            reference = f'"{number}" \\ \n é{amount}' if days else None
            ledger.post(1, debited, credited, amount, at, currency, external_reference=reference)
    ledger.post(2, "bank:main:cash", "wallet:other", 99, BEGIN)
    ledger.log.save(WalletAccount.open(book=1, address="wallet:empty", currency="USD", at=BEGIN), book=1)


def test_beancount_accepts_a_book_and_finds_the_balances_that_we_have(ledger: Ledger) -> None:
    a_book(ledger)
    entries, errors = checked(ledger)
    assert errors == []
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for entry in entries:
        if isinstance(entry, data.Transaction):
            for line in entry.postings:
                assert line.units is not None
                sums[address_of(line.account), str(line.units.currency)] += line.units.number
    expected: dict[tuple[str, str], int] = defaultdict(int)
    for one in ledger.entries(1):
        expected[one.address, one.currency] += one.amount
    assert {key: amount.scaleb(EXPONENTS[key[1]]) for key, amount in sums.items()} == expected
    opened = {entry.meta["address"]: entry for entry in entries if isinstance(entry, data.Open)}
    assert set(opened) == {*(address for address, _ in ACCOUNTS), "wallet:empty"}
    assert sorted(opened["bank:main:cash"].currencies) == ["EUR", "JPY"]
    assert {entry.meta["kind"] for entry in opened.values()} == {"asset", "liability", "income", "memo"}
    asserted = [entry for entry in entries if isinstance(entry, data.Balance)]
    assert len(asserted) == len(ACCOUNTS) + 1
    assert {entry.tolerance for entry in asserted} == {Decimal(0)}
    assert {entry.date for entry in asserted} == {(BEGIN + timedelta(days=30_001)).date()}


def test_each_posting_is_one_transaction_of_its_effective_day_and_says_where_it_comes_from(ledger: Ledger) -> None:
    a_book(ledger)
    reverted = ledger.post(1, "wallet:a", "wallet:b", 7, datetime(2026, 3, 5, 23, 59, tzinfo=UTC))
    ledger.post(1, "wallet:b", "wallet:a", 7, datetime(2026, 3, 6, tzinfo=UTC), reverts=reverted.id)
    found = [entry for entry in checked(ledger)[0] if isinstance(entry, data.Transaction)]
    rows = ledger.recorder.read(0, 100, topics=["posting.recorded.v1"], books=[1])
    events = {str(row.stream_id): (row, ledger.log.log_mapper.decode(row)) for row in rows}
    assert len(found) == len(events) == 14
    for entry in found:
        row, event = events[entry.meta["posting-id"]]
        assert entry.date == event.effective_at.date()
        assert (entry.meta["position"], entry.meta["reference"]) == (str(row.position), event.reference)
        assert entry.meta.get("external-reference") == event.external_reference
        assert entry.meta.get("reverts") == (event.reverts and str(event.reverts))
        assert entry.narration == event.rule
    days = {entry.meta["posting-id"]: entry.date for entry in found}
    assert days[str(reverted.id)] == date(2026, 3, 5)


def test_as_of_any_position_the_books_balance(ledger: Ledger) -> None:
    """Also where the position lies between a posting and its lines."""
    a_book(ledger)
    seen = set()
    for row in ledger.recorder.read(0, 1_000):
        entries, errors = checked(ledger, row.position)
        assert errors == []
        seen.add(sum(isinstance(entry, data.Transaction) for entry in entries))
    assert seen == set(range(1, 13))


def test_the_same_book_gives_the_same_text_and_an_unknown_one_is_empty(ledger: Ledger) -> None:
    a_book(ledger)
    assert "".join(export(ledger).directives()) == "".join(export(ledger).directives())
    assert loader.load_string("".join(export(ledger, book=77).directives()))[:2] == ([], [])


def test_a_position_that_is_not_reached_is_refused(ledger: Ledger) -> None:
    a_book(ledger)
    with pytest.raises(PositionNotReached, match="ends at position"):
        export(ledger, ledger.recorder.max_notification_id() + 1)


def test_what_is_closed_is_closed_for_beancount_when_nothing_moves_on_it_any_more(ledger: Ledger) -> None:
    """Of an address with several currencies all must be; one that was opened again is not."""
    for amount, days in ((100, 0), (-100, 40)):
        source, target = ("bank:main:cash", "wallet:a") if amount > 0 else ("wallet:a", "bank:main:cash")
        for currency in ("EUR", "JPY"):
            ledger.post(1, source, target, abs(amount), BEGIN + timedelta(days=days), currency)
    _closed(ledger, "wallet:a", "EUR", days=50)
    assert _closings(checked(ledger)[0]) == {}
    _closed(ledger, "wallet:a", "JPY", days=30)
    _closed(ledger, "wallet:b", "EUR", days=1)
    entries, errors = checked(ledger)
    assert errors == []
    assert _closings(entries) == {
        "wallet:a": (BEGIN + timedelta(days=50)).date(),
        "wallet:b": (BEGIN + timedelta(days=1)).date(),
    }
    before = ledger.recorder.max_notification_id()
    wallet = ledger.wallet(1, "wallet:a", "JPY")
    wallet.reopen(reason="asked for", at=BEGIN)
    ledger.log.save(wallet, book=1)
    assert set(_closings(checked(ledger)[0])) == {"wallet:b"}
    assert set(_closings(checked(ledger, before)[0])) == {"wallet:a", "wallet:b"}


def _closed(ledger: Ledger, address: str, currency: str, days: int) -> None:
    wallet = ledger.wallet(1, address, currency)
    wallet.close(reason="gone", at=BEGIN + timedelta(days=days))
    ledger.log.save(wallet, book=1)


def _closings(entries: list[Any]) -> dict[str, date]:
    return {address_of(entry.account): entry.date for entry in entries if isinstance(entry, data.Close)}


def test_an_account_that_closes_before_a_posting_takes_effect_stays_open_until_then(ledger: Ledger) -> None:
    ledger.post(1, "bank:main:cash", "wallet:a", 100, BEGIN)
    ledger.post(1, "wallet:a", "bank:main:cash", 100, BEGIN + timedelta(days=9))
    _closed(ledger, "wallet:a", "EUR", days=1)
    entries, errors = checked(ledger)
    assert errors == []
    assert _closings(entries) == {"wallet:a": (BEGIN + timedelta(days=10)).date()}


def test_on_the_last_day_there_is_nothing_is_asserted_of_what_moves_on_it(ledger: Ledger) -> None:
    for there, back in (("bank:main:cash", "wallet:a"), ("wallet:a", "bank:main:cash")):
        ledger.post(1, there, back, 100, datetime(9999, 12, 31, 23, tzinfo=UTC))
    ledger.post(1, "psp:acme:in_transit", "wallet:b", 5, BEGIN)
    _closed(ledger, "wallet:a", "EUR", days=0)
    entries, errors = checked(ledger)
    assert errors == []
    asserted = {address_of(entry.account): entry.date for entry in entries if isinstance(entry, data.Balance)}
    assert asserted == dict.fromkeys(("psp:acme:in_transit", "wallet:b"), date.max)
    assert _closings(entries) == {"wallet:a": date.max}


def test_a_damaged_row_is_named_by_its_position(ledger: Ledger) -> None:
    a_book(ledger)
    row = ledger.recorder.read(0, 100, topics=["posting.recorded.v1"], books=[1])[-1]
    spoil(ledger.url, "update log.events set state = '{' where position = %s", row.position)
    with pytest.raises(EventUnreadable, match=rf"posting\.recorded\.v1 at position {row.position}, .* cannot be read"):
        export(ledger)


def test_beancount_notices_a_wallet_that_is_wrong_by_one_minor_unit(ledger: Ledger) -> None:
    """The proof is one: transactions come from the postings, balances from the wallets."""
    a_book(ledger)
    wallet = ledger.wallet(1, "bank:main:cash", "EUR")
    wallet.post(posting_id=uuid.uuid4(), line=0, amount_minor=1, effective_at=BEGIN, at=BEGIN)
    ledger.log.save(wallet, book=1)
    _, errors = checked(ledger)
    assert [type(error).__name__ for error in errors] == ["BalanceError"]
    assert "Assets:Bank:Main:Cash" in errors[0].message


def test_the_kinds_of_the_chart_all_have_a_place() -> None:
    for row in CHART:
        address = row.pattern.replace("**", "x").replace("*", "x")
        assert LEGAL.fullmatch(account_name(address, account_kind(address)))
