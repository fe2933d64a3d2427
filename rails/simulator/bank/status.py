"""Writes pain.002, the report on what became of the instructions of a file."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rails.simulator import moments
from rails.simulator.bank.xml import child, document, text_of

if TYPE_CHECKING:
    from datetime import datetime

    from rails.simulator.bank.pain import Batch, Debit, File

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
ACCEPTED: Final = "ACCP"
REJECTED: Final = "RJCT"
PARTLY: Final = "PART"
LONGEST: Final = 105


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was rejected: a code of ISO 20022's list, and words."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class JudgedDebit:
    """Accepted when there is no reason."""

    debit: Debit
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class JudgedBatch:
    """`reason` is of the batch as a whole; its debits then share it."""

    batch: Batch
    reason: Reason | None
    debits: tuple[JudgedDebit, ...]

    @property
    def status(self) -> str:
        """Of the batch."""
        return _status([debit.reason is None for debit in self.debits])


def status_report(file: File, now: datetime, refusal: Reason | None, batches: list[JudgedBatch]) -> str:
    """The report as text; with a `refusal` of the whole file nothing else was looked at."""
    root = document(NAMESPACE)
    report = child(root, "CstmrPmtStsRpt")
    header = child(report, "GrpHdr")
    mark = hashlib.sha256(f"{file.message_id}\n{moments.written(now)}".encode()).hexdigest()[:24]
    child(header, "MsgId", f"STS-{mark}")
    child(header, "CreDtTm", moments.written(now))
    original = child(report, "OrgnlGrpInfAndSts")
    child(original, "OrgnlMsgId", file.message_id)
    child(original, "OrgnlMsgNmId", file.message_name)
    child(original, "OrgnlNbOfTxs", str(file.transactions))
    if file.control_sum is not None:
        child(original, "OrgnlCtrlSum", file.control_sum)
    judged = [debit.reason is None for batch in batches for debit in batch.debits]
    child(original, "GrpSts", REJECTED if refusal else _status(judged))
    _because(original, refusal)
    for batch in batches:
        _batch(report, batch)
    return text_of(root)


def _batch(report: ET.Element, judged: JudgedBatch) -> None:
    element = child(report, "OrgnlPmtInfAndSts")
    child(element, "OrgnlPmtInfId", judged.batch.payment_information_id)
    child(element, "PmtInfSts", judged.status)
    _because(element, judged.reason)
    for place, debit in enumerate(judged.debits, 1):
        line = child(element, "TxInfAndSts")
        child(line, "StsId", f"{place}")
        if debit.debit.instruction_id is not None:
            child(line, "OrgnlInstrId", debit.debit.instruction_id)
        child(line, "OrgnlEndToEndId", debit.debit.end_to_end_id)
        child(line, "TxSts", REJECTED if debit.reason else ACCEPTED)
        _because(line, debit.reason)


def _because(element: ET.Element, reason: Reason | None) -> None:
    if reason is not None:
        information = child(element, "StsRsnInf")
        child(child(information, "Rsn"), "Cd", reason.code)
        child(information, "AddtlInf", reason.detail[:LONGEST])


def _status(accepted: list[bool]) -> str:
    if all(accepted):
        return ACCEPTED
    return PARTLY if any(accepted) else REJECTED
