"""What is written on accounts: transfers as they come, and in the morning of each day payouts, collections, returns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from rails.simulator import moments
from rails.simulator.bank.accounts import USUAL_NAME
from rails.simulator.once import Effect, once
from rails.simulator.psp.settlement import payout_id

if TYPE_CHECKING:
    from datetime import date, datetime

    from rails.simulator.bank.accounts import Accounts
    from rails.simulator.bank.requests import Transfer
    from rails.simulator.clock import Clock
    from rails.simulator.once import Outcome
    from rails.simulator.store import Store

PROVIDER: Final = "Simulated Payments"
ENTRY: Final = (
    "insert into entries (iban, reference, amount_minor, currency, kind, booked_at, booked_on, value_on, message_id, "
    "payment_information_id, transactions) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
DETAIL: Final = "insert into details values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
DUE_GROUPS: Final = (
    "select iban, message_id, payment_information_id, batch_booking, local_instrument, currency, min(number) as first "
    "from direct_debits where status = 'accepted' and book_on = ? group by iban, message_id, payment_information_id, "
    "case when batch_booking then 0 else number end order by first"
)
DUE_IN_GROUP: Final = (
    "select * from direct_debits where status = 'accepted' and book_on = ?1 and iban = ?2 and message_id = ?3 "
    "and payment_information_id = ?4 and (?5 or number = ?6) order by number"
)
BOOKED: Final = "update direct_debits set status = 'booked', entry = ? where number = ?"
RETURNED: Final = "update direct_debits set status = 'returned', return_entry = ? where number = ?"


class Bookings:
    """Entries and what they are made of. Entries are numbered through, in the order in which they were booked."""

    def __init__(self, store: Store, clock: Clock, accounts: Accounts) -> None:
        self._store = store
        self._clock = clock
        self._accounts = accounts

    def transfer(self, key: str, request: Transfer) -> Outcome:
        """The customer's hand: money arrives at once. Raises `Problem` 409, 422."""
        return once(
            self._store, key, "transfers", request, lambda: request.amount_minor, lambda: self._transfer(key, request)
        )

    def begin(self, day: date) -> None:
        """The morning of a day. To be called within an operation, once a day, in the order of days."""
        self._pay_out(day)
        self._collect(day)
        self._return(day)

    def _transfer(self, key: str, request: Transfer) -> Effect:
        now = self._clock.now()
        self._accounts.open(request.creditor_iban, request.currency, USUAL_NAME, now.date())
        entry = self._enter(now, request.creditor_iban, request.amount_minor, request.currency, "transfer")
        told = {
            "end_to_end_id": request.end_to_end_id,
            "name": request.debtor_name,
            "iban": request.debtor_iban,
            "remittance": request.remittance,
        }
        self._detail(entry, 1, request.amount_minor, told)
        reply = {
            "transfer_key": key,
            "entry": entry,
            "creditor_iban": request.creditor_iban,
            "amount_minor": request.amount_minor,
            "currency": request.currency,
            "end_to_end_id": request.end_to_end_id,
            "remittance": request.remittance,
            "booked_at": moments.written(now),
        }
        return Effect(201, json.dumps(reply))

    def _pay_out(self, day: date) -> None:
        due = "select * from batches where value_day <= ? and entry is null and payout_minor > 0 order by batch_id"
        for batch in self._store.rows(due, day.isoformat()):
            amount, currency = batch["payout_minor"], batch["currency"]
            self._accounts.open(batch["iban"], currency, USUAL_NAME, day)
            entry = self._enter(moments.midnight(day), batch["iban"], amount, currency, "payout")
            remittance = f"{payout_id(batch['batch_id'])} settlement of {batch['day']}"
            told = {"end_to_end_id": batch["batch_id"], "name": PROVIDER, "remittance": remittance}
            self._detail(entry, 1, amount, told)
            self._store.write("update batches set entry = ? where batch_id = ?", entry, batch["batch_id"])

    def _collect(self, day: date) -> None:
        for group in self._store.rows(DUE_GROUPS, day.isoformat()):
            debits = self._store.rows(
                DUE_IN_GROUP,
                day.isoformat(),
                group["iban"],
                group["message_id"],
                group["payment_information_id"],
                group["batch_booking"],
                group["first"],
            )
            amount = sum(debit["amount_minor"] for debit in debits)
            kind = "direct_debit_b2b" if group["local_instrument"] == "B2B" else "direct_debit"
            identifiers = (group["message_id"], group["payment_information_id"])
            entry = self._enter(
                moments.midnight(day), group["iban"], amount, group["currency"], kind, identifiers, len(debits)
            )
            for place, debit in enumerate(debits, 1):
                self._detail(entry, place, debit["amount_minor"], _of_debtor(debit))
                self._store.write(BOOKED, entry, debit["number"])

    def _return(self, day: date) -> None:
        due = "select * from direct_debits where status = 'booked' and return_on <= ? order by return_on, number"
        for debit in self._store.rows(due, day.isoformat()):
            identifiers = (debit["message_id"], debit["payment_information_id"])
            entry = self._enter(
                moments.midnight(day), debit["iban"], -debit["amount_minor"], debit["currency"], "return", identifiers
            )
            told = {**_of_debtor(debit), "return_reason": debit["return_reason"]}
            self._detail(entry, 1, -debit["amount_minor"], told)
            self._store.write(RETURNED, entry, debit["number"])

    def _enter(
        self,
        at: datetime,
        iban: str,
        amount_minor: int,
        currency: str,
        kind: str,
        identifiers: tuple[str | None, str | None] = (None, None),
        transactions: int = 1,
    ) -> int:
        number = (self._store.value("select seq from sqlite_sequence where name = 'entries'") or 0) + 1
        day = at.date().isoformat()
        reference = f"SIM{at:%Y%m%d}{number:09d}"
        values = (iban, reference, amount_minor, currency, kind, moments.written(at), day, day)
        self._store.write(ENTRY, *values, *identifiers, transactions)
        return int(number)

    def _detail(self, entry: int, place: int, amount_minor: int, told: dict[str, Any]) -> None:
        names = ("instruction_id", "mandate_id", "name", "iban", "remittance", "return_reason")
        values = (entry, place, amount_minor, told["end_to_end_id"], *(told.get(name) for name in names))
        self._store.write(DETAIL, *values)


def _of_debtor(debit: dict[str, Any]) -> dict[str, Any]:
    return {
        "end_to_end_id": debit["end_to_end_id"],
        "instruction_id": debit["instruction_id"],
        "mandate_id": debit["mandate_id"],
        "name": debit["debtor_name"],
        "iban": debit["debtor_iban"],
        "remittance": debit["remittance"],
    }
