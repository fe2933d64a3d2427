"""The drill of the bank rail: the simulator's bank keeps the books, and its clock brings collections about.

The clock stands still unless the drill moves it, and the rail goes by it: a file made twice is then the same file.
Debtors are told by the amount, faults by the amount in the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import httpx

from rails.formats.direct_debit import Creditor
from rails.formats.written import AccountHolder
from rails.http_calls import ReadTimeouts
from rails.port import Payer
from rails.sepa_bank import HttpBank
from rails.sepa_rail import SepaRail
from rails.simulator.process import running_simulator
from tests.contracts.drill import CURRENCY, Drill

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from rails.port import AuthoriseRequest

MONDAY = "2027-03-01T09:00:00+00:00"
OURS = AccountHolder("Daybook", "DE89370400440532013000", "COBADEFFXXX")
CREDITOR = Creditor(OURS, "DE98ZZZ09999999999")
PAYS = "NL26VAYB8060476890"
AMOUNTS = {
    "hard_decline": 20_101,
    "action": 20_103,
    "no_reply_before": 20_111,
    "no_reply_after": 20_112,
    "server_error_before": 20_113,
    "server_error_after": 20_114,
    "broken_reply_after": 20_115,
}
FAULTS = {
    "no_reply_before": "hang_up_before",
    "no_reply_after": "hang_up_after",
    "server_error_before": "server_error_before",
    "server_error_after": "server_error_after",
    "broken_reply_after": "truncated_reply",
}


class Faulty(httpx.BaseTransport):
    """Orders the fault that an amount stands for; one that comes after the effect is ordered once for each amount and
    file, as the simulator's magic amounts do it for cards."""

    def __init__(self) -> None:
        self._line = httpx.HTTPTransport()
        self._by_minor = {AMOUNTS[name]: kind for name, kind in FAULTS.items()}
        self._ordered: set[bytes] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """On its way to the simulator."""
        file = request.read()
        found = re.search(rb"<InstdAmt[^>]*>(\d+)\.(\d\d)<", file)
        kind = self._by_minor.get(int(found[1] + found[2])) if found else None
        if kind is not None and (kind.endswith("_before") or file not in self._ordered):
            self._ordered.add(file)
            request.headers["X-Fault"] = kind
        return self._line.handle_request(request)

    def close(self) -> None:
        """Closes the connections."""
        self._line.close()


@dataclass
class BankDrill(Drill):
    """Pays by direct debit, and by transfer where the payer is to act."""

    declines: str = ""
    """The account of a debtor whose bank rejects."""

    def authorisation(self, amount: int, *, capture: bool) -> AuthoriseRequest:
        """A new attempt of a new order."""
        request = super().authorisation(amount, capture=capture)
        iban = self.declines if amount == AMOUNTS["hard_decline"] else PAYS
        method = "bank_transfer" if amount == AMOUNTS["action"] else "direct_debit"
        payer = Payer(name="Ada Byron", iban=iban, mandate_reference="M-1", mandate_signed_on="2026-01-31")
        return replace(request, method=method, payer=payer)


class SimulatedBank:
    """The simulator as the bank's other customers, and time, see it."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, trust_env=False)
        self.client.post("/clock", json={"set": MONDAY, "freeze": True}).raise_for_status()

    def now(self) -> datetime:
        return datetime.fromisoformat(self.client.get("/clock").json()["now"])

    def days_pass(self, days: int = 6) -> None:
        """More than lie between any file and its booking."""
        self.client.post("/clock", json={"advance_s": days * 86_400}).raise_for_status()

    def totals(self) -> dict[str, int]:
        """A bank takes no fee from what it books."""
        account = self.client.get(f"/bank/v1/accounts/{OURS.iban}")
        return {"captured": account.json()["balance_minor"] if account.status_code == 200 else 0}

    def transfer(self, reference: str, amount_minor: int = AMOUNTS["action"]) -> None:
        """A payer does what the instructions say, in the words that payers use."""
        body = {
            "creditor_iban": OURS.iban,
            "amount_minor": amount_minor,
            "currency": CURRENCY,
            "debtor_name": "Ada Byron",
            "remittance": f"my order, {reference.lower()} thank you",
        }
        key = {"Idempotency-Key": f"{reference}/{amount_minor}"}
        self.client.post("/bank/v1/transfers", json=body, headers=key).raise_for_status()

    def debtor(self, reason: str, outcome: str = "rejected") -> str:
        """The account of a debtor that has this fate."""
        accounts = self.client.get("/bank/v1/test-accounts").json()["test_accounts"]
        return next(row["iban"] for row in accounts if (row["reason"], row["outcome"]) == (reason, outcome))


def sepa_drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """A rail before a bank that knows nobody yet."""
    database = tmp_path_factory.mktemp("bank") / "books.sqlite3"
    with running_simulator(database) as simulator:
        bank = SimulatedBank(simulator.url)
        rail = SepaRail(HttpBank(simulator.url, ReadTimeouts(10.0), Faulty()), CREDITOR, bank.now)
        yield BankDrill(
            rail,
            AMOUNTS,
            bank.totals,
            act=lambda reference, _: bank.transfer(reference),
            action_can_fail=False,
            pass_time=bank.days_pass,
            declines=bank.debtor("AC04"),
        )
        rail.close()
        bank.client.close()
