"""Takes files of direct debits: judges every instruction, answers with a status report, and notes what is to come."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from rails.simulator import moments
from rails.simulator.bank.fates import REASONS, fate
from rails.simulator.bank.iban import is_iban
from rails.simulator.bank.pain import Batch, Debit, File, read
from rails.simulator.bank.status import JudgedBatch, JudgedDebit, Reason, status_report
from rails.simulator.currencies import minor_units
from rails.simulator.problem import Problem

if TYPE_CHECKING:
    from datetime import datetime

    from rails.simulator.bank.accounts import Accounts
    from rails.simulator.clock import Clock
    from rails.simulator.faults.plan import Plan
    from rails.simulator.store import Store

CURRENCY: Final = "EUR"
INSERT: Final = (
    "insert into direct_debits (message_id, payment_information_id, end_to_end_id, instruction_id, iban, "
    "creditor_name, mandate_id, local_instrument, batch_booking, debtor_iban, debtor_name, amount_minor, currency, "
    "remittance, status, reason, submitted_at, book_on, return_reason, return_on) "
    "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
SHOWN: Final = (
    "select number, message_id, payment_information_id, end_to_end_id, iban as creditor_iban, mandate_id, debtor_iban, "
    "debtor_name, amount_minor, currency, remittance, status, reason, submitted_at, book_on, entry, "
    "case when status = 'returned' then return_reason end as return_reason, return_entry from direct_debits "
    "where number > ?1 and (?2 is null or end_to_end_id = ?2) order by number limit ?3"
)
USED: Final = "select 1 from direct_debits where end_to_end_id = ? and iban = ? and status <> 'rejected' limit 1"


@dataclass(frozen=True, slots=True)
class _Sender:
    """What is the same for all debits of a file."""

    file: File
    now: datetime


class DirectDebits:
    """The bank's counter for direct debits. `plan` may spread returns over those whose debtor has no fate."""

    def __init__(self, store: Store, clock: Clock, accounts: Accounts, plan: Plan) -> None:
        self._store = store
        self._clock = clock
        self._accounts = accounts
        self._plan = plan

    def submit(self, raw: bytes) -> tuple[str, bool]:
        """The status report in XML, and whether it was given before: the same file again does nothing again.

        Raises `Problem` 400 for a file that is not of the form.
        """
        file = read(raw)
        mark = hashlib.sha256(raw).digest()
        earlier = self._store.row("select * from messages where message_id = ?", file.message_id)
        if earlier is not None and earlier["fingerprint"] == mark:
            return earlier["report"], True
        sender = _Sender(file, self._clock.now())
        refusal = _refusal_of_file(file, known=earlier is not None)
        if refusal is not None:
            return status_report(file, sender.now, refusal, []), False
        with self._store.operation():
            judged = [self._judge_batch(sender, batch) for batch in file.batches]
            report = status_report(file, sender.now, None, judged)
            self._store.write("insert into messages values (?, ?, ?)", file.message_id, mark, report)
        return report, False

    def listed(self, end_to_end_id: str | None, after: int, limit: int) -> list[dict[str, Any]]:
        """Every instruction there ever was with its state, in the order in which they came."""
        return self._store.rows(SHOWN, after, end_to_end_id, limit)

    def _judge_batch(self, sender: _Sender, batch: Batch) -> JudgedBatch:
        reason = self._refusal_of_batch(sender, batch)
        debits = tuple(JudgedDebit(debit, reason or self._judge(sender, batch, debit)) for debit in batch.debits)
        return JudgedBatch(batch, reason, debits)

    def _refusal_of_batch(self, sender: _Sender, batch: Batch) -> Reason | None:
        if not is_iban(batch.creditor_iban):
            return Reason("AC03", "the creditor's account is no IBAN")
        if batch.collection_date < sender.now.date():
            return Reason("DT01", f"ReqdColltnDt is past: it is {sender.now.date()}")
        try:
            self._accounts.open(batch.creditor_iban, CURRENCY, batch.creditor_name, sender.now.date())
        except Problem as problem:
            return Reason("AC03", problem.detail)
        return None

    def _judge(self, sender: _Sender, batch: Batch, debit: Debit) -> Reason | None:
        """Accepted debits are noted with what will become of them; so are rejected ones, for whoever looks."""
        amount = minor_units(debit.amount, debit.currency)
        rates = self._plan.returns
        coming = fate(debit.debtor_iban, debit.end_to_end_id, self._plan.seed, rates)
        reason = self._refusal(batch, debit, amount)
        if reason is None and coming is not None and coming.days is None:
            reason = Reason(coming.reason, REASONS[coming.reason])
        tomorrow = sender.now.date() + timedelta(days=1)
        book_on = max(batch.collection_date, tomorrow)
        returned = None if reason is not None or coming is None or coming.days is None else coming
        self._store.write(
            INSERT,
            sender.file.message_id,
            batch.payment_information_id,
            debit.end_to_end_id,
            debit.instruction_id,
            batch.creditor_iban,
            batch.creditor_name,
            debit.mandate_id or "",
            batch.local_instrument,
            batch.batch_booking,
            debit.debtor_iban,
            debit.debtor_name,
            amount or 0,
            debit.currency,
            debit.remittance,
            "rejected" if reason else "accepted",
            reason.code if reason else None,
            moments.written(sender.now),
            None if reason else book_on.isoformat(),
            returned.reason if returned else None,
            (book_on + timedelta(days=returned.days or 0)).isoformat() if returned else None,
        )
        return reason

    def _refusal(self, batch: Batch, debit: Debit, amount: int | None) -> Reason | None:
        if not is_iban(debit.debtor_iban):
            return Reason("AC01", REASONS["AC01"])
        if debit.currency != CURRENCY:
            return Reason("AM03", f"direct debits are in {CURRENCY}")
        if amount is None or amount == 0:
            return Reason("AM01" if amount == 0 else "AM12", "the amount is not one above zero with two decimals")
        if debit.mandate_id is None:
            return Reason("MD01", REASONS["MD01"])
        if self._store.value(USED, debit.end_to_end_id, batch.creditor_iban):
            return Reason("AM05", "the creditor has sent this EndToEndId before")
        return None


def _refusal_of_file(file: File, *, known: bool) -> Reason | None:
    debits = [debit for batch in file.batches for debit in batch.debits]
    identifiers = Counter(batch.payment_information_id for batch in file.batches)
    if known:
        return Reason("AM05", "another file came with this MsgId")
    if file.transactions != len(debits):
        return Reason("AM18", f"NbOfTxs says {file.transactions}, there are {len(debits)}")
    total = sum((Decimal(debit.amount) for debit in debits), Decimal())
    if file.control_sum is not None and Decimal(file.control_sum) != total:
        return Reason("AM10", f"CtrlSum says {file.control_sum}, the sum is {total}")
    if max(identifiers.values()) > 1:
        return Reason("AM05", "two PmtInf have the same PmtInfId")
    return None
