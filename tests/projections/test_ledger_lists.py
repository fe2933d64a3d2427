"""Lists of wallets, entries, postings and holds: found by what is known of them, and only by those who may see them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from domain.address_pattern import AddressPattern
from domain.ids import wallet_stream_id
from domain.posting import Line, Posting
from projections.queries import EntryFilter, Grouping, HoldFilter, PostingFilter, Range, WalletFilter, When, span, up_to
from projections.queries.reading import conditions
from projections.queries.wallets import CHOSEN, matching
from tests.projections.ledger import BEGIN, Asker, Ledger


def test_postings_are_found_by_everything_that_callers_know_of_them(ledger: Ledger) -> None:
    rent = ledger.post(
        1, "wallet:a", "wallet:b", 50, BEGIN, metadata={"invoice": "9", "kind": "rent"}, external_reference="rent-1"
    )
    other = ledger.post(1, "bank:x:cash", "wallet:b", 70, BEGIN + timedelta(days=1), metadata={"invoice": "10"})
    ledger.machine.catch_up()

    def found(**chosen: Any) -> list[uuid.UUID]:
        return [row["posting_id"] for row in ledger.queries.postings(Asker(1), chosen=PostingFilter(**chosen)).items]

    assert found() == [other.id, rent.id]
    assert found(reference="rent-1") == found(ledger_reference=rent.reference) == [rent.id]
    assert found(metadata={"invoice": "9"}) == found(effective_to=BEGIN + timedelta(hours=1)) == [rent.id]
    assert found(wallet_id=wallet_stream_id(1, "bank:x:cash", "EUR")) == [other.id]
    assert found(wallet_id=wallet_stream_id(1, "wallet:b", "EUR"), rule="transfer") == [other.id, rent.id]
    assert found(state="refused") == found(recorded_to=BEGIN) == found(metadata={"invoice": "11"}) == []
    first = ledger.queries.postings(Asker(1), limit=1)
    second = ledger.queries.postings(Asker(1), limit=1, cursor=first.next_cursor)
    assert [row["posting_id"] for row in [*first.items, *second.items]] == [other.id, rent.id]
    assert second.next_cursor is None
    (line, _) = second.items[0]["lines"]
    assert (line["address"], line["currency"], line["amount_minor"]) == ("wallet:a", "EUR", 50)


def test_entries_are_found_by_their_times_and_amounts(ledger: Ledger) -> None:
    for number, amount in enumerate((100, 200, 300)):
        ledger.post(1, "bank:x:cash", "wallet:a", amount, BEGIN + timedelta(days=number))
    ledger.machine.catch_up()
    wallet_id = wallet_stream_id(1, "wallet:a", "EUR")

    def amounts(**chosen: Any) -> list[int]:
        page = ledger.queries.wallet_entries(Asker(1), wallet_id, chosen=EntryFilter(**chosen))
        return [row["amount_minor"] for row in page.items]

    assert amounts() == [300, 200, 100]
    assert amounts(min_amount_minor=150, max_amount_minor=200) == [200]
    assert amounts(effective_from=BEGIN + timedelta(days=1)) == [300, 200]
    assert amounts(recorded_to=BEGIN) == []


def test_neither_another_book_nor_another_merchant_sees_anything_of_it(ledger: Ledger) -> None:
    mine = ledger.post(1, "bank:x:cash", "merchant:m1:available", 5, BEGIN, metadata={"secret": "1"})
    ledger.post(1, "bank:x:cash", "merchant:m2:available", 7, BEGIN)
    own = ledger.post(1, "merchant:m1:available", "merchant:m1:reserve", 2, BEGIN, metadata={"note": "2"})
    ledger.machine.catch_up()
    queries, merchant, stranger = ledger.queries, Asker(1, "m1"), Asker(2)
    m2 = wallet_stream_id(1, "merchant:m2:available", "EUR")
    asked = {"cursor": None, "limit": 100}
    everything = WalletFilter()
    for asker, addresses in (
        (stranger, []),
        (merchant, ["merchant:m1:available", "merchant:m1:reserve"]),
        (Asker(1, "m3"), []),
    ):
        assert [row["address"] for row in queries.wallets(asker).items] == addresses
        for when in (When(), When(2**40), When(None, up_to(BEGIN))):
            groups = queries.balances(asker, everything, when, Grouping(("address",)), **asked).items
            assert [row["group"]["address"] for row in groups] == addresses
        volumes = queries.volumes(asker, everything, When(None, span(None, None)), Grouping(("address",)), **asked)
        assert [row["group"]["address"] for row in volumes.items] == addresses
        assert queries.wallet_entries(asker, m2).items == []
        assert queries.statement(asker, m2, Range(span(None, None))) is None
        assert queries.holds(asker, chosen=HoldFilter(wallet_id=m2)).items == []
        assert queries.monitors(asker).items == queries.adjustments(asker).items == []
    assert queries.postings(stranger).items == []
    shown = queries.postings(merchant).items
    assert [row["posting_id"] for row in shown] == [own.id, mine.id]
    assert [[line["address"] for line in row["lines"]] for row in shown] == [
        ["merchant:m1:available", "merchant:m1:reserve"],
        ["merchant:m1:available"],
    ]
    assert [row["metadata"] for row in shown] == [{"note": "2"}, {}]
    for notes, found in (({"secret": "1"}, []), ({"note": "2"}, [own.id])):
        listed = queries.postings(merchant, chosen=PostingFilter(metadata=notes)).items
        assert [row["posting_id"] for row in listed] == found


def test_holds_are_listed_with_what_is_left_of_them_until_when(ledger: Ledger) -> None:
    wallets = [ledger.wallet(1, address, "EUR") for address in ("wallet:a", "wallet:b")]
    lines = [Line(w.id, w.address, "EUR", part) for w, part in zip(wallets, (500, -500), strict=True)]
    expires_at = BEGIN + timedelta(hours=1)
    holds = [
        Posting.place_hold(
            book=1, reference=f"hold/{number}", rule="hold", lines=lines, effective_at=BEGIN, at=BEGIN,
            expires_at=expires, external_reference=f"booking-{number}",
        )
        for number, expires in enumerate((expires_at, None))
    ]  # fmt: skip
    holds[0].commit_hold(posting_id=uuid.UUID(int=5), amount_minor=300, final=False, at=BEGIN)
    holds[1].void_hold(at=BEGIN)
    ledger.log.save(*wallets, *holds, book=1)
    ledger.machine.catch_up()

    def found(**chosen: Any) -> list[uuid.UUID]:
        return [row["hold_id"] for row in ledger.queries.holds(Asker(1), chosen=HoldFilter(**chosen)).items]

    assert found(open=True) == found(state="partially_committed") == found(reference="booking-0") == [holds[0].id]
    assert found(expires_before=expires_at + timedelta(seconds=1)) == [holds[0].id]
    assert found(expires_before=expires_at) == []
    assert set(found(wallet_id=wallets[0].id)) == {hold.id for hold in holds}
    (row,) = ledger.queries.holds(Asker(1), chosen=HoldFilter(open=True)).items
    assert [line["remaining_minor"] for line in row["lines"]] == [200, -200]
    assert row["commits"] == [uuid.UUID(int=5)]


def test_the_conditions_of_a_pattern_let_through_what_it_matches(ledger: Ledger) -> None:
    patterns = (
        "wallet:**",
        "wallet:*",
        "wallet:*:main",
        "wallet:*:*",
        "wallet:*:main:**",
        "*:*:**",
        "*:a:**",
        "wallet:a_b",
    )
    addresses = [
        "wallet:a", "wallet:a_b", "wallet:axb", "wallet:a:main", "wallet:a:main:b", "wallet:a:b:main",
        "wallet:a:main:b:c", "merchant:a:available", "psp:a:clearing", "wallet:main:main",
    ]  # fmt: skip
    query = "select b.address from unnest(%(addresses)s::text[]) b(address) where true"
    for text in patterns:
        pattern = AddressPattern.parse(text)
        asked = matching(pattern)
        rows = ledger.queries.rows(query + conditions(CHOSEN, asked), asked | {"addresses": addresses}, prepare=False)
        assert [row["address"] for row in rows] == [one for one in addresses if pattern.matches(one)], text
