"""Chart, ids, books and merchants."""

from __future__ import annotations

import pytest

from domain import Book, Merchant
from domain.book import CommissionOutOfRange
from domain.chart import ADDRESS_LENGTH_MAX, CHART, UnknownAccount, account_kind
from domain.ids import NotAUuid, canonical_uuid
from tests.domain.builders import NOW, SELLER_1
from tests.domain.specification import refused


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


def test_books_and_merchants_check_what_they_are_told() -> None:
    refused(CommissionOutOfRange, "commission_bps", lambda: Book.open(book=1, name="b", commission_bps=-1, at=NOW))
    refused(NotAUuid, "merchant_id", lambda: Merchant.register(book=1, merchant_id="shop", at=NOW))
    assert Merchant.register(book=1, merchant_id=SELLER_1.upper(), at=NOW).merchant_id == SELLER_1
