"""One `Ntry` of a camt message as an `Entry`: the same element in camt.052, camt.053 and camt.054.

Where versions differ, both forms are read: a status is a text up to version 07 and a code below it since 08, a BIC is
`BIC` or `BICFI`, and a transaction's amount is optional in 02, where `AmtDtls` may have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rails.formats import fields
from rails.formats.statement import BankCode, Batch, Detail, Entry

if TYPE_CHECKING:
    from rails.formats.document import Element
    from rails.formats.statement import Reported

NO_CODE = BankCode()


def entry_of(element: Element, number: int) -> Entry:
    """Reads an entry. Raises `InvalidDocument`, with the place from the entry down."""
    sign = fields.direction(element, "CdtDbtInd")
    amount = fields.amount(element, sign, "Amt")
    batches: list[Batch] = []
    details: list[Detail] = []
    for group in element.every("NtryDtls"):
        batches.extend(_batch(batch, sign) for batch in group.every("Btch"))
        details.extend(_detail(detail, sign) for detail in group.every("TxDtls"))
    return Entry(
        number=number,
        amount=amount,
        status=element.told("Sts", "Cd") or element.need("Sts"),
        reversal=fields.flag(element, "RvslInd") or False,
        booked_on=fields.day(element, "BookgDt"),
        value_on=fields.day(element, "ValDt"),
        reference=element.told("NtryRef"),
        servicer_reference=element.told("AcctSvcrRef"),
        bank_code=_bank_code(element.child("BkTxCd")),
        additional=element.told("AddtlNtryInf"),
        batches=tuple(batches),
        details=tuple(details),
    )


def _batch(element: Element, sign: int) -> Batch:
    if element.child("CdtDbtInd") is not None:
        sign = fields.direction(element, "CdtDbtInd")
    return Batch(
        message_id=element.told("MsgId"),
        payment_information_id=element.told("PmtInfId"),
        transactions=fields.whole(element, "NbOfTxs"),
        total=fields.amount(element, sign, "TtlAmt") if element.child("TtlAmt") is not None else None,
    )


def _detail(element: Element, sign: int) -> Detail:
    references = element.child("Refs")
    parties, agents = element.child("RltdPties"), element.child("RltdAgts")
    remittance = element.child("RmtInf")
    returned = element.child("RtrInf")

    def reference(name: str) -> str | None:
        return references.told(name) if references is not None else None

    return Detail(
        amount=_amount(element, sign),
        end_to_end_id=reference("EndToEndId"),
        mandate_id=reference("MndtId"),
        instruction_id=reference("InstrId"),
        transaction_id=reference("TxId"),
        message_id=reference("MsgId"),
        payment_information_id=reference("PmtInfId"),
        servicer_reference=reference("AcctSvcrRef"),
        debtor=fields.party(parties, agents, "Dbtr"),
        creditor=fields.party(parties, agents, "Cdtr"),
        remittance=_texts(remittance),
        creditor_references=_references(remittance),
        return_reason=(returned.told("Rsn", "Cd") or returned.told("Rsn", "Prtry")) if returned is not None else None,
        return_text=returned.told("AddtlInf") if returned is not None else None,
        bank_code=_bank_code(element.child("BkTxCd")),
    )


def _amount(element: Element, sign: int) -> Reported | None:
    if element.child("CdtDbtInd") is not None:
        sign = fields.direction(element, "CdtDbtInd")
    if element.child("Amt") is not None:
        return fields.amount(element, sign, "Amt")
    if element.at("AmtDtls", "TxAmt", "Amt") is not None:
        return fields.amount(element, sign, "AmtDtls", "TxAmt", "Amt")
    return None


def _texts(remittance: Element | None) -> tuple[str, ...]:
    if remittance is None:
        return ()
    return tuple(text.text for text in remittance.every("Ustrd") if text.text)


def _references(remittance: Element | None) -> tuple[str, ...]:
    if remittance is None:
        return ()
    told = (block.told("CdtrRefInf", "Ref") for block in remittance.every("Strd"))
    return tuple(reference for reference in told if reference)


def _bank_code(element: Element | None) -> BankCode:
    if element is None:
        return NO_CODE
    return BankCode(
        domain=element.told("Domn", "Cd"),
        family=element.told("Domn", "Fmly", "Cd"),
        sub_family=element.told("Domn", "Fmly", "SubFmlyCd"),
        proprietary=element.told("Prtry", "Cd"),
        issuer=element.told("Prtry", "Issr"),
    )
