"""What a bank statement says, whatever format it came in. Amounts are signed: + is money into the account."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec


class Reported(msgspec.Struct, frozen=True, gc=False):
    """An amount as a bank reports it, beside what the books can hold of it.

    `reported` is the decimal as it was written, with as many digits as the bank liked, and a minus where money goes
    out. `amount_minor` is that in minor units of `currency`, halves to even; it may be booked only when it is `exact`.
    """

    amount_minor: int
    currency: str
    reported: str
    exact: bool


class Account(msgspec.Struct, frozen=True):
    """An account: by IBAN, or by what its bank calls it otherwise."""

    iban: str | None
    other: str | None
    currency: str | None = None
    owner: str | None = None
    bic: str | None = None

    @property
    def identification(self) -> str:
        """IBAN, or else the bank's own number."""
        return self.iban or self.other or ""


class Balance(msgspec.Struct, frozen=True):
    """`kind` is the ISO code: OPBD and CLBD opening and closing booked, OPAV and CLAV available, ITBD interim, PRCD
    the last statement's closing."""

    kind: str
    amount: Reported
    on: date


class StatementHead(msgspec.Struct, frozen=True):
    """All that a statement says before its first entry. `message` is such as camt.053, `version` such as 08."""

    message: str
    version: str
    message_id: str
    statement_id: str
    number: str | None
    """Electronic sequence number; that of paper is `legal_number`."""
    legal_number: str | None
    page: str | None
    last_page: bool
    created_at: datetime | None
    period_from: datetime | None
    period_to: datetime | None
    duplicate: str | None
    """DUPL, COPY or CODU where this is not the first time it is sent."""
    account: Account
    balances: tuple[Balance, ...]

    def balance(self, kind: str) -> Balance | None:
        """The first balance of that kind."""
        return next((balance for balance in self.balances if balance.kind == kind), None)


class BankCode(msgspec.Struct, frozen=True, gc=False):
    """The bank transaction code: domain, family and sub-family of ISO 20022 (PMNT, RDDT, ESDD), and the bank's own."""

    domain: str | None = None
    family: str | None = None
    sub_family: str | None = None
    proprietary: str | None = None
    issuer: str | None = None


class Party(msgspec.Struct, frozen=True, gc=False):
    """Who paid or was paid, as far as the bank says."""

    name: str | None = None
    iban: str | None = None
    other: str | None = None
    """The account's number where it is no IBAN."""
    bic: str | None = None


class Detail(msgspec.Struct, frozen=True):
    """One transaction of an entry. `amount` is None where the bank leaves it to the entry."""

    amount: Reported | None
    end_to_end_id: str | None
    mandate_id: str | None
    instruction_id: str | None
    transaction_id: str | None
    message_id: str | None
    payment_information_id: str | None
    servicer_reference: str | None
    debtor: Party
    creditor: Party
    remittance: tuple[str, ...]
    """Free text, a line each."""
    creditor_references: tuple[str, ...]
    """Structured references, such as RF18539007547034."""
    return_reason: str | None
    """The ISO code of why the money came back (AC04, MD06, ...)."""
    return_text: str | None
    bank_code: BankCode


class Batch(msgspec.Struct, frozen=True):
    """What the bank says of the file that an entry books in one sum."""

    message_id: str | None
    payment_information_id: str | None
    transactions: int | None
    total: Reported | None


class Entry(msgspec.Struct, frozen=True):
    """One booking. The sign of its amount is the direction of this booking, also when it is a `reversal` of another."""

    number: int
    """Its place in the statement, from 1."""
    amount: Reported
    status: str
    """BOOK, PDNG, INFO or FUTR; only BOOK has happened."""
    reversal: bool
    booked_on: date | None
    value_on: date | None
    reference: str | None
    servicer_reference: str | None
    """The bank's own, the same in every report of the booking."""
    bank_code: BankCode
    additional: str | None
    batches: tuple[Batch, ...]
    details: tuple[Detail, ...]


BreakKind = Literal["closing_balance", "batch_count", "batch_total", "entry_count", "entry_sum"]


class Break(msgspec.Struct, frozen=True):
    """Two figures of one statement that do not agree: the file is readable, and wrong somewhere."""

    kind: BreakKind
    place: str
    expected: str
    found: str


class StatementEnd(msgspec.Struct, frozen=True):
    """What a statement came to. `checked` is False where it lacks what its closing balance could be checked by."""

    entries: int
    booked: int
    """Entries with status BOOK."""
    checked: bool
    breaks: tuple[Break, ...]


class Statement(msgspec.Struct, frozen=True):
    """A whole statement, for files small enough to be held."""

    head: StatementHead
    entries: tuple[Entry, ...]
    end: StatementEnd
