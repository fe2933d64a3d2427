"""The bank rail: what it asks of payers and sends to the bank, and what it makes of everything that comes back."""

from __future__ import annotations

import io
import socket
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from daybook.bootstrap import rails
from daybook.settings import Settings
from rails.bookings import BookedIn, Returned, Unmatched, bookings
from rails.facts import FactsPage
from rails.formats.camt import read_camt
from rails.formats.identifiers import creditor_reference, end_to_end_id, grouped
from rails.http_calls import ReadTimeouts
from rails.port import (
    ActionRequired,
    AuthoriseRequest,
    CapabilityNotDeclared,
    Captured,
    Declined,
    InquiryRequest,
    NotFound,
    NotSent,
    Payer,
    Pending,
    Unknown,
)
from rails.registry import open_rail
from rails.sepa import SepaSettingInvalid
from rails.sepa_bank import HttpBank
from rails.sepa_rail import SepaRail
from rails.sepa_reasons import DUPLICATES, REASON_CODES, decline_class
from rails.simulator.process import running_simulator
from tests.contracts.sepa_drill import CREDITOR, OURS, SimulatedBank
from tests.rails.formats.test_pain002 import report, transaction
from tests.rails.formats.written_camt import Writer, WrittenEntry, WrittenStatement
from tests.rails.scripted import answer, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

PAYER = Payer(
    name="Ada Byron", iban="NL26VAYB8060476890", mandate_reference="M-1", mandate_signed_on="2026-01-31"
)  # fmt: skip
DEBIT = AuthoriseRequest("order", 1, "attempt/1", 500, "EUR", "", capture=True, method="direct_debit", payer=PAYER)
TRANSFER = replace(DEBIT, method="bank_transfer", payer=None)
INQUIRY = InquiryRequest(DEBIT.attempt_key)
NAME = end_to_end_id(DEBIT.attempt_key)
REFERENCE = creditor_reference(DEBIT.attempt_key)
NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
SETTINGS = {
    "url": "http://127.0.0.1:8081",
    "creditor_name": "Daybook",
    "iban": "DE89 3704 0044 0532 0130 00",
    "bic": "COBADEFFXXX",
    "creditor_id": "DE98ZZZ09999999999",
}
XML = "application/xml"


def rail_before(url: str, read_timeout: float = 5.0) -> SepaRail:
    return SepaRail(HttpBank(url, ReadTimeouts(read_timeout)), CREDITOR, lambda: NOW)


def answered(reply: bytes | None, request: AuthoriseRequest = DEBIT) -> object:
    """What an authorisation comes to when the bank answers this."""
    with scripted(reply) as bank:
        rail = rail_before(bank.url, 5.0 if reply is not None else 0.05)
        try:
            return rail.authorise(request)
        finally:
            rail.close()


def reported(status: str, *reasons: str, message: str = NAME) -> bytes:
    """A report on our one debit."""
    document = report("", transactions=transaction(NAME, status, *reasons)).replace(b">M1<", f">{message}<".encode())
    return answer(200, document, kind=XML)


class TestTransfers:
    def test_the_payer_is_told_where_to_pay_and_nobody_is_asked(self) -> None:
        told = rail_before("http://127.0.0.1:9").authorise(TRANSFER)
        assert told == ActionRequired(
            rail_reference=REFERENCE,
            url=None,
            expires_at=datetime(2027, 3, 15, 23, 59, 59, tzinfo=UTC),
            instructions=(
                ("beneficiary", "Daybook"),
                ("iban", "DE89370400440532013000"),
                ("bic", "COBADEFFXXX"),
                ("amount", "5.00 EUR"),
                ("reference", grouped(REFERENCE)),
            ),
        )

    def test_what_the_rail_does_not_do_is_refused(self) -> None:
        rail = rail_before("http://127.0.0.1:9")
        with pytest.raises(CapabilityNotDeclared, match="'card'"):
            rail.authorise(replace(TRANSFER, method="card"))
        with pytest.raises(CapabilityNotDeclared, match="'USD'"):
            rail.authorise(replace(TRANSFER, currency="USD"))


