"""Chart, ids, wallets, postings, books and merchants."""

from __future__ import annotations

import pytest

from domain import Book, Merchant, Posting, WalletAccount, WalletHead
from domain.book import CommissionOutOfRange
from domain.chart import ADDRESS_LENGTH_MAX, CHART, UnknownAccount, account_kind
from domain.ids import NotAUuid, canonical_uuid
from domain.posting import PostingUnbalanced
from domain.wallet import OverdraftLimitNegative, WalletClosed, WalletNotEmpty
from tests.domain.builders import LATER, NOW, SELLER_1, two_lines
from tests.domain.specification import given, refused


@pytest.mark.parametrize("row", CHART, ids=lambda row: row.pattern)
def test_every_row_of_the_chart_gives_its_kind(row: object) -> None:
    pattern, kind = row.pattern, row.kind  # type: ignore[attr-defined]
    assert account_kind(pattern.replace("**", "alice:main").replace("*", "x-1")) == kind


@pytest.mark.parametrize(
    "address",
    [
        "",
        "wallet",
        "wallet:",
        "wallet::x",
        "wallet:Alice",
        "wallet:a b",
        "wallet:a\n",
        "psp:x",
        "psp:a:b:clearing",
        "cash",
        "wallet:" + "a" * ADDRESS_LENGTH_MAX,
    ],
)
def test_an_address_outside_the_chart_is_refused(address: str) -> None:
    refused(UnknownAccount, "address", lambda: account_kind(address))


@pytest.mark.parametrize("text", ["00010242fe8c5a6d1ba2dd792cb16214", "00010242-FE8C-5A6D-1BA2-DD792CB16214"])
def test_any_uuid_text_is_canonical_with_or_without_version_bits(text: str) -> None:
    assert canonical_uuid(text) == "00010242-fe8c-5a6d-1ba2-dd792cb16214"


@pytest.mark.parametrize("text", ["", "1", "{00010242-fe8c-5a6d-1ba2-dd792cb16214}", "0" * 31, "0" * 33, "\uff10" * 32])
def test_text_that_is_no_uuid_is_refused(text: str) -> None:
    refused(NotAUuid, "key", lambda: canonical_uuid(text, "key"))


@pytest.mark.parametrize(
    ("head", "amount", "code"),
    [
        (WalletHead("liability", 0, posted=-100), 100, None),
        (WalletHead("liability", 0, posted=-100), 101, "insufficient_funds"),
        (WalletHead("liability", 50, posted=-100), 150, None),
        (WalletHead("liability", 0, posted=-100, held=1), 100, "insufficient_funds"),
        (WalletHead("liability", None, posted=0), 10**9, None),
        (WalletHead("liability", 0, posted=500), -1, None),
        (WalletHead("asset", 0, posted=100), -101, "insufficient_funds"),
        (WalletHead("asset", 0, posted=-100), 1, None),
        (WalletHead("asset", None, closed=True), 1, "wallet_closed"),
    ],
)
def test_a_wallet_refuses_only_what_would_overdraw_it(head: WalletHead, amount: int, code: str | None) -> None:
    assert head.refusal(amount) == code


def a_wallet(**changes: object) -> WalletAccount:
    """Alice's wallet in EUR."""
    wanted: dict[str, object] = {"book": 1, "address": "wallet:alice:main", "currency": "EUR", "at": NOW}
    return WalletAccount.open(**(wanted | changes))  # type: ignore[arg-type]


def posted(amount_minor: int) -> object:
    """A line is posted."""
    posting_id = a_wallet().id
    return lambda w: w.post(posting_id=posting_id, line=0, amount_minor=amount_minor, effective_at=NOW, at=NOW)


def test_each_line_carries_the_balance_after_it() -> None:
    outcome = given(a_wallet(), posted(-700)).when(posted(200))  # type: ignore[arg-type]
    outcome.then((WalletAccount.Posted, {"posted_after": -500, "held_after": 0}))
    head = outcome.aggregate.head
    assert (head.natural, head.available, head.version) == (500, 500, 3)


def test_a_wallet_closes_only_empty_and_only_once() -> None:
    given(a_wallet()).when(lambda w: w.close(at=LATER)).then(WalletAccount.Closed)
    given(a_wallet(), posted(1)).when(lambda w: w.close(at=LATER)).then_raises(WalletNotEmpty)  # type: ignore[arg-type]
    given(a_wallet(), lambda w: w.close(at=LATER)).when(lambda w: w.close(at=LATER)).then_raises(WalletClosed)


def test_a_wallet_of_an_unknown_address_or_a_negative_limit_is_not_opened() -> None:
    refused(UnknownAccount, "address", lambda: a_wallet(address="alice"))
    refused(OverdraftLimitNegative, "overdraft_limit_minor", lambda: a_wallet(overdraft_limit_minor=-1))


def test_a_posting_that_does_not_balance_is_not_recorded() -> None:
    for lines in ([], two_lines()[:1]):
        refused(
            PostingUnbalanced,
            "lines",
            lambda lines=lines: Posting.record(  # type: ignore[misc]
                book=1, reference="r", rule="x.v1", lines=lines, effective_at=NOW, at=NOW
            ),
        )


def test_a_recorded_and_a_refused_posting_of_one_reference_share_a_stream() -> None:
    recorded = Posting.record(book=1, reference="r", rule="x.v1", lines=two_lines(), effective_at=NOW, at=NOW)
    turned_down = Posting.refuse(book=1, reference="r", rule="x.v1", code="c", detail="d", lines=two_lines(), at=NOW)
    assert recorded.id == turned_down.id
    assert not recorded.refused
    assert turned_down.refused


def test_books_and_merchants_check_what_they_are_told() -> None:
    refused(CommissionOutOfRange, "commission_bps", lambda: Book.open(book=1, name="b", commission_bps=-1, at=NOW))
    refused(NotAUuid, "merchant_id", lambda: Merchant.register(book=1, merchant_id="shop", at=NOW))
    assert Merchant.register(book=1, merchant_id=SELLER_1.upper(), at=NOW).merchant_id == SELLER_1
