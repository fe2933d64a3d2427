"""Writes camt.053, the statement of an account's day, and camt.054, the notification of bookings as they happen.

Versions 001.08 of both. Written from the message definitions; it shares no code with anybody who reads such files.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from rails.simulator import moments
from rails.simulator.bank.fates import REASONS
from rails.simulator.bank.iban import BIC
from rails.simulator.bank.xml import child, document, text_of
from rails.simulator.currencies import decimal_text
from rails.simulator.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rails.simulator.bank.accounts import Account
    from rails.simulator.store import Store

STATEMENT: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
NOTIFICATION: Final = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"
CODES: Final = {
    "transfer": ("RCDT", "ESCT"),
    "payout": ("RCDT", "ESCT"),
    "direct_debit": ("IDDT", "ESDD"),
    "direct_debit_b2b": ("IDDT", "BBDD"),
    "return": ("IDDT", "UPDD"),
}
"""Family and sub-family of the domain PMNT: received credit transfers, issued direct debits and their reversal."""
ONE_DAY: Final = timedelta(days=1)
DETAILS: Final = (
    "select d.* from entries e join details d on d.entry = e.number "
    "where e.iban = ? and e.number between ? and ? order by d.entry, d.place"
)
BEFORE: Final = "select coalesce(sum(amount_minor), 0) from entries where iban = ? and booked_on < ?"


class Statements:
    """Statements of accounts. One is made for every day since an account was opened, so that numbers have no gaps."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def statement(self, account: Account, day: date, now: datetime) -> str:
        """The camt.053 of a day that is over. Raises `Problem` 404."""
        opened = date.fromisoformat(account.opened_on)
        if day < opened:
            raise Problem(404, "not_found", f"account {account.iban} was opened on {opened}", field="date")
        if day >= now.date():
            raise Problem(404, "not_ready", f"{day} is not over by the clock: its statement comes then", field="date")
        opening = account.opening_minor + int(self._store.value(BEFORE, account.iban, day.isoformat()))
        on_the_day = "select * from entries where iban = ? and booked_on = ? order by number"
        entries = self._store.rows(on_the_day, account.iban, day.isoformat())
        number = (day - opened).days + 1
        root = document(STATEMENT)
        message = child(root, "BkToCstmrStmt")
        _header(message, f"{day:%Y%m%d}-{account.iban}", moments.midnight(day + ONE_DAY))
        statement = child(message, "Stmt")
        child(statement, "Id", f"{number}-{account.iban}")
        child(statement, "ElctrncSeqNb", str(number))
        child(statement, "LglSeqNb", str(number))
        child(statement, "CreDtTm", moments.written(moments.midnight(day + ONE_DAY)))
        period = child(statement, "FrToDt")
        child(period, "FrDtTm", moments.written(moments.midnight(day)))
        child(period, "ToDtTm", moments.written(moments.midnight(day + ONE_DAY)))
        _account(statement, account)
        _balance(statement, "OPBD", opening, account.currency, day)
        _balance(statement, "CLBD", opening + sum(e["amount_minor"] for e in entries), account.currency, day)
        _summary(statement, [e["amount_minor"] for e in entries], account.currency)
        self._entries(statement, entries)
        return text_of(root)

    def days(self, account: Account, after: str, limit: int, now: datetime) -> list[dict[str, Any]]:
        """Which statements there are, oldest first."""
        opened = date.fromisoformat(account.opened_on)
        first = max(opened, date.fromisoformat(after) + ONE_DAY) if after else opened
        count = min(limit, max((now.date() - first).days, 0))
        days = [first + timedelta(days=place) for place in range(count)]
        return [{"date": day.isoformat(), "number": (day - opened).days + 1} for day in days]

    def notification(self, account: Account, after: int, limit: int, now: datetime) -> tuple[str, int]:
        """The camt.054 of the next bookings after an entry's number, and the number to go on from."""
        following = "select * from entries where iban = ? and number > ? order by number limit ?"
        entries = self._store.rows(following, account.iban, after, limit)
        last = entries[-1]["number"] if entries else after
        root = document(NOTIFICATION)
        message = child(root, "BkToCstmrDbtCdtNtfctn")
        _header(message, f"NTF-{after}-{last}", now)
        notification = child(message, "Ntfctn")
        child(notification, "Id", f"NTF-{after}-{last}")
        child(notification, "CreDtTm", moments.written(now))
        _account(notification, account)
        self._entries(notification, entries)
        return text_of(root), last

    def _entries(self, parent: ET.Element, entries: Sequence[dict[str, Any]]) -> None:
        if not entries:
            return
        details: dict[int, list[dict[str, Any]]] = {}
        first, last = entries[0], entries[-1]
        for detail in self._store.rows(DETAILS, first["iban"], first["number"], last["number"]):
            details.setdefault(detail["entry"], []).append(detail)
        for entry in entries:
            _entry(parent, entry, details[entry["number"]])


