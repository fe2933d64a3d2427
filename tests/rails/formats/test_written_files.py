"""Files for banks are valid by their schema, say what they were given, and are the same bytes for the same payment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given, settings
from hypothesis import strategies as st

from rails.formats.credit_transfer import CreditTransfer, CreditTransferFile, write_credit_transfers
from rails.formats.direct_debit import Creditor, DirectDebit, DirectDebitFile, Sequence, write_direct_debits
from rails.formats.identifiers import end_to_end_id
from rails.formats.written import GREATEST_MINOR, AccountHolder, FileNotWritable, checked_file

US = AccountHolder("Daybook GmbH & Co", "DE89370400440532013000", "COBADEFFXXX")
PAYER = AccountHolder("Zoë Łęcka", "NL26VAYB8060476890")
AT = datetime(2026, 11, 25, 8, tzinfo=UTC)
DEBIT = DirectDebit(end_to_end_id("a/1"), 12_345, PAYER, "MANDATE-1", date(2026, 1, 31), "order a")
DEBITS = DirectDebitFile(end_to_end_id("a/1"), AT, Creditor(US, "DE98ZZZ09999999999"), date(2026, 11, 27), (DEBIT,))
TRANSFER = CreditTransfer("payout-1", 99_999, PAYER, "payout 1")
TRANSFERS = CreditTransferFile("file-1", AT, US, date(2026, 11, 27), (TRANSFER,))

sequences: st.SearchStrategy[Sequence] = st.sampled_from(["FRST", "RCUR", "FNAL", "OOFF"])
debits = st.builds(
    DirectDebit,
    end_to_end_id=st.uuids().map(str).map(end_to_end_id),
    amount_minor=st.integers(1, GREATEST_MINOR),
    debtor=st.builds(AccountHolder, st.text(min_size=1).map(lambda text: f"A{text}"), st.just(PAYER.iban)),
    mandate_reference=st.from_regex(r"[A-Z0-9]{1,35}", fullmatch=True),
    mandate_signed_on=st.dates(date(2014, 2, 1), date(2026, 11, 1)),
    remittance=st.text(min_size=1).map(lambda text: f"A{text}"),
    sequence=sequences,
)


def test_a_direct_debit_is_written_with_all_that_it_is() -> None:
    text = write_direct_debits(DEBITS).decode()
    for part in (
        f"<MsgId>{DEBITS.message_id}</MsgId><CreDtTm>2026-11-25T08:00:00Z</CreDtTm><NbOfTxs>1</NbOfTxs>",
        f"<PmtInfId>{DEBITS.message_id}</PmtInfId><PmtMtd>DD</PmtMtd>",
        "<ReqdColltnDt>2026-11-27</ReqdColltnDt><Cdtr><Nm>Daybook GmbH + Co</Nm></Cdtr>",
        f'<EndToEndId>{DEBIT.end_to_end_id}</EndToEndId></PmtId><InstdAmt Ccy="EUR">123.45</InstdAmt>',
        "<MndtId>MANDATE-1</MndtId><DtOfSgntr>2026-01-31</DtOfSgntr>",
        "<Dbtr><Nm>Zoe Lecka</Nm></Dbtr><DbtrAcct><Id><IBAN>NL26VAYB8060476890</IBAN></Id></DbtrAcct>",
        "<SeqTp>RCUR</SeqTp>",
        "<Cd>CORE</Cd>",
    ):
        assert part in text


def test_a_transfer_is_written_with_all_that_it_is() -> None:
    text = write_credit_transfers(TRANSFERS).decode()
    for part in (
        "<MsgId>file-1</MsgId><CreDtTm>2026-11-25T08:00:00Z</CreDtTm><NbOfTxs>1</NbOfTxs><CtrlSum>999.99</CtrlSum>",
        "<PmtInfId>file-1</PmtInfId><PmtMtd>TRF</PmtMtd>",
        "<ReqdExctnDt><Dt>2026-11-27</Dt></ReqdExctnDt>",
        '<EndToEndId>payout-1</EndToEndId></PmtId><Amt><InstdAmt Ccy="EUR">999.99</InstdAmt></Amt>',
        "<Cdtr><Nm>Zoe Lecka</Nm></Cdtr>",
        "<Ustrd>payout 1</Ustrd>",
    ):
        assert part in text


def test_the_same_payment_is_the_same_file_to_the_byte() -> None:
    assert write_direct_debits(DEBITS) == write_direct_debits(DEBITS)
    assert write_credit_transfers(TRANSFERS) == write_credit_transfers(TRANSFERS)


@settings(max_examples=40, deadline=None)
@given(st.lists(debits, min_size=1, max_size=6, unique_by=lambda debit: debit.end_to_end_id))
def test_any_debits_make_a_valid_file_whose_sums_are_theirs(given_: list[DirectDebit]) -> None:
    document = fromstring(write_direct_debits(replace(DEBITS, debits=tuple(given_))))
    amounts = {
        line.find(".//{*}EndToEndId").text: Decimal(line.find(".//{*}InstdAmt").text)
        for line in document.iter("{urn:iso:std:iso:20022:tech:xsd:pain.008.001.08}DrctDbtTxInf")
    }
    assert amounts == {debit.end_to_end_id: Decimal(debit.amount_minor) / 100 for debit in given_}
    assert Decimal(document.find(".//{*}GrpHdr/{*}CtrlSum").text) == sum(amounts.values())
    batches = [batch.text for batch in document.iterfind(".//{*}PmtInf/{*}PmtInfId")]
    assert len(set(batches)) == len(batches) == len({debit.sequence for debit in given_})


@pytest.mark.parametrize(
    ("debit", "field"),
    [
        (replace(DEBIT, amount_minor=0), "amount_minor"),
        (replace(DEBIT, amount_minor=GREATEST_MINOR + 1), "amount_minor"),
        (replace(DEBIT, debtor=replace(PAYER, iban="NL27VAYB8060476890")), "debtor.iban"),
        (replace(DEBIT, debtor=replace(PAYER, iban="")), "debtor.iban"),
        (replace(DEBIT, debtor=replace(PAYER, name=" ")), "debtor.name"),
        (replace(DEBIT, debtor=replace(PAYER, bic="COBA")), "debtor.bic"),
        (replace(DEBIT, mandate_reference=""), "mandate_reference"),
        (replace(DEBIT, mandate_reference="x" * 36), "mandate_reference"),
        (replace(DEBIT, mandate_reference="Mändate"), "mandate_reference"),
        (replace(DEBIT, end_to_end_id="/slash"), "end_to_end_id"),
        (replace(DEBIT, sequence="EVER"), "sequence"),  # type: ignore[arg-type]
    ],
)
def test_what_no_bank_would_take_is_not_written(debit: DirectDebit, field: str) -> None:
    with pytest.raises(FileNotWritable) as refused:
        write_direct_debits(replace(DEBITS, debits=(debit,)))
    assert refused.value.field == field
    assert PAYER.iban[4:] not in str(refused.value)


def test_a_file_pays_or_collects_something_and_nothing_twice() -> None:
    with pytest.raises(FileNotWritable, match="debits is empty"):
        write_direct_debits(replace(DEBITS, debits=()))
    with pytest.raises(FileNotWritable, match="is there twice"):
        write_direct_debits(replace(DEBITS, debits=(DEBIT, DEBIT)))
    with pytest.raises(FileNotWritable, match="transfers is empty"):
        write_credit_transfers(replace(TRANSFERS, transfers=()))
    with pytest.raises(FileNotWritable, match=r"debtor\.bic is missing"):
        write_credit_transfers(replace(TRANSFERS, debtor=replace(US, bic=None)))


def test_a_file_that_its_schema_does_not_allow_does_not_leave_the_house() -> None:
    file = write_direct_debits(DEBITS).replace(b"<PmtMtd>DD</PmtMtd>", b"<PmtMtd>CASH</PmtMtd>")
    with pytest.raises(FileNotWritable, match=r"file is not valid by pain\.008\.001\.08\.xsd at .*PmtMtd"):
        checked_file(file, "pain.008.001.08")
