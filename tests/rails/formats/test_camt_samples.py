"""Real camt files, read as another implementation reads them: its reading lies beside each file as JSON."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rails.formats.camt import load_camt
from rails.formats.document import InvalidDocument

if TYPE_CHECKING:
    from rails.formats.statement import Account, Balance, BankCode, Detail, Entry, Reported, Statement

SHARED = Path(os.environ.get("DAYBOOK_SHARED", Path(__file__).parents[4] / "shared"))
SAMPLES = SHARED / "data" / "statements" / "camt"
KINDS = {
    "OPBD": "opening",
    "CLBD": "closing",
    "OPAV": "opening_available",
    "CLAV": "closing_available",
    "ITBD": "interim",
}
BREAKS = {
    "camt052.v2.other-account.xml": ["batch_count"],
    "camt052.v2.xml": ["batch_count"],
    "camt053.v2.five.decimals.xml": ["closing_balance"],
    "camt054.v4.xml": ["batch_count", "batch_total"],
}
"""Samples are edited by hand; these are the figures in them that do not agree, counted by hand too."""
NAMES = sorted(path.name for path in SAMPLES.glob("*.xml"))
SIZE_OF_THE_COLLECTION = 13


@pytest.fixture(params=NAMES or ["no samples"])
def sample(request: pytest.FixtureRequest) -> Path:
    if not NAMES:
        pytest.skip(f"the samples of bank statements are not at {SAMPLES}: nothing was read against them")
    return SAMPLES / str(request.param)


def told(node: Any, *path: str) -> Any:
    """Down a path of getters; None where it ends early."""
    for name in path:
        if node is None:
            return None
        node = node[name]
    return node


def money(amount: Reported) -> tuple[str, str]:
    return str(amount.amount_minor), amount.currency


def money_told(node: Any) -> tuple[str, str]:
    return node["getAmount"], node["getCurrency"]["getCode"]


def day_told(node: Any) -> str | None:
    return node["0"][:10] if node else None


def moment(node: Any) -> datetime | None:
    return datetime.fromisoformat(node["0"]).astimezone(UTC) if node else None


class TestSamples:
    def test_it_is_read_as_the_other_implementation_reads_it(self, sample: Path) -> None:
        reading = sample.with_suffix(".json")
        if not reading.exists():
            with pytest.raises(InvalidDocument, match=r"BkToCstmrStmt: has no Stmt"):
                load_camt(io.BytesIO(sample.read_bytes()))
            return
        message = json.loads(reading.read_text())
        statements = load_camt(io.BytesIO(sample.read_bytes()))
        assert len(statements) == 1
        same_message(statements[0], message)

    def test_only_figures_known_to_disagree_do(self, sample: Path) -> None:
        if not sample.with_suffix(".json").exists():
            return
        (statement,) = load_camt(io.BytesIO(sample.read_bytes()))
        assert [each.kind for each in statement.end.breaks] == BREAKS.get(sample.name, [])
        assert statement.end.entries == len(statement.entries)


def test_all_samples_there_are_were_read() -> None:
    if not NAMES:
        pytest.skip(f"the samples of bank statements are not at {SAMPLES}: nothing was read against them")
    assert len(NAMES) == SIZE_OF_THE_COLLECTION


def same_message(statement: Statement, message: dict[str, Any]) -> None:
    entries = message["getEntries"]
    record = entries[0]["getRecord"] if entries else message["getRecords"][0]
    head = statement.head
    assert head.message_id == message["getGroupHeader"]["getMessageId"]
    assert head.statement_id == record["getId"]
    assert (head.number, head.legal_number) == (
        record["getElectronicSequenceNumber"],
        record["getLegalSequenceNumber"],
    )
    assert head.created_at == moment(record["getCreatedOn"])
    assert (head.period_from, head.period_to) == (moment(record["getFromDate"]), moment(record["getToDate"]))
    assert head.duplicate == record["getCopyDuplicateIndicator"]
    assert head.page == told(record, "getPagination", "getPageNumber")
    same_account(head.account, record["getAccount"])
    assert [balance_of(each) for each in head.balances] == [
        balance_told(each) for each in record.get("getBalances", [])
    ]
    assert len(statement.entries) == len(entries)
    for entry, expected in zip(statement.entries, entries, strict=True):
        same_entry(entry, expected)


def same_account(account: Account, expected: dict[str, Any]) -> None:
    assert account.identification == expected["getIdentification"]
    assert account.iban == told(expected, "getIban", "getIban") if "getIban" in expected else account.iban is None


def balance_of(balance: Balance) -> tuple[str, tuple[str, str], str]:
    return KINDS[balance.kind], money(balance.amount), balance.on.isoformat()


def balance_told(node: Any) -> tuple[str, tuple[str, str], str | None]:
    return node["getType"], money_told(node["getAmount"]), day_told(node["getDate"])


def same_entry(entry: Entry, expected: dict[str, Any]) -> None:
    assert entry.number == expected["getIndex"] + 1
    assert money(entry.amount) == money_told(expected["getAmount"])
    assert entry.status == expected["getStatus"]
    assert entry.reversal == expected["getReversalIndicator"]
    assert (entry.booked_on and entry.booked_on.isoformat()) == day_told(expected["getBookingDate"])
    assert (entry.value_on and entry.value_on.isoformat()) == day_told(expected["getValueDate"])
    assert entry.reference == expected["getReference"]
    assert entry.servicer_reference == expected["getAccountServicerReference"]
    assert (entry.additional or "") == (expected["getAdditionalInfo"] or "")
    batch = next((each.payment_information_id for each in entry.batches), None)
    assert batch == expected["getBatchPaymentId"]
    same_code(entry.bank_code, expected["getBankTransactionCode"])
    assert len(entry.details) == len(expected["getTransactionDetails"])
    # the other implementation writes an object it has written before as a mark that says so
    for detail, node in zip(entry.details, expected["getTransactionDetails"], strict=True):
        same_detail(detail, expected["getTransactionDetail"] if isinstance(node, str) else node)


def same_code(code: BankCode, expected: Any) -> None:
    domain = ("getDomain", "getFamily")
    assert code.domain == told(expected, "getDomain", "getCode")
    assert code.family == told(expected, *domain, "getCode")
    assert code.sub_family == told(expected, *domain, "getSubFamilyCode")
    assert code.proprietary == told(expected, "getProprietary", "getCode")


def same_detail(detail: Detail, expected: dict[str, Any]) -> None:
    if expected["getAmount"] is not None:
        assert detail.amount is not None
        amount, currency = money_told(expected["getAmount"])
        # it takes the entry's direction for all its transactions; a transaction that tells its own goes by that here
        assert (abs(detail.amount.amount_minor), detail.amount.currency) == (abs(int(amount)), currency)
    same_references(detail, expected["getReference"])
    remittance = expected["getRemittanceInformation"]
    lines = [told(each, "getMessage") for each in seen(remittance, "getUnstructuredBlocks", "getUnstructuredBlock")]
    assert list(detail.remittance) == lines
    blocks = seen(remittance, "getStructuredBlocks", "getStructuredBlock")
    informations = [each["getCreditorReferenceInformation"] for each in blocks]
    first = told(remittance, "getCreditorReferenceInformation")
    structured = [told(first if isinstance(each, str) else each, "getRef") for each in informations]
    assert list(detail.creditor_references) == [each for each in structured if each]
    same_parties(detail, expected)
    assert detail.return_reason == told(expected, "getReturnInformation", "getCode")


def seen(node: Any, name: str, first: str) -> list[Any]:
    """A list whose first member was written before, under another name."""
    return [node[first] if isinstance(each, str) else each for each in node[name]] if node else []


def same_references(detail: Detail, expected: Any) -> None:
    names = {
        "end_to_end_id": "getEndToEndId",
        "mandate_id": "getMandateId",
        "instruction_id": "getInstructionId",
        "transaction_id": "getTransactionId",
        "message_id": "getMessageId",
        "payment_information_id": "getPaymentInformationId",
        "servicer_reference": "getAccountServicerReference",
    }
    for ours, theirs in names.items():
        assert getattr(detail, ours) == told(expected, theirs), ours


def same_parties(detail: Detail, expected: dict[str, Any]) -> None:
    for party in seen(expected, "getRelatedParties", "getRelatedParty"):
        if isinstance(party, str):
            continue
        kind = party["getRelatedPartyType"]["__CLASS__"].rpartition("\\")[2]
        ours = {"Debtor": detail.debtor, "Creditor": detail.creditor}[kind]
        assert (ours.name or "") == (party["getRelatedPartyType"]["getName"] or "")
        if party["getAccount"] is not None:
            assert (ours.iban or ours.other) == party["getAccount"]["getIdentification"]