class TestWhatTheBankReports:
    @pytest.mark.parametrize("status", ["RCVD", "PDNG", "ACTC", "ACCP", "ACSP", "ACSC", "ACWC"])
    def test_whatever_was_taken_is_pending_until_it_is_booked(self, status: str) -> None:
        assert answered(reported(status)) == Pending(NAME, datetime(2027, 3, 4, tzinfo=UTC))

    @pytest.mark.parametrize("code", sorted(REASON_CODES))
    def test_every_reason_has_its_class(self, code: str) -> None:
        assert answered(reported("RJCT", code)) == Declined(code, REASON_CODES[code].decline_class)

    def test_the_classes_that_everybody_counts_on(self) -> None:
        classes = {code: decline_class(code) for code in ("AC01", "AC04", "MD01", "MS02", "AM04", "MS03", "XX99")}
        hard = {code for code, told in classes.items() if told == "hard"}
        assert hard == {"AC01", "AC04", "MD01", "MS02"}

    def test_a_rejection_without_a_reason_is_a_rejection(self) -> None:
        assert answered(reported("RJCT")) == Declined("NARR", "soft")

    @pytest.mark.parametrize("code", sorted(DUPLICATES))
    def test_a_duplicate_is_no_decline_because_the_first_may_be_on_its_way(self, code: str) -> None:
        told = answered(reported("RJCT", code))
        assert isinstance(told, Unknown)
        assert code in told.reason

    @pytest.mark.parametrize(
        "reply",
        [
            pytest.param(None, id="silence"),
            pytest.param(b"", id="hung up"),
            pytest.param(reported("ACCP")[:-40], id="cut off"),
            pytest.param(answer(200, b"<Document/>", kind=XML), id="no report"),
            pytest.param(answer(200, b"not XML", kind=XML), id="not XML"),
            pytest.param(answer(200, {"status": "ACCP"}), id="JSON"),
            pytest.param(reported("ACCP", message="other"), id="another file"),
            pytest.param(answer(200, report("").replace(b">M1<", f">{NAME}<".encode()), kind=XML), id="no status"),
            pytest.param(reported("PART"), id="part of one"),
            pytest.param(reported("FINE"), id="status never heard of"),
            pytest.param(answer(202, report(), kind=XML), id="status not agreed"),
            pytest.param(answer(400, {"code": "malformed_xml"}), id="bad request"),
            pytest.param(answer(404, b"<html>not here</html>", kind="text/html"), id="wrong address"),
            pytest.param(answer(429, {}), id="too many requests"),
            pytest.param(answer(503, reported("RJCT", "AC01")), id="5xx that talks like a rejection"),
        ],
    )
    def test_whatever_is_no_report_on_our_file_leaves_it_unknown(self, reply: bytes | None) -> None:
        told = answered(reply)
        assert isinstance(told, Unknown)
        assert told.reason


class TestWhatNeverLeaves:
    def test_a_bank_that_is_not_there_was_not_asked(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        rail = rail_before(url)
        for told in (rail.authorise(DEBIT), rail.inquire(INQUIRY), rail.facts(0)):
            assert isinstance(told, NotSent)
            assert "ConnectError" in told.reason

    @pytest.mark.parametrize(
        ("request_", "code"),
        [
            (replace(DEBIT, payer=None), "debtor_missing"),
            (replace(DEBIT, payer=replace(PAYER, iban=None)), "debtor_missing"),
            (replace(DEBIT, payer=replace(PAYER, iban="NL27VAYB8060476890")), "debtor.iban_invalid"),
            (replace(DEBIT, payer=replace(PAYER, mandate_reference=None)), "mandate_missing"),
            (replace(DEBIT, payer=replace(PAYER, mandate_signed_on=None)), "mandate_missing"),
            (replace(DEBIT, payer=replace(PAYER, mandate_signed_on="31.1.2026")), "mandate_signed_on_invalid"),
            (replace(DEBIT, payer=replace(PAYER, mandate_reference="Ü")), "mandate_reference_invalid"),
            (replace(DEBIT, amount_minor=10**12), "amount_minor_invalid"),
        ],
    )
    def test_a_debit_that_no_bank_would_take_is_declined_here(self, request_: AuthoriseRequest, code: str) -> None:
        assert rail_before("http://127.0.0.1:9").authorise(request_) == Declined(code, "hard")


class TestInquiriesThatAreNotAnswered:
    @pytest.mark.parametrize(
        "reply",
        [
            pytest.param(None, id="silence"),
            pytest.param(answer(200, {"direct_debits": [{"status": "booked"}]}), id="fields missing"),
            pytest.param(answer(200, b"[", kind="application/json"), id="not JSON"),
            pytest.param(answer(404, b"<html></html>", kind="text/html"), id="404 of a proxy"),
            pytest.param(answer(500, {}), id="server error"),
        ],
    )
    def test_they_leave_the_outcome_unknown(self, reply: bytes | None) -> None:
        with scripted(reply) as bank:
            rail = rail_before(bank.url, 5.0 if reply is not None else 0.05)
            assert isinstance(rail.inquire(INQUIRY), Unknown)
            assert isinstance(rail.inquire(replace(INQUIRY, rail_reference=NAME)), Unknown)
            rail.close()

    @pytest.mark.parametrize(
        "reply",
        [
            answer(200, b"<Document/>", "X-Next-After: 1", kind=XML),
            answer(200, Writer("054").message(WrittenStatement(())), kind=XML),
            answer(200, Writer("054").message(WrittenStatement((WrittenEntry("1,0"),))), "X-Next-After: 1", kind=XML),
        ],
    )
    def test_bookings_that_cannot_be_read_are_not_taken_for_none(self, reply: bytes) -> None:
        with scripted(reply) as bank:
            rail = rail_before(bank.url)
            assert isinstance(rail.facts(0), Unknown)
            assert isinstance(rail.inquire(replace(INQUIRY, rail_reference=REFERENCE)), Unknown)
            rail.close()


@pytest.fixture(scope="module")
def at_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SepaRail, SimulatedBank]]:
    """A rail before the simulator's bank, whose clock both go by."""
    with running_simulator(tmp_path_factory.mktemp("bank") / "books.sqlite3") as simulator:
        bank = SimulatedBank(simulator.url)
        rail = SepaRail(HttpBank(simulator.url, ReadTimeouts(10.0)), CREDITOR, bank.now)
        yield rail, bank
        rail.close()
        bank.client.close()