def _header(message: ET.Element, message_id: str, at: datetime) -> None:
    header = child(message, "GrpHdr")
    child(header, "MsgId", message_id[:35])
    child(header, "CreDtTm", moments.written(at))


def _account(parent: ET.Element, account: Account) -> None:
    element = child(parent, "Acct")
    child(child(element, "Id"), "IBAN", account.iban)
    child(element, "Ccy", account.currency)
    child(child(element, "Ownr"), "Nm", account.name)
    child(child(child(element, "Svcr"), "FinInstnId"), "BICFI", BIC)


def _amount(parent: ET.Element, amount_minor: int, currency: str, name: str = "Amt") -> None:
    """Amounts in these files have no sign: the indicator behind them tells the direction."""
    child(parent, name, decimal_text(abs(amount_minor), currency), Ccy=currency)
    child(parent, "CdtDbtInd", "CRDT" if amount_minor >= 0 else "DBIT")


def _balance(statement: ET.Element, code: str, amount_minor: int, currency: str, day: date) -> None:
    balance = child(statement, "Bal")
    child(child(child(balance, "Tp"), "CdOrPrtry"), "Cd", code)
    _amount(balance, amount_minor, currency)
    child(child(balance, "Dt"), "Dt", day.isoformat())


def _summary(statement: ET.Element, amounts: list[int], currency: str) -> None:
    summary = child(statement, "TxsSummry")
    for name, chosen in (
        ("TtlCdtNtries", [amount for amount in amounts if amount > 0]),
        ("TtlDbtNtries", [-amount for amount in amounts if amount < 0]),
    ):
        total = child(summary, name)
        child(total, "NbOfNtries", str(len(chosen)))
        child(total, "Sum", decimal_text(sum(chosen), currency))


def _entry(parent: ET.Element, entry: dict[str, Any], details: list[dict[str, Any]]) -> None:
    element = child(parent, "Ntry")
    child(element, "NtryRef", str(entry["number"]))
    _amount(element, entry["amount_minor"], entry["currency"])
    child(element, "RvslInd", "true" if entry["kind"] == "return" else "false")
    child(child(element, "Sts"), "Cd", "BOOK")
    child(child(element, "BookgDt"), "Dt", entry["booked_on"])
    child(child(element, "ValDt"), "Dt", entry["value_on"])
    child(element, "AcctSvcrRef", entry["reference"])
    _code(element, entry["kind"])
    lines = child(element, "NtryDtls")
    if entry["transactions"] > 1:
        batch = child(lines, "Btch")
        child(batch, "MsgId", entry["message_id"])
        child(batch, "PmtInfId", entry["payment_information_id"])
        child(batch, "NbOfTxs", str(entry["transactions"]))
        _amount(batch, entry["amount_minor"], entry["currency"], "TtlAmt")
    for detail in details:
        _transaction(lines, entry, detail)


def _code(parent: ET.Element, kind: str) -> None:
    family, sub_family = CODES[kind]
    domain = child(child(parent, "BkTxCd"), "Domn")
    child(domain, "Cd", "PMNT")
    code = child(domain, "Fmly")
    child(code, "Cd", family)
    child(code, "SubFmlyCd", sub_family)


def _transaction(lines: ET.Element, entry: dict[str, Any], detail: dict[str, Any]) -> None:
    element = child(lines, "TxDtls")
    references = child(element, "Refs")
    for name, value in (
        ("MsgId", entry["message_id"]),
        ("AcctSvcrRef", f"{entry['reference']}/{detail['place']}"),
        ("PmtInfId", entry["payment_information_id"]),
        ("InstrId", detail["instruction_id"]),
        ("EndToEndId", detail["end_to_end_id"]),
        ("MndtId", detail["mandate_id"]),
    ):
        if value:
            child(references, name, value)
    _amount(element, detail["amount_minor"], entry["currency"])
    _code(element, entry["kind"])
    parties = child(element, "RltdPties")
    if detail["name"]:
        child(child(child(parties, "Dbtr"), "Pty"), "Nm", detail["name"])
    if detail["iban"]:
        child(child(child(parties, "DbtrAcct"), "Id"), "IBAN", detail["iban"])
    if not len(parties):
        element.remove(parties)
    if detail["remittance"]:
        child(child(element, "RmtInf"), "Ustrd", detail["remittance"])
    if detail["return_reason"]:
        returned = child(element, "RtrInf")
        child(child(returned, "Rsn"), "Cd", detail["return_reason"])
        child(returned, "AddtlInf", REASONS[detail["return_reason"]])
