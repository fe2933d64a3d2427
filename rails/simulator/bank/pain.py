"""Reads pain.008, the file of a creditor's direct debits. Its form is checked here, element by element.

What is checked is what a bank's gateway would: a file that is not of the form is no file, and nothing of it is looked
at. Whether the debits in it can be collected is for `direct_debits.py`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import date
from typing import Final

from rails.simulator.problem import Problem, invalid

NAMESPACE: Final = re.compile(r"\{(urn:iso:std:iso:20022:tech:xsd:(pain\.008\.001\.\d{2}))\}Document")
IDENTIFIER: Final = 35
NAME: Final = 70
REMITTANCE: Final = 140
AMOUNT: Final = re.compile(r"\d{1,13}(\.\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Debit:
    """One DrctDbtTxInf. `amount` is the text of InstdAmt; the mandate may be missing, which is a reason to reject."""

    end_to_end_id: str
    instruction_id: str | None
    amount: str
    currency: str
    mandate_id: str | None
    debtor_name: str
    debtor_iban: str
    remittance: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    """One PmtInf: debits for one creditor account on one day."""

    payment_information_id: str
    batch_booking: bool
    local_instrument: str
    collection_date: date
    creditor_name: str
    creditor_iban: str
    debits: tuple[Debit, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A whole message. Counts and sums are what it says of itself, not yet what is in it."""

    message_name: str
    message_id: str
    transactions: int
    control_sum: str | None
    batches: tuple[Batch, ...]


class _Element:
    """An element with its place in the file, so that what is missing can be named."""

    def __init__(self, element: ET.Element, namespace: str, path: str) -> None:
        self._element = element
        self._namespace = namespace
        self.path = path

    def find(self, path: str) -> _Element | None:
        names = "/".join(f"{{{self._namespace}}}{name}" for name in path.split("/"))
        found = self._element.find(names)
        return None if found is None else _Element(found, self._namespace, f"{self.path}/{path}")

    def every(self, name: str) -> list[_Element]:
        """At least one."""
        found = self._element.findall(f"{{{self._namespace}}}{name}")
        if not found:
            raise invalid(f"{self.path}/{name}", "is missing")
        return [_Element(one, self._namespace, f"{self.path}/{name}[{place}]") for place, one in enumerate(found, 1)]

    def text(self, path: str, longest: int) -> str:
        value = self.optional(path, longest)
        if value is None:
            raise invalid(f"{self.path}/{path}", "is missing")
        return value

    def optional(self, path: str, longest: int) -> str | None:
        found = self.find(path)
        if found is None:
            return None
        value = (found._element.text or "").strip()
        if not 1 <= len(value) <= longest or len(found._element):
            raise invalid(found.path, f"must be text of 1 to {longest} characters")
        return value

    def attribute(self, path: str, name: str) -> str:
        found = self.find(path)
        value = "" if found is None else found._element.get(name, "")
        if not re.fullmatch(r"[A-Z]{3}", value):
            raise invalid(f"{self.path}/{path}/@{name}", "must be three capital letters")
        return value


def read(raw: bytes) -> File:
    """Raises `Problem` 400 that names the element."""
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise Problem(400, "malformed_xml", "a document type has no place in a payment file")
    try:
        root = ET.fromstring(raw)  # noqa: S314  no document type came through, and expat limits the rest
    except (ET.ParseError, ValueError, LookupError) as error:
        raise Problem(400, "malformed_xml", f"the body is not well-formed XML: {error}") from error
    match = NAMESPACE.fullmatch(root.tag)
    if match is None:
        detail = "must be a Document of urn:iso:std:iso:20022:tech:xsd:pain.008.001.NN"
        raise invalid("Document", detail)
    document = _Element(root, match[1], "Document")
    message = document.every("CstmrDrctDbtInitn")[0]
    message.path = "CstmrDrctDbtInitn"
    header = message.every("GrpHdr")[0]
    header.text("CreDtTm", IDENTIFIER)
    return File(
        match[2],
        header.text("MsgId", IDENTIFIER),
        _count(header, "NbOfTxs"),
        _control_sum(header),
        tuple(_batch(batch) for batch in message.every("PmtInf")),
    )


def _batch(element: _Element) -> Batch:
    if element.text("PmtMtd", IDENTIFIER) != "DD":
        raise invalid(f"{element.path}/PmtMtd", "must be DD")
    instrument = element.text("PmtTpInf/LclInstrm/Cd", IDENTIFIER)
    if instrument not in ("CORE", "COR1", "B2B"):
        raise invalid(f"{element.path}/PmtTpInf/LclInstrm/Cd", "must be CORE, COR1 or B2B")
    if element.text("PmtTpInf/SeqTp", IDENTIFIER) not in ("FRST", "RCUR", "FNAL", "OOFF"):
        raise invalid(f"{element.path}/PmtTpInf/SeqTp", "must be FRST, RCUR, FNAL or OOFF")
    return Batch(
        element.text("PmtInfId", IDENTIFIER),
        _boolean(element, "BtchBookg"),
        instrument,
        _date(element, "ReqdColltnDt"),
        element.text("Cdtr/Nm", NAME),
        element.text("CdtrAcct/Id/IBAN", IDENTIFIER),
        tuple(_debit(debit) for debit in element.every("DrctDbtTxInf")),
    )


def _debit(element: _Element) -> Debit:
    amount = element.text("InstdAmt", 19)
    if AMOUNT.fullmatch(amount) is None:
        raise invalid(f"{element.path}/InstdAmt", "must be a decimal number with a point")
    return Debit(
        element.text("PmtId/EndToEndId", IDENTIFIER),
        element.optional("PmtId/InstrId", IDENTIFIER),
        amount,
        element.attribute("InstdAmt", "Ccy"),
        element.optional("DrctDbtTx/MndtRltdInf/MndtId", IDENTIFIER),
        element.text("Dbtr/Nm", NAME),
        element.text("DbtrAcct/Id/IBAN", IDENTIFIER),
        element.optional("RmtInf/Ustrd", REMITTANCE),
    )


def _count(element: _Element, name: str) -> int:
    value = element.text(name, 15)
    if not (value.isascii() and value.isdigit()):
        raise invalid(f"{element.path}/{name}", "must be a whole number")
    return int(value)


def _control_sum(element: _Element) -> str | None:
    value = element.optional("CtrlSum", 19)
    if value is not None and re.fullmatch(r"\d{1,18}(\.\d+)?", value) is None:
        raise invalid(f"{element.path}/CtrlSum", "must be a decimal number with a point")
    return value


def _boolean(element: _Element, name: str) -> bool:
    """Left out it is true: SEPA's banks book a batch as one."""
    value = element.optional(name, 5) or "true"
    if value not in ("true", "false", "1", "0"):
        raise invalid(f"{element.path}/{name}", "must be true or false")
    return value in ("true", "1")


def _date(element: _Element, name: str) -> date:
    try:
        return date.fromisoformat(element.text(name, 10))
    except ValueError as error:
        raise invalid(f"{element.path}/{name}", "must be a date such as 2026-03-01") from error