@pytest.fixture
def bank(at_bank: tuple[SepaRail, SimulatedBank]) -> tuple[SepaRail, SimulatedBank]:
    """The same, with empty books."""
    rail, bank = at_bank
    bank.client.post("/reset", json={"keep": ["clock"]}).raise_for_status()
    return rail, bank


def all_facts(rail: SepaRail) -> list[BookedIn | Returned | Unmatched]:
    """Page by page, to the end."""
    read: list[BookedIn | Returned | Unmatched] = []
    after = -1
    page = rail.bookings(0)
    while isinstance(page, tuple) and page[1] > after:
        told = rail.facts(max(after, 0))
        assert isinstance(told, FactsPage)
        assert (len(told.facts), told.next_after) == (len(page[0]), page[1]), "what all rails tell is as many"
        read += page[0]
        after = page[1]
        page = rail.bookings(after)
    assert isinstance(page, tuple)
    return read


class TestAtTheSimulatedBank:
    def test_a_debit_is_pending_then_booked_and_its_fact_arrives(self, bank: tuple[SepaRail, SimulatedBank]) -> None:
        rail, desk = bank
        told = rail.authorise(DEBIT)
        assert isinstance(told, Pending)
        assert rail.inquire(INQUIRY) == told
        assert all_facts(rail) == []
        desk.days_pass()
        assert rail.inquire(INQUIRY) == Captured(NAME, 500, 0)
        (fact,) = all_facts(rail)
        assert isinstance(fact, BookedIn)
        assert (fact.rail_reference, fact.amount_minor, fact.currency) == (NAME, 500, "EUR")
        assert told.expected_by is not None
        assert fact.booked_on == told.expected_by.date() - timedelta(days=1)

    @pytest.mark.parametrize("reason", ["AC01", "AC04", "AG01", "MD01"])
    def test_a_debit_that_is_rejected_is_declined_now_and_when_asked(
        self, bank: tuple[SepaRail, SimulatedBank], reason: str
    ) -> None:
        rail, desk = bank
        request = replace(DEBIT, payer=replace(PAYER, iban=desk.debtor(reason)))
        assert rail.authorise(request) == rail.inquire(INQUIRY) == Declined(reason, "hard")
        desk.days_pass()
        assert all_facts(rail) == []

    @pytest.mark.parametrize("reason", ["AC04", "AC06", "AM04", "MD06", "MD07", "MS02", "MS03"])
    def test_a_debit_that_goes_back_was_captured_and_its_return_is_a_fact_of_its_own(
        self, bank: tuple[SepaRail, SimulatedBank], reason: str
    ) -> None:
        rail, desk = bank
        request = replace(DEBIT, payer=replace(PAYER, iban=desk.debtor(reason, "returned")))
        assert isinstance(rail.authorise(request), Pending)
        desk.days_pass(14)
        assert rail.inquire(INQUIRY) == Captured(NAME, 500, 0)
        came, went = all_facts(rail)
        assert isinstance(came, BookedIn)
        assert isinstance(went, Returned)
        assert (came.rail_reference, went.rail_reference) == (NAME, NAME)
        assert (went.reason, went.amount_minor, went.currency) == (reason, 500, "EUR")
        assert came.booking_key != went.booking_key
        assert desk.totals() == {"captured": 0}

    def test_a_file_sent_again_in_another_window_is_known_to_the_bank_and_collected_once(
        self, bank: tuple[SepaRail, SimulatedBank]
    ) -> None:
        rail, desk = bank
        first = rail.authorise(DEBIT)
        assert rail.authorise(DEBIT) == first
        desk.days_pass(1)
        assert isinstance(rail.authorise(DEBIT), Unknown)
        assert rail.inquire(INQUIRY) == first
        desk.days_pass()
        assert isinstance(rail.authorise(DEBIT), Unknown)
        assert rail.inquire(INQUIRY) == Captured(NAME, 500, 0)
        assert desk.totals() == {"captured": 500}

    def test_transfers_are_found_by_reference_and_summed(self, bank: tuple[SepaRail, SimulatedBank]) -> None:
        rail, desk = bank
        asked = replace(INQUIRY, rail_reference=REFERENCE)
        assert rail.inquire(asked) == ActionRequired(REFERENCE, None, None)
        assert rail.inquire(INQUIRY) == NotFound(DEBIT.attempt_key)
        desk.transfer(REFERENCE, 300)
        assert rail.inquire(asked) == rail.inquire(INQUIRY) == Captured(REFERENCE, 300, 0)
        desk.transfer(creditor_reference("another/1"), 999)
        desk.transfer(REFERENCE, 200)
        assert rail.inquire(asked) == Captured(REFERENCE, 500, 0)
        assert [fact.rail_reference for fact in all_facts(rail) if isinstance(fact, BookedIn)] == [
            REFERENCE,
            creditor_reference("another/1"),
            REFERENCE,
        ]

    def test_other_peoples_money_is_kept_as_unmatched(self, bank: tuple[SepaRail, SimulatedBank]) -> None:
        rail, desk = bank
        desk.transfer("thanks for nothing")
        (fact,) = all_facts(rail)
        assert isinstance(fact, Unmatched)
        assert fact.entry.details[0].remittance == ("my order, thanks for nothing thank you",)

    def test_the_days_statement_tells_the_same_facts_as_the_notification(
        self, bank: tuple[SepaRail, SimulatedBank]
    ) -> None:
        rail, desk = bank
        today = desk.now().date()
        desk.transfer(REFERENCE)
        desk.transfer("something else")
        notified = all_facts(rail)
        api = HttpBank(str(desk.client.base_url), ReadTimeouts(10.0))
        assert api.statement(OURS.iban, today) is None
        desk.days_pass(1)
        statement = api.statement(OURS.iban, today)
        assert isinstance(statement, bytes)
        assert list(bookings(read_camt(io.BytesIO(statement)))) == notified
        assert api.statement(OURS.iban, date(1999, 1, 1)) is None
        api.close()


