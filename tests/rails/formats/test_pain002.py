"""Status reports are read to the transaction; what is no report, or says nothing that exists, is refused."""

from __future__ import annotations

import io

import pytest

from rails.formats.document import InvalidDocument
from rails.formats.pain002 import STATUSES, StatusReport, read_pain002


def report(
    group: str = "<GrpSts>PART</GrpSts>",
    payment: str = "",
    transactions: str = "",
    *,
    version: str = "10",
    prefix: str = "",
) -> bytes:
    """A report; tags are prefixed once it is whole."""
    text = (
        f"<Document><CstmrPmtStsRpt><GrpHdr><MsgId>S1</MsgId></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>M1</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pain.008.001.08</OrgnlMsgNmId>{group}</OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>P1</OrgnlPmtInfId>{payment}{transactions}</OrgnlPmtInfAndSts>"
        f"</CstmrPmtStsRpt></Document>"
    )
    namespace = f"urn:iso:std:iso:20022:tech:xsd:pain.002.001.{version}"
    if prefix:
        text = text.replace("</", "\0").replace("<", f"<{prefix}:").replace("\0", f"</{prefix}:")
    declared = f"xmlns:{prefix}" if prefix else "xmlns"
    head = f"{prefix}:Document" if prefix else "Document"
    return text.replace(f"<{head}>", f'<{head} {declared}="{namespace}">', 1).encode()


def transaction(name: str, status: str | None, *reasons: str) -> str:
    because = "".join(f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn><AddtlInf>why</AddtlInf></StsRsnInf>" for code in reasons)
    told = f"<TxSts>{status}</TxSts>" if status else ""
    return f"<TxInfAndSts><OrgnlEndToEndId>{name}</OrgnlEndToEndId>{told}{because}</TxInfAndSts>"


def read(document: bytes) -> StatusReport:
    return read_pain002(io.BytesIO(document))


@pytest.mark.parametrize("prefix", ["", "ns2"])
@pytest.mark.parametrize("version", ["03", "10", "14"])
def test_a_report_is_read_whatever_its_version_and_prefix(version: str, prefix: str) -> None:
    lines = transaction("E1", "ACCP") + transaction("E2", "RJCT", "AM04", "MS03")
    told = read(report(transactions=lines, version=version, prefix=prefix))
    assert (told.message_id, told.original_message_id, told.original_message_name) == ("S1", "M1", "pain.008.001.08")
    assert told.state.status == "PART"
    (payment,) = told.payments
    assert (payment.payment_information_id, payment.state.status) == ("P1", None)
    accepted, rejected = payment.transactions
    assert (accepted.end_to_end_id, accepted.state.status, accepted.state.code) == ("E1", "ACCP", None)
    assert (rejected.end_to_end_id, rejected.state.status, rejected.state.code) == ("E2", "RJCT", "AM04")
    assert [reason.text for reason in rejected.state.reasons] == ["why", "why"]


class TestTheNearestStatusCounts:
    def test_a_rejected_transaction_in_an_accepted_group_is_rejected(self) -> None:
        told = read(report("<GrpSts>ACCP</GrpSts>", "<PmtInfSts>ACCP</PmtInfSts>", transaction("E1", "RJCT", "AC01")))
        state = told.of("E1", "P1")
        assert state is not None
        assert (state.status, state.code) == ("RJCT", "AC01")

    def test_a_payment_speaks_for_transactions_that_are_not_named(self) -> None:
        told = read(report("<GrpSts>PART</GrpSts>", "<PmtInfSts>RJCT</PmtInfSts>"))
        state = told.of("E1", "P1")
        assert state is not None
        assert state.status == "RJCT"

    def test_a_group_speaks_for_all(self) -> None:
        because = "<StsRsnInf><Rsn><Prtry>OWN</Prtry></Rsn></StsRsnInf>"
        told = read(report(f"<GrpSts>RJCT</GrpSts>{because}", transactions=transaction("E1", None)))
        state = told.of("E1", "another")
        assert state is not None
        assert (state.status, state.code) == ("RJCT", "OWN")

    def test_nobody_speaks_where_there_is_no_status(self) -> None:
        assert read(report("")).of("E1", "P1") is None


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_every_status_that_exists_is_read(status: str) -> None:
    assert read(report(f"<GrpSts>{status}</GrpSts>")).state.status == status


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (b"", "line 1"),
        (b"<Document/>", "has no CstmrPmtStsRpt"),
        (report().replace(b"pain.002", b"camt.054"), "no pain.002"),
        (report().replace(b"CstmrPmtStsRpt", b"Other"), "no pain.002"),
        (report("<GrpSts>GOOD</GrpSts>"), r"OrgnlGrpInfAndSts.*GrpSts.*'GOOD', which is no status"),
        (report(transactions=transaction("E1", "OK")), r"TxInfAndSts/TxSts.*'OK'"),
        (report().replace(b"<OrgnlMsgId>M1</OrgnlMsgId>", b""), r"OrgnlGrpInfAndSts.*OrgnlMsgId.*missing"),
        (report().replace(b"<MsgId>S1</MsgId>", b""), r"GrpHdr.*MsgId.*missing"),
        (report().replace(b"GrpHdr", b"Other"), r"CstmrPmtStsRpt/GrpHdr: is there 0 times"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]>' + report(), "declares a document type"),
    ],
)
def test_what_is_no_report_is_refused_with_the_place(document: bytes, place: str) -> None:
    with pytest.raises(InvalidDocument, match=place):
        read(document)
