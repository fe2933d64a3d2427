"""Reader of pain.002, the report on the payments of a file: taken, at work, settled, or rejected and why.

A status stands for all that lies below it and says nothing else: a group's for its payments, a payment's for its
transactions. `StatusReport.of` asks from below, so that a rejected payment in an accepted group is a rejected one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from rails.formats.document import Element, InvalidDocument, Limits, one_line, read

if TYPE_CHECKING:
    from collections.abc import Iterable

BODY: Final = "CstmrPmtStsRpt"
NAMESPACE: Final = re.compile(r"pain\.002\.001\.\d\d")
LIMITS: Final = Limits(document_bytes=64 * 1024**2)
STATUSES: Final = frozenset({"RCVD", "PDNG", "ACTC", "ACCP", "ACFC", "ACSP", "ACWC", "ACWP", "ACSC", "ACCC", "PART",
                             "PATC", "PRES", "RJCT", "CANC", "BLCK"})  # fmt: skip
"""ISO 20022 ExternalPaymentTransactionStatus, as far as banks use it towards their customers."""


class Reason(msgspec.Struct, frozen=True):
    """Why: an ISO code or the bank's own, and words."""

    code: str | None
    text: str | None


class Status(msgspec.Struct, frozen=True):
    """What became of one thing. `status` is None where only what lies below it has one."""

    status: str | None
    reasons: tuple[Reason, ...]

    @property
    def code(self) -> str | None:
        """The first reason's code."""
        return next((reason.code for reason in self.reasons if reason.code), None)


class TransactionStatus(msgspec.Struct, frozen=True):
    """One payment or direct debit."""

    end_to_end_id: str | None
    instruction_id: str | None
    state: Status


class PaymentStatus(msgspec.Struct, frozen=True):
    """One batch of the file (PmtInf)."""

    payment_information_id: str | None
    state: Status
    transactions: tuple[TransactionStatus, ...]


class StatusReport(msgspec.Struct, frozen=True):
    """A whole report on one file."""

    message_id: str
    original_message_id: str
    original_message_name: str | None
    state: Status
    payments: tuple[PaymentStatus, ...]

    def of(self, end_to_end_id: str, payment_information_id: str) -> Status | None:
        """The nearest status of a transaction: its own, or its payment's, or the file's; None when there is none."""
        for payment in self.payments:
            for transaction in payment.transactions:
                if transaction.end_to_end_id == end_to_end_id and transaction.state.status:
                    return transaction.state
        for payment in self.payments:
            if payment.payment_information_id == payment_information_id and payment.state.status:
                return payment.state
        return self.state if self.state.status else None


def read_pain002(source: BinaryIO, limits: Limits = LIMITS) -> StatusReport:
    """The report. Raises `InvalidDocument` for whatever is not one, or has a status that does not exist."""
    parts: dict[str, list[tuple[str, list[Element]]]] = {}
    found = False
    for part in read(source, limits):
        if part.level == 1 and part.kind == "opened":
            if part.name != BODY or (part.namespace and not NAMESPACE.search(part.namespace)):
                raise InvalidDocument(part.place, f"in {one_line(part.namespace)} is no pain.002")
            found = True
        elif part.level == 2 and part.kind == "opened":
            parts.setdefault(part.name, []).append((part.place, []))
        elif part.element is not None:
            parts[part.place.split("/")[1].partition("[")[0]][-1][1].append(part.element)
    if not found:
        raise InvalidDocument("Document", f"has no {BODY}: it is no pain.002")
    header = _only(parts, "GrpHdr")
    original = _only(parts, "OrgnlGrpInfAndSts")
    return StatusReport(
        message_id=header.need("MsgId"),
        original_message_id=original.need("OrgnlMsgId"),
        original_message_name=original.told("OrgnlMsgNmId"),
        state=_status(original, "GrpSts"),
        payments=tuple(_payment(_top(place, pieces)) for place, pieces in parts.get("OrgnlPmtInfAndSts", [])),
    )


def _only(parts: dict[str, list[tuple[str, list[Element]]]], name: str) -> Element:
    there = parts.get(name, [])
    if len(there) != 1:
        raise InvalidDocument(f"{BODY}/{name}", f"is there {len(there)} times: it must be there once")
    return _top(*there[0])


def _top(place: str, pieces: Iterable[Element]) -> Element:
    top = Element(place, {}, 0)
    top.children = list(pieces)
    return top


def _payment(element: Element) -> PaymentStatus:
    return PaymentStatus(
        payment_information_id=element.told("OrgnlPmtInfId"),
        state=_status(element, "PmtInfSts"),
        transactions=tuple(
            TransactionStatus(
                end_to_end_id=line.told("OrgnlEndToEndId"),
                instruction_id=line.told("OrgnlInstrId"),
                state=_status(line, "TxSts"),
            )
            for line in element.every("TxInfAndSts")
        ),
    )


def _status(element: Element, name: str) -> Status:
    status = element.told(name)
    if status is not None and status not in STATUSES:
        raise element.wrong(f"is {one_line(status)}, which is no status", name)
    reasons = tuple(
        Reason(each.told("Rsn", "Cd") or each.told("Rsn", "Prtry"), each.told("AddtlInf"))
        for each in element.every("StsRsnInf")
    )
    return Status(status, reasons)