class TestSettings:
    def test_the_rail_is_opened_once_there_is_an_account_to_pay_into(self, monkeypatch: pytest.MonkeyPatch) -> None:
        without = rails(Settings())
        for name in ("creditor_name", "iban", "bic", "creditor_id"):
            monkeypatch.setenv(f"DAYBOOK_BANK_{name.upper()}", SETTINGS[name])
        with_account = rails(Settings())
        assert (set(with_account) - set(without), set(without) - set(with_account)) == ({"sepa"}, set())
        told = with_account["sepa"].authorise(TRANSFER)
        assert isinstance(told, ActionRequired)
        assert dict(told.instructions)["beneficiary"] == "Daybook"
        for rail in (*without.values(), *with_account.values()):
            rail.close()

    def test_a_rail_opens_with_what_it_needs(self) -> None:
        rail = open_rail("sepa", SETTINGS)
        told = rail.authorise(TRANSFER)
        assert isinstance(told, ActionRequired)
        assert dict(told.instructions)["iban"] == "DE89370400440532013000"
        rail.close()

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("url", ""),
            ("url", "localhost"),
            ("creditor_name", ""),
            ("iban", ""),
            ("iban", "DE88370400440532013000"),
            ("bic", "COBA"),
            ("creditor_id", ""),
            ("creditor_id", "DE97ZZZ09999999999"),
            ("read_timeout", "soon"),
            ("read_timeout", "0"),
            ("read_timeout", "nan"),
            ("read_timeout", "301"),
            ("read_timeout.facts", "0"),
        ],
    )
    def test_a_setting_that_cannot_be_is_named(self, field: str, value: str) -> None:
        with pytest.raises(SepaSettingInvalid, match=f"^{field} is"):
            open_rail("sepa", {**SETTINGS, field: value})
