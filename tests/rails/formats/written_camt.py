"""Statements as XML, written without any of the code that reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from xml.sax.saxutils import escape, quoteattr

BODIES = {
    "052": ("BkToCstmrAcctRpt", "Rpt"),
    "053": ("BkToCstmrStmt", "Stmt"),
    "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}


@dataclass(frozen=True)
class WrittenEntry:
    """One entry with one transaction; `amount` as text, with a minus for money out."""

    amount: str
    currency: str = "EUR"
    status: str = "BOOK"
    booked_on: date = date(2026, 11, 25)
    end_to_end_id: str | None = None
    mandate_id: str | None = None
    reference: str | None = None
    text: str | None = None
    name: str | None = None
    iban: str | None = None
    return_reason: str | None = None
    reversal: bool = False
    code: tuple[str, str, str] = ("PMNT", "RCDT", "ESCT")
    servicer_reference: str | None = None


@dataclass(frozen=True)
class WrittenStatement:
    """A statement of one account; balances as text, with a minus for a debit balance."""

    entries: tuple[WrittenEntry, ...]
    opening: str | None = None
    closing: str | None = None
    currency: str = "EUR"
    iban: str = "DE89370400440532013000"
    number: str | None = "17"


class Writer:
    """Writes a message of one version, with elements under a prefix when there is one."""

    def __init__(self, message: str = "053", version: str = "08", prefix: str = "") -> None:
        self._message = message
        self._version = version
        self._prefix = f"{prefix}:" if prefix else ""
        self._declaration = f"xmlns{':' + prefix if prefix else ''}"

    def tag(self, name: str, content: str, attributes: str = "") -> str:
        return f"<{self._prefix}{name}{attributes}>{content}</{self._prefix}{name}>"

    def text(self, name: str, text: str | None) -> str:
        return self.tag(name, escape(text)) if text is not None else ""

    def message(self, *statements: WrittenStatement) -> bytes:
        body, _ = BODIES[self._message]
        head = self.tag("GrpHdr", self.text("MsgId", "message-1") + self.text("CreDtTm", "2026-11-25T06:00:00"))
        inner = self.tag(body, head + "".join(self.statement(each) for each in statements))
        namespace = f"urn:iso:std:iso:20022:tech:xsd:camt.{self._message}.001.{self._version}"
        document = self.tag("Document", inner, f" {self._declaration}={quoteattr(namespace)}")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{document}'.encode()

    def statement(self, statement: WrittenStatement) -> str:
        return self.tag(BODIES[self._message][1], self.head(statement) + "".join(map(self.entry, statement.entries)))

    def head(self, statement: WrittenStatement) -> str:
        account = self.tag("Acct", self.tag("Id", self.text("IBAN", statement.iban)))
        balances = "".join(
            self.balance(kind, amount, statement.currency)
            for kind, amount in (("OPBD", statement.opening), ("CLBD", statement.closing))
            if amount is not None
        )
        return self.text("Id", "statement-1") + self.text("ElctrncSeqNb", statement.number) + account + balances

    def money(self, amount: str, currency: str) -> str:
        value = self.tag("Amt", amount.removeprefix("-"), f" Ccy={quoteattr(currency)}")
        return value + self.text("CdtDbtInd", "DBIT" if amount.startswith("-") else "CRDT")

    def balance(self, kind: str, amount: str, currency: str) -> str:
        code = self.tag("Tp", self.tag("CdOrPrtry", self.text("Cd", kind)))
        return self.tag("Bal", code + self.money(amount, currency) + self.date("Dt", date(2026, 11, 25)))

    def date(self, name: str, day: date) -> str:
        return self.tag(name, self.text("Dt", day.isoformat()))

    def entry(self, entry: WrittenEntry) -> str:
        status = self.text("Cd", entry.status) if int(self._version) >= 8 else entry.status
        domain, family, sub_family = entry.code
        code = self.text("Cd", domain) + self.tag("Fmly", self.text("Cd", family) + self.text("SubFmlyCd", sub_family))
        return self.tag(
            "Ntry",
            self.money(entry.amount, entry.currency)
            + self.text("RvslInd", "true" if entry.reversal else None)
            + self.tag("Sts", status)
            + self.date("BookgDt", entry.booked_on)
            + self.date("ValDt", entry.booked_on)
            + self.text("AcctSvcrRef", entry.servicer_reference)
            + self.tag("BkTxCd", self.tag("Domn", code))
            + self.tag("NtryDtls", self.tag("TxDtls", self.detail(entry))),
        )

    def detail(self, entry: WrittenEntry) -> str:
        references = self.text("EndToEndId", entry.end_to_end_id) + self.text("MndtId", entry.mandate_id)
        name = self.text("Nm", entry.name)
        party = self.tag("Dbtr", self.tag("Pty", name) if int(self._version) >= 8 else name) if entry.name else ""
        if entry.iban:
            party += self.tag("DbtrAcct", self.tag("Id", self.text("IBAN", entry.iban)))
        remittance = self.text("Ustrd", entry.text)
        if entry.reference:
            remittance += self.tag("Strd", self.tag("CdtrRefInf", self.text("Ref", entry.reference)))
        reason = self.tag("Rsn", self.text("Cd", entry.return_reason))
        return (
            (self.tag("Refs", references) if references else "")
            + self.money(entry.amount, entry.currency)
            + (self.tag("RltdPties", party) if party else "")
            + (self.tag("RmtInf", remittance) if remittance else "")
            + (self.tag("RtrInf", reason) if entry.return_reason else "")
        )
