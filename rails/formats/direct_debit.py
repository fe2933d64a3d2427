"""Writer of pain.008, the file by which a creditor collects from accounts whose holders gave a mandate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, get_args

from sepaxml import SepaDD

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

SCHEMA: Final = "pain.008.001.08"
"""The version that SEPA's rulebooks have used since November 2023."""
Sequence = Literal["FRST", "RCUR", "FNAL", "OOFF"]
"""First of a mandate's debits, a further one, the last, the only one. Since 2016 a first may be sent as RCUR."""


@dataclass(frozen=True, slots=True)
class Creditor:
    """Who collects. `creditor_id` is the identifier that the scheme gave (DE98ZZZ09999999999)."""

    account: AccountHolder
    creditor_id: str


@dataclass(frozen=True, slots=True)
class DirectDebit:
    """One collection of `amount_minor` cents; the mandate is what allows it."""

    end_to_end_id: str
    amount_minor: int
    debtor: AccountHolder
    mandate_reference: str
    mandate_signed_on: date
    remittance: str
    sequence: Sequence = "RCUR"


@dataclass(frozen=True, slots=True)
class DirectDebitFile:
    """A message with one batch per sequence type, collected on one day. `message_id` is how banks know it again, and
    its batches are `message_id` with a letter behind it when there are several."""

    message_id: str
    created_at: datetime
    creditor: Creditor
    collection_date: date
    debits: tuple[DirectDebit, ...]


def write_direct_debits(file: DirectDebitFile) -> bytes:
    """The file as XML in UTF-8, valid by its schema; the same file gives the same bytes. Raises `FileNotWritable`."""
    if not file.debits:
        raise FileNotWritable("debits", "is empty: a file must collect something")
    checked_identifier(file.message_id, "message_id")
    checked_once(debit.end_to_end_id for debit in file.debits)
    holder = checked_holder(file.creditor.account, "creditor")
    config = {
        "name": holder.name,
        "IBAN": holder.iban,
        **({"BIC": holder.bic} if holder.bic else {}),
        "batch": True,
        "creditor_id": file.creditor.creditor_id,
        "currency": CURRENCY,
    }
    writer = _Writer(file.message_id, file.created_at, config, SCHEMA)
    for debit in file.debits:
        writer.add_payment(_payment(debit, file.collection_date))
    return checked_file(writer.export(validate=False), SCHEMA)


def _payment(debit: DirectDebit, collection_date: date) -> dict[str, object]:
    debtor = checked_holder(debit.debtor, "debtor")
    if debit.sequence not in get_args(Sequence):
        raise FileNotWritable("sequence", f"is {debit.sequence!r}: choose one of {', '.join(get_args(Sequence))}")
    return {
        "name": debtor.name,
        "IBAN": debtor.iban,
        **({"BIC": debtor.bic} if debtor.bic else {}),
        "amount": checked_amount(debit.amount_minor),
        "type": debit.sequence,
        "collection_date": collection_date,
        "mandate_id": checked_identifier(debit.mandate_reference, "mandate_reference"),
        "mandate_date": debit.mandate_signed_on,
        "description": sepa_text(debit.remittance, LONGEST_REMITTANCE),
        "endtoend_id": checked_identifier(debit.end_to_end_id, "end_to_end_id"),
    }


class _Writer(NamedByUs, SepaDD):  # type: ignore[misc]  # sepaxml has no types
    """Of direct debits."""
