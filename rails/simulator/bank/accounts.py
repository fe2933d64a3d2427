"""Accounts of the merchant at the simulated bank: one currency each, opened by name or by the first use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rails.simulator import fields
from rails.simulator.bank.iban import currency_of_account, is_iban
from rails.simulator.problem import Problem, invalid

if TYPE_CHECKING:
    from datetime import date

    from rails.simulator.store import Store

USUAL_NAME: Final = "Merchant"
GREATEST_NAME: Final = 70


@dataclass(frozen=True, slots=True)
class Account:
    """As the bank keeps it; `opening_minor` is what was on it before its first entry."""

    iban: str
    currency: str
    name: str
    opening_minor: int
    opened_on: str


class Accounts:
    """Finds accounts and opens them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, iban: str) -> Account:
        """Raises `Problem` 404."""
        row = self._store.row("select * from accounts where iban = ?", iban)
        if row is None:
            raise Problem(404, "not_found", f"the bank has no account {iban!r}", field="iban")
        return Account(**row)

    def open(self, iban: str, currency: str, name: str, today: date, opening_minor: int = 0) -> Account:
        """The account, opened when it was not there. To be called within an operation.

        Raises `Problem` 409 when it is kept in another currency, or set aside for payouts in another.
        """
        row = self._store.row("select * from accounts where iban = ?", iban)
        if row is None and currency_of_account(iban) not in (None, currency):
            row = {"currency": currency_of_account(iban)}
        if row is None:
            opened = Account(iban, currency, name, opening_minor, today.isoformat())
            values = (opened.iban, opened.currency, opened.name, opened.opening_minor, opened.opened_on)
            self._store.write("insert into accounts values (?, ?, ?, ?, ?)", *values)
            return opened
        if row["currency"] != currency:
            detail = f"account {iban} is kept in {row['currency']}, not in {currency}"
            raise Problem(409, "account_currency", detail, field="currency")
        return Account(**row)

    def open_by_name(self, iban: str, body: fields.Body, today: date) -> dict[str, Any]:
        """PUT of an account. The same again changes nothing. Raises `Problem` 400, 409."""
        if not is_iban(iban):
            raise invalid("iban", "must be an IBAN with right check digits, without spaces")
        fields.only(body, "currency", "name", "opening_minor")
        currency = fields.currency(body)
        name = fields.optional_text(body, "name", GREATEST_NAME) or USUAL_NAME
        opening = fields.integer(body, "opening_minor", -(10**15), 10**15) if "opening_minor" in body else 0
        with self._store.operation():
            account = self.open(iban, currency, name, today, opening)
        if (account.name, account.opening_minor) != (name, opening):
            raise Problem(409, "account_open", f"account {iban} was opened with another name or balance", field="iban")
        return self.shown(account)

    def shown(self, account: Account) -> dict[str, Any]:
        """With its balance of this moment."""
        sums = "select count(*) as entries, coalesce(sum(amount_minor), 0) as moved from entries where iban = ?"
        moved = self._store.rows(sums, account.iban)[0]
        return {
            "iban": account.iban,
            "currency": account.currency,
            "name": account.name,
            "opened_on": account.opened_on,
            "opening_minor": account.opening_minor,
            "balance_minor": account.opening_minor + moved["moved"],
            "entries": moved["entries"],
        }

    def all(self) -> list[dict[str, Any]]:
        """Every account, by IBAN."""
        return [self.shown(Account(**row)) for row in self._store.rows("select * from accounts order by iban")]
