"""Writer of pain.001, the file by which the holder of an account pays others: payouts and refunds by transfer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sepaxml import SepaTransfer

from rails.formats.sepa_text import LONGEST_REMITTANCE, sepa_text
from rails.formats.written import (
    CURRENCY,
    AccountHolder,
    FileNotWritable,
    NamedByUs,
    checked_amount,
    checked_file,
    checked_holder,
    checked_identifier,
    checked_once,
)

SCHEMA: Final = "pain.001.001.09"
"""The version that SEPA's rulebooks have used since November 2023."""


@dataclass(frozen=True, slots=True)
class CreditTransfer:
    """One transfer of `amount_minor` cents."""

    end_to_end_id: str
    amount_minor: int
    creditor: AccountHolder
    remittance: str


@dataclass(frozen=True, slots=True)
class CreditTransferFile:
    """A message with one batch, executed on one day; `message_id` is how banks know it again."""

    message_id: str
    created_at: datetime
    debtor: AccountHolder
    execution_date: date
    transfers: tuple[CreditTransfer, ...]


def write_credit_transfers(file: CreditTransferFile) -> bytes:
    """The file as XML in UTF-8, valid by its schema; the same file gives the same bytes. Raises `FileNotWritable`."""
    if not file.transfers:
        raise FileNotWritable("transfers", "is empty: a file must pay something")
    checked_identifier(file.message_id, "message_id")
    checked_once(transfer.end_to_end_id for transfer in file.transfers)
    holder = checked_holder(file.debtor, "debtor")
    if holder.bic is None:
        raise FileNotWritable("debtor.bic", "is missing: a file of transfers says which bank it is for")
    config = {"name": holder.name, "IBAN": holder.iban, "BIC": holder.bic, "batch": True, "currency": CURRENCY}
    writer = _Writer(file.message_id, file.created_at, config, SCHEMA)
    for transfer in file.transfers:
        writer.add_payment(_payment(transfer, file.execution_date))
    return checked_file(writer.export(validate=False), SCHEMA)


def _payment(transfer: CreditTransfer, execution_date: date) -> dict[str, object]:
    creditor = checked_holder(transfer.creditor, "creditor")
    return {
        "name": creditor.name,
        "IBAN": creditor.iban,
        **({"BIC": creditor.bic} if creditor.bic else {}),
        "amount": checked_amount(transfer.amount_minor),
        "execution_date": execution_date,
        "description": sepa_text(transfer.remittance, LONGEST_REMITTANCE),
        "endtoend_id": checked_identifier(transfer.end_to_end_id, "end_to_end_id"),
    }


class _Writer(NamedByUs, SepaTransfer):  # type: ignore[misc]  # sepaxml has no types
    """Of transfers."""
