"""The bank's papers: camt.053 that chain from day to day, and camt.054 of every booking as it happens."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from rails.simulator.bank.fates import FATES
from rails.simulator.bank.iban import account_of_currency
from tests.rails.simulator.desk import CAMT_053, CAMT_054, CREDITOR, DAY_S, Desk, texts
from tests.rails.simulator.files import batch, debit, file

RETURNED = next(iban for iban, fate in FATES.items() if fate.reason == "AM04")
FIRST = date(2026, 3, 1)


def balance(statement: ET.Element, code: str) -> Decimal:
    for element in statement.findall(f"{CAMT_053}Bal"):
        if texts(element, "Tp/CdOrPrtry/Cd") == [code]:
            return signed(element)
    raise AssertionError(f"no balance {code}")


def signed(element: ET.Element, namespace: str = CAMT_053) -> Decimal:
    amount = Decimal(texts(element, "Amt", namespace)[0])
    return amount if texts(element, "CdtDbtInd", namespace) == ["CRDT"] else -amount


def busy_week(desk: Desk) -> None:
    """Transfers on several days, a batch, single debits, a return, a payout."""
    desk.transfer(12_345, remittance="Order 1", end_to_end_id="CUSTOMER-1")
    desk.http.put(f"/bank/v1/accounts/{CREDITOR}", json={"currency": "EUR"})
    desk.terms(payout_accounts={"EUR": CREDITOR})
    desk.pay("sold", amount_minor=50_000)
    content = file(
        batch(debit("B1", "1.00"), debit("B2", "2.50", debtor=RETURNED), date="2026-03-03"),
        batch(debit("S1", "3.00"), debit("S2", "4.00"), id="PMT-2", booking="false", date="2026-03-03"),
    )
    assert desk.http.post("/bank/v1/direct-debits", content=content).status_code == 200
    desk.clock(advance_s=DAY_S)
    desk.transfer(999, remittance="Größe <7> & 'more'")
    desk.clock(advance_s=6 * DAY_S)


def test_each_statement_opens_where_the_one_before_closed_and_ties(desk: Desk) -> None:
    busy_week(desk)
    days = [FIRST + timedelta(days=number) for number in range(7)]
    statements = [desk.statement(day.isoformat()) for day in days]
    assert balance(statements[0], "OPBD") == 0
    for before, after in pairwise(statements):
        assert balance(after, "OPBD") == balance(before, "CLBD")
    for day, statement in zip(days, statements, strict=True):
        entries = [signed(entry) for entry in statement.findall(f"{CAMT_053}Ntry")]
        assert balance(statement, "OPBD") + sum(entries) == balance(statement, "CLBD")
        assert set(texts(statement, "Bal/Dt/Dt")) == {day.isoformat()}
        assert set(texts(statement, "Ntry/BookgDt/Dt")) <= {day.isoformat()}
        counted = texts(statement, "TxsSummry/TtlCdtNtries/Sum") + texts(statement, "TxsSummry/TtlDbtNtries/Sum")
        assert Decimal(counted[0]) - Decimal(counted[1]) == sum(entries)
    assert [texts(statement, "ElctrncSeqNb") for statement in statements] == [[str(n)] for n in range(1, 8)]
    kept = desk.http.get(f"/bank/v1/accounts/{CREDITOR}").json()["balance_minor"]
    assert balance(statements[-1], "CLBD") * 100 == kept


def test_details_sum_to_their_entry_and_carry_what_payments_are_known_by(desk: Desk) -> None:
    busy_week(desk)
    third = desk.statement("2026-03-03")
    entries = third.findall(f"{CAMT_053}Ntry")
    for entry in entries:
        assert sum(signed(one) for one in entry.findall(f"{CAMT_053}NtryDtls/{CAMT_053}TxDtls")) == signed(entry)
    assert [texts(entry, "NtryDtls/TxDtls/Refs/EndToEndId") for entry in entries] == [
        ["stl-20260301-EUR"],
        ["B1", "B2"],
        ["S1"],
        ["S2"],
    ]
    assert texts(entries[1], "NtryDtls/Btch/NbOfTxs") == ["2"]
    assert texts(entries[1], "NtryDtls/Btch/PmtInfId") == ["PMT-1"]
    assert texts(entries[1], "NtryDtls/TxDtls/Refs/MndtId") == ["MANDATE-1", "MANDATE-1"]
    assert texts(entries[1], "BkTxCd/Domn/Fmly/SubFmlyCd") == ["ESDD"]
    assert texts(entries[0], "NtryDtls/TxDtls/RmtInf/Ustrd") == ["po-20260301-EUR settlement of 2026-03-01"]


def test_a_return_is_a_debit_with_its_reason_and_the_id_of_what_it_undoes(desk: Desk) -> None:
    busy_week(desk)
    (entry,) = desk.statement("2026-03-05").findall(f"{CAMT_053}Ntry")
    assert signed(entry) == Decimal("-2.50")
    assert texts(entry, "RvslInd") == ["true"]
    assert texts(entry, "NtryDtls/TxDtls/RtrInf/Rsn/Cd") == ["AM04"]
    assert texts(entry, "NtryDtls/TxDtls/Refs/EndToEndId") == ["B2"]
    assert texts(entry, "BkTxCd/Domn/Fmly/SubFmlyCd") == ["UPDD"]


def test_what_customers_write_arrives_as_they_wrote_it(desk: Desk) -> None:
    busy_week(desk)
    assert texts(desk.statement("2026-03-02"), "Ntry/NtryDtls/TxDtls/RmtInf/Ustrd") == ["Größe <7> & 'more'"]
    first = desk.statement("2026-03-01")
    assert texts(first, "Ntry/NtryDtls/TxDtls/Refs/EndToEndId") == ["CUSTOMER-1"]
    assert texts(first, "Ntry/NtryDtls/TxDtls/RltdPties/Dbtr/Pty/Nm") == ["Ann Example"]


def test_a_statement_is_the_same_whenever_it_is_asked_for(desk: Desk) -> None:
    busy_week(desk)
    path = f"/bank/v1/accounts/{CREDITOR}/statements/2026-03-03"
    first = desk.http.get(path).content
    desk.transfer(1)
    desk.clock(advance_s=3 * DAY_S)
    assert desk.http.get(path).content == first


def test_statements_are_listed_without_gaps_page_by_page(desk: Desk) -> None:
    busy_week(desk)
    path = f"/bank/v1/accounts/{CREDITOR}/statements"
    rows = desk.http.get(path).json()["statements"]
    assert rows == [{"date": (FIRST + timedelta(days=number)).isoformat(), "number": number + 1} for number in range(7)]
    assert desk.http.get(path, params={"after": "2026-03-03", "limit": 2}).json()["statements"] == rows[3:5]


def test_notifications_tell_every_booking_once_and_in_order(desk: Desk) -> None:
    busy_week(desk)
    seen: list[str] = []
    after = "0"
    while True:
        response = desk.http.get(f"/bank/v1/accounts/{CREDITOR}/notifications", params={"after": after, "limit": 2})
        root = ET.fromstring(response.content)  # noqa: S314 - the simulator wrote it
        assert root.tag == f"{CAMT_054}Document"
        found = texts(root, "BkToCstmrDbtCdtNtfctn/Ntfctn/Ntry/NtryRef", CAMT_054)
        if not found:
            break
        seen += found
        after = response.headers["X-Next-After"]
    assert seen == sorted(set(seen), key=int)
    assert len(seen) == desk.http.get(f"/bank/v1/accounts/{CREDITOR}").json()["entries"] == 7


def test_a_transfer_is_notified_at_once(desk: Desk) -> None:
    told = desk.transfer(77, remittance="now").json()
    root = ET.fromstring(desk.http.get(f"/bank/v1/accounts/{CREDITOR}/notifications").content)  # noqa: S314
    assert texts(root, "BkToCstmrDbtCdtNtfctn/Ntfctn/Ntry/NtryRef", CAMT_054) == [str(told["entry"])]


def test_an_account_in_yen_has_no_decimals(desk: Desk) -> None:
    yen = account_of_currency("JPY")
    desk.transfer(1_234, yen, currency="JPY")
    desk.clock(advance_s=DAY_S)
    assert texts(desk.statement("2026-03-01", yen), "Ntry/Amt") == ["1234"]


def test_an_account_may_begin_with_money_or_debt_on_it(desk: Desk) -> None:
    body = {"currency": "EUR", "name": "Shop", "opening_minor": -5_000}
    opened = desk.http.put(f"/bank/v1/accounts/{CREDITOR}", json=body)
    assert (opened.status_code, opened.json()["balance_minor"]) == (200, -5_000)
    assert desk.http.put(f"/bank/v1/accounts/{CREDITOR}", json=body).json() == opened.json()
    desk.clock(advance_s=DAY_S)
    assert balance(desk.statement("2026-03-01"), "OPBD") == Decimal("-50.00")
    other = desk.http.put(f"/bank/v1/accounts/{CREDITOR}", json={**body, "opening_minor": 0})
    assert (other.status_code, other.json()["code"]) == (409, "account_open")


def test_an_account_is_kept_in_one_currency(desk: Desk) -> None:
    desk.transfer(100)
    refused = desk.transfer(100, currency="USD")
    assert (refused.status_code, refused.json()["code"]) == (409, "account_currency")
    reserved = desk.transfer(100, account_of_currency("USD"), currency="EUR")
    assert (reserved.status_code, reserved.json()["field"]) == (409, "currency")


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        (f"/bank/v1/accounts/{CREDITOR}/statements/2026-03-01", 404, "date"),
        (f"/bank/v1/accounts/{CREDITOR}/statements/2026-02-28", 404, "date"),
        (f"/bank/v1/accounts/{CREDITOR}/statements/1.3.2026", 400, "date"),
        (f"/bank/v1/accounts/{CREDITOR}/notifications?after=x", 400, "after"),
        (f"/bank/v1/accounts/{CREDITOR}/statements?limit=0", 400, "limit"),
        ("/bank/v1/accounts/DE00/statements/2026-03-01", 404, "iban"),
        ("/bank/v1/accounts/DE00", 404, "iban"),
    ],
)
def test_what_is_not_there_yet_or_at_all_is_said_by_its_field(desk: Desk, path: str, status: int, field: str) -> None:
    desk.transfer(100)
    refused = desk.http.get(path)
    assert (refused.status_code, refused.json()["field"]) == (status, field)
