"""Files of direct debits: what is no file, what is rejected and why, and what follows days after."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import httpx
import pytest

from rails.simulator.bank.fates import FATES, REASONS
from tests.rails.simulator.desk import CREDITOR, DAY_S, Desk, texts
from tests.rails.simulator.files import STATUS, batch, debit, file

REPORT = "CstmrPmtStsRpt"
REJECTING = {iban: fate.reason for iban, fate in FATES.items() if fate.days is None}
RETURNING = {iban: fate for iban, fate in FATES.items() if fate.days is not None}


def send(desk: Desk, content: bytes) -> httpx.Response:
    return desk.http.post("/bank/v1/direct-debits", content=content, headers={"Content-Type": "application/xml"})


def report(desk: Desk, content: bytes) -> ET.Element:
    response = send(desk, content)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/xml"
    root = ET.fromstring(response.content)  # noqa: S314 - the simulator wrote it
    assert root.tag == f"{STATUS}Document"
    return root


def told(root: ET.Element, path: str) -> list[str]:
    return texts(root, f"{REPORT}/{path}", STATUS)


def listed(desk: Desk) -> list[dict[str, Any]]:
    return desk.http.get("/bank/v1/direct-debits").json()["direct_debits"]


def balance(desk: Desk) -> int:
    return desk.http.get(f"/bank/v1/accounts/{CREDITOR}").json()["balance_minor"]


def test_every_instruction_gets_its_own_status(desk: Desk) -> None:
    bad = next(iter(REJECTING))
    root = report(desk, file(batch(debit("E1"), debit("E2", debtor=bad)), control_sum="24.68"))
    assert told(root, "OrgnlGrpInfAndSts/OrgnlMsgId") == ["MSG-1"]
    assert told(root, "OrgnlGrpInfAndSts/OrgnlMsgNmId") == ["pain.008.001.08"]
    assert told(root, "OrgnlGrpInfAndSts/GrpSts") == ["PART"]
    assert told(root, "OrgnlPmtInfAndSts/PmtInfSts") == ["PART"]
    assert told(root, "OrgnlPmtInfAndSts/TxInfAndSts/OrgnlEndToEndId") == ["E1", "E2"]
    assert told(root, "OrgnlPmtInfAndSts/TxInfAndSts/TxSts") == ["ACCP", "RJCT"]
    assert told(root, "OrgnlPmtInfAndSts/TxInfAndSts/StsRsnInf/Rsn/Cd") == [REJECTING[bad]]
    assert [(row["end_to_end_id"], row["status"]) for row in listed(desk)] == [("E1", "accepted"), ("E2", "rejected")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"debtor": "DE00370400440532013000"}, "AC01"),
        ({"currency": "USD"}, "AM03"),
        ({"amount": "0.00"}, "AM01"),
        ({"amount": "1.234"}, "AM12"),
        ({"mandate": None}, "MD01"),
        *[({"debtor": iban}, reason) for iban, reason in REJECTING.items()],
    ],
)
def test_a_debit_that_cannot_be_collected_is_rejected_with_its_reason(
    desk: Desk, changes: dict[str, Any], reason: str
) -> None:
    amount = changes.pop("amount", "12.34")
    root = report(desk, file(batch(debit("E1", amount, **changes))))
    assert told(root, "OrgnlGrpInfAndSts/GrpSts") == ["RJCT"]
    assert told(root, "OrgnlPmtInfAndSts/TxInfAndSts/StsRsnInf/Rsn/Cd") == [reason]
    desk.clock(advance_s=10 * DAY_S)
    assert balance(desk) == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (file(batch(debit("E1")), count=2), "AM18"),
        (file(batch(debit("E1")), control_sum="12.35"), "AM10"),
        (file(batch(debit("E1")), batch(debit("E2"))), "AM05"),
    ],
)
def test_a_file_that_contradicts_itself_is_rejected_as_a_whole(desk: Desk, content: bytes, reason: str) -> None:
    root = report(desk, content)
    assert told(root, "OrgnlGrpInfAndSts/GrpSts") == ["RJCT"]
    assert told(root, "OrgnlGrpInfAndSts/StsRsnInf/Rsn/Cd") == [reason]
    assert listed(desk) == []


@pytest.mark.parametrize(
    ("changes", "reason"), [({"iban": "DE00370400440532013000"}, "AC03"), ({"date": "2026-02-28"}, "DT01")]
)
def test_a_batch_that_cannot_be_taken_takes_its_debits_with_it(
    desk: Desk, changes: dict[str, str], reason: str
) -> None:
    root = report(desk, file(batch(debit("E1"), **changes), batch(debit("E2"), id="PMT-2")))
    assert told(root, "OrgnlPmtInfAndSts/PmtInfSts") == ["RJCT", "ACCP"]
    assert told(root, "OrgnlPmtInfAndSts/StsRsnInf/Rsn/Cd") == [reason]
    assert told(root, "OrgnlPmtInfAndSts/TxInfAndSts/TxSts") == ["RJCT", "ACCP"]


def test_the_same_file_again_gets_the_same_report_and_collects_once(desk: Desk) -> None:
    content = file(batch(debit("E1")))
    first, again = send(desk, content), send(desk, content)
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    other = report(desk, file(batch(debit("E2"))))
    assert told(other, "OrgnlGrpInfAndSts/StsRsnInf/Rsn/Cd") == ["AM05"]
    desk.clock(advance_s=5 * DAY_S)
    assert balance(desk) == 1_234


def test_an_end_to_end_id_is_collected_once_even_from_two_files(desk: Desk) -> None:
    report(desk, file(batch(debit("E1"))))
    root = report(desk, file(batch(debit("E1"), id="PMT-9"), message_id="MSG-2"))
    assert told(root, "OrgnlPmtInfAndSts/TxInfAndSts/StsRsnInf/Rsn/Cd") == ["AM05"]


def test_money_arrives_on_the_collection_date_and_not_before_tomorrow(desk: Desk) -> None:
    report(desk, file(batch(debit("LATER")), batch(debit("TODAY"), id="PMT-2", date="2026-03-01")))
    assert balance(desk) == 0
    desk.clock(advance_s=DAY_S)
    assert balance(desk) == 1_234
    desk.clock(set="2026-03-04T23:59:59Z")
    assert balance(desk) == 1_234
    desk.clock(set="2026-03-05T00:00:00Z")
    assert balance(desk) == 2_468
    assert {row["status"] for row in listed(desk)} == {"booked"}


@pytest.mark.parametrize("iban", sorted(RETURNING))
def test_a_return_comes_its_days_later_with_its_reason(desk: Desk, iban: str) -> None:
    fate = RETURNING[iban]
    report(desk, file(batch(debit("E1", debtor=iban), date="2026-03-02")))
    days = fate.days or 0
    desk.clock(advance_s=days * DAY_S)
    assert (balance(desk), listed(desk)[0]["status"]) == (1_234, "booked")
    assert listed(desk)[0]["return_reason"] is None, "nobody knows it before it happens"
    desk.clock(advance_s=DAY_S)
    row = listed(desk)[0]
    assert (balance(desk), row["status"], row["return_reason"]) == (0, "returned", fate.reason)


def test_returns_can_be_spread_by_seed(desk: Desk) -> None:
    def run(numbers: list[int]) -> dict[str, str | None]:
        desk.http.post("/reset", json={"keep": ["faults"]})
        desk.clock(set="2026-03-01T09:00:00Z", freeze=True)
        report(desk, file(batch(*(debit(f"E{number}") for number in numbers), date="2026-03-02")))
        desk.clock(advance_s=10 * DAY_S)
        rows = desk.http.get("/bank/v1/direct-debits", params={"limit": 500}).json()["direct_debits"]
        return {row["end_to_end_id"]: row["return_reason"] for row in rows}

    desk.plan(seed=3, returns={"AM04": 0.2, "MD06": 0.1})
    first = run(list(range(100)))
    assert {"AM04", "MD06", None} == set(first.values())
    assert run(list(reversed(range(100)))) == first


def test_the_debtors_with_a_fate_can_be_asked_for_and_have_reasons_with_words(desk: Desk) -> None:
    rows = desk.http.get("/bank/v1/test-accounts").json()["test_accounts"]
    assert {row["iban"]: (row["reason"], row["after_days"]) for row in rows} == {
        iban: (fate.reason, fate.days) for iban, fate in FATES.items()
    }
    assert {row["reason"] for row in rows} == set(REASONS)


GOOD = file(batch(debit("E1"))).decode()


@pytest.mark.parametrize(
    ("cut", "put", "field"),
    [
        ("pain.008.001.08", "pain.001.001.09", "Document"),
        ("<MsgId>MSG-1</MsgId>", "", "CstmrDrctDbtInitn/GrpHdr[1]/MsgId"),
        ("MSG-1", "M" * 36, "CstmrDrctDbtInitn/GrpHdr[1]/MsgId"),
        ("<NbOfTxs>1<", "<NbOfTxs>one<", "CstmrDrctDbtInitn/GrpHdr[1]/NbOfTxs"),
        ("<PmtMtd>DD<", "<PmtMtd>TRF<", "CstmrDrctDbtInitn/PmtInf[1]/PmtMtd"),
        ("<Cd>CORE<", "<Cd>CASH<", "CstmrDrctDbtInitn/PmtInf[1]/PmtTpInf/LclInstrm/Cd"),
        ("<SeqTp>RCUR<", "<SeqTp>OFTN<", "CstmrDrctDbtInitn/PmtInf[1]/PmtTpInf/SeqTp"),
        (">true<", ">perhaps<", "CstmrDrctDbtInitn/PmtInf[1]/BtchBookg"),
        ("2026-03-05", "2026-02-30", "CstmrDrctDbtInitn/PmtInf[1]/ReqdColltnDt"),
        (">12.34<", ">12,34<", "CstmrDrctDbtInitn/PmtInf[1]/DrctDbtTxInf[1]/InstdAmt"),
        (' Ccy="EUR"', "", "CstmrDrctDbtInitn/PmtInf[1]/DrctDbtTxInf[1]/InstdAmt/@Ccy"),
        ("<EndToEndId>E1</EndToEndId>", "", "CstmrDrctDbtInitn/PmtInf[1]/DrctDbtTxInf[1]/PmtId/EndToEndId"),
        ("<Nm>Ann Example</Nm>", "", "CstmrDrctDbtInitn/PmtInf[1]/DrctDbtTxInf[1]/Dbtr/Nm"),
    ],
)
def test_a_file_that_is_not_of_the_form_is_refused_by_its_element(desk: Desk, cut: str, put: str, field: str) -> None:
    assert GOOD.count(cut) == 1
    refused = send(desk, GOOD.replace(cut, put).encode())
    assert (refused.status_code, refused.json()["field"]) == (400, field)


@pytest.mark.parametrize(
    "content", [b"", b"<Document", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', b"\xff\xfe\x00", b'{"json": true}']
)
def test_what_is_no_xml_is_refused(desk: Desk, content: bytes) -> None:
    refused = send(desk, content)
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_xml")
