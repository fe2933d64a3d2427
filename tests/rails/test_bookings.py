"""Bank bookings become facts about payments by their form alone, and nothing that was booked is lost on the way."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rails.bookings import BookedIn, Returned, Unmatched, bookings
from rails.formats.camt import read_camt
from rails.formats.identifiers import creditor_reference, end_to_end_id, grouped
from tests.rails.formats.written_camt import Writer, WrittenEntry, WrittenStatement

OURS = end_to_end_id("order/1")
REFERENCE = creditor_reference("order/1")


def told(*entries: WrittenEntry, message: str = "054") -> list[BookedIn | Returned | Unmatched]:
    return list(bookings(read_camt(io.BytesIO(Writer(message).message(WrittenStatement(entries))))))


def only(document: bytes) -> BookedIn | Returned | Unmatched:
    (fact,) = bookings(read_camt(io.BytesIO(document)))
    return fact


class TestMoneyThatCameIn:
    def test_a_collected_debit_is_known_by_its_end_to_end_id(self) -> None:
        (fact,) = told(WrittenEntry("12.50", end_to_end_id=OURS, servicer_reference="B1"))
        assert isinstance(fact, BookedIn)
        assert (fact.end_to_end_id, fact.reference, fact.rail_reference) == (OURS, None, OURS)
        assert (fact.amount_minor, fact.currency, fact.booking_key) == (1_250, "EUR", "B1/1")
        assert fact.booked_on is not None
        assert fact.booked_on.isoformat() == "2026-11-25"

    @pytest.mark.parametrize(
        ("text", "reference"),
        [
            (None, REFERENCE),
            (f"order 7 {REFERENCE}", None),
            (f"ref {grouped(REFERENCE).lower()} thanks", None),
            (REFERENCE, REFERENCE),
        ],
    )
    def test_a_transfer_is_known_by_its_reference_wherever_the_payer_wrote_it(
        self, text: str | None, reference: str | None
    ) -> None:
        (fact,) = told(WrittenEntry("12.50", end_to_end_id="NOTPROVIDED", text=text, reference=reference))
        assert isinstance(fact, BookedIn)
        assert (fact.end_to_end_id, fact.reference, fact.rail_reference) == (None, REFERENCE, REFERENCE)

    def test_it_is_the_same_booking_in_every_report_of_it(self) -> None:
        entry = WrittenEntry("12.50", end_to_end_id=OURS, servicer_reference="B1")
        assert told(entry, message="052") == told(entry, message="053") == told(entry, message="054")
        nameless = WrittenEntry("12.50", end_to_end_id=OURS)
        (first,), (again,) = told(nameless), told(nameless, message="053")
        assert first.booking_key == again.booking_key != ""


class TestMoneyThatWentBack:
    def test_a_return_tells_its_payment_and_its_reason(self) -> None:
        (fact,) = told(WrittenEntry("-12.50", end_to_end_id=OURS, return_reason="MD06", reversal=True))
        assert isinstance(fact, Returned)
        assert (fact.end_to_end_id, fact.reason, fact.amount_minor, fact.currency) == (OURS, "MD06", 1_250, "EUR")

    def test_a_return_without_a_reason_is_a_return(self) -> None:
        (fact,) = told(WrittenEntry("-12.50", end_to_end_id=OURS))
        assert isinstance(fact, Returned)
        assert fact.reason == "NOTPROVIDED"


class TestWhatBelongsToNoPayment:
    @pytest.mark.parametrize(
        ("entry", "why"),
        [
            (WrittenEntry("12.50", text="thank you"), "no reference of ours"),
            (WrittenEntry("12.50", end_to_end_id="PO-2026-1"), "no reference of ours"),
            (WrittenEntry("12.50", text=f"{REFERENCE} {creditor_reference('order/2')}"), "several references"),
            (WrittenEntry("12.505", end_to_end_id=OURS), "parts of a minor unit"),
            (WrittenEntry("-12.50", text=REFERENCE), "money went out"),
            (WrittenEntry("12.50", end_to_end_id=OURS, reversal=True), "takes a booking back"),
        ],
    )
    def test_it_is_kept_with_all_that_the_bank_said(self, entry: WrittenEntry, why: str) -> None:
        (fact,) = told(entry)
        assert isinstance(fact, Unmatched)
        assert why in fact.why
        assert fact.amount.reported == entry.amount
        assert fact.detail is not None
        assert fact.detail.end_to_end_id == entry.end_to_end_id

    def test_an_entry_that_says_nothing_is_kept_whole(self) -> None:
        document = Writer().message(WrittenStatement((WrittenEntry("12.50"),)))
        start, end = document.index(b"<NtryDtls>"), document.index(b"</NtryDtls>") + len(b"</NtryDtls>")
        fact = only(document[:start] + document[end:])
        assert isinstance(fact, Unmatched)
        assert (fact.detail, fact.amount.amount_minor) == (None, 1_250)

    def test_a_batch_whose_transactions_do_not_come_to_its_amount_is_kept_whole(self) -> None:
        document = Writer().message(WrittenStatement((WrittenEntry("12.50", end_to_end_id=OURS),)))
        start, end = document.index(b"<TxDtls>"), document.index(b"</TxDtls>") + len(b"</TxDtls>")
        fact = only(document[:end] + document[start:end] + document[end:])
        assert isinstance(fact, Unmatched)
        assert (fact.detail, fact.amount.amount_minor) == (None, 1_250)

    @pytest.mark.parametrize("status", ["PDNG", "INFO", "FUTR"])
    def test_what_is_not_booked_has_not_happened(self, status: str) -> None:
        assert told(WrittenEntry("12.50", end_to_end_id=OURS, status=status)) == []


def test_a_batch_is_one_fact_for_each_of_its_transactions() -> None:
    document = Writer().message(WrittenStatement((WrittenEntry("25.00", end_to_end_id=OURS, servicer_reference="B1"),)))
    start, end = document.index(b"<TxDtls>"), document.index(b"</TxDtls>") + len(b"</TxDtls>")
    half = document[start:end].replace(b"25.00", b"12.50")
    other = half.replace(OURS.encode(), end_to_end_id("order/2").encode())
    read = list(bookings(read_camt(io.BytesIO(document[:start] + half + other + document[end:]))))
    assert [(fact.rail_reference, fact.amount_minor) for fact in read if isinstance(fact, BookedIn)] == [
        (OURS, 1_250),
        (end_to_end_id("order/2"), 1_250),
    ]
    assert len({fact.booking_key for fact in read}) == 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            WrittenEntry,
            amount=st.integers(-(10**9), 10**9).map(lambda cents: f"{cents / 100:.2f}"),
            status=st.sampled_from(["BOOK", "PDNG"]),
            end_to_end_id=st.sampled_from([None, OURS, "NOTPROVIDED"]),
            text=st.sampled_from([None, "hello", REFERENCE]),
            return_reason=st.sampled_from([None, "AM04"]),
            reversal=st.booleans(),
        ),
        max_size=12,
    )
)
def test_the_facts_come_to_what_was_booked(entries: list[WrittenEntry]) -> None:
    came_to = 0
    for fact in told(*entries):
        came_to += -fact.amount_minor if isinstance(fact, Returned) else amount_of(fact)
    assert came_to == sum(round(float(entry.amount) * 100) for entry in entries if entry.status == "BOOK")


def amount_of(fact: BookedIn | Unmatched) -> int:
    return fact.amount_minor if isinstance(fact, BookedIn) else fact.amount.amount_minor
