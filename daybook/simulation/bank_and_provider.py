"""The other side of a simulation: the simulator's clock, faults and books, and the money that people send its bank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import httpx

from daybook.simulation.agreement import Standing

PAGE: Final = 500
PATIENCE_S: Final = 120.0
CHALLENGE_WINDOW_S: Final = 7_200
DEBTOR: Final = "Ada Byron"


class OtherSide:
    """Speaks to the simulator as the rails' customers and their clerks do; nothing goes wrong with that."""

    def __init__(self, url: str, iban: str) -> None:
        """`iban` is our account at its bank."""
        self._iban = iban
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S)
        self._paid: dict[str, int] = {}

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def begin(self, plan: dict[str, Any], start: datetime) -> None:
        """Empty books, a clock that stands, and the plan of what goes wrong."""
        self._post("/reset", {})
        self._post("/clock", {"set": start.isoformat(), "freeze": True})
        self._post("/faults", plan)
        self._client.put("/v1/terms", json={"challenge_window_s": CHALLENGE_WINDOW_S}).raise_for_status()

    def pass_(self, time: timedelta) -> None:
        """Let time pass over there."""
        self._post("/clock", {"advance_s": time.total_seconds()})

    def decide(self, action_url: str, decision: str) -> bool:
        """A payer presses a button; one who comes too late finds the page closed. False: it could not be reached."""
        answer = self._client.post(f"{action_url}/{decision}", headers={"Accept": "application/json"})
        return _reached(answer, too_late=409)

    def transfer(self, key: str, reference: str, amount_minor: int) -> bool:
        """A payer sends money with a reference. False: their bank could not be reached."""
        body = {"creditor_iban": self._iban, "amount_minor": amount_minor, "currency": "EUR"}
        body |= {"debtor_name": DEBTOR, "remittance": f"order {reference}"}
        if not _reached(self._client.post("/bank/v1/transfers", json=body, headers={"Idempotency-Key": key})):
            return False
        self._paid[reference] = self._paid.get(reference, 0) + amount_minor
        return True

    def played(self) -> dict[str, dict[str, int]]:
        """How often what went wrong, by operation."""
        played: dict[str, dict[str, int]] = self._get("/faults")["played"]
        return played

    def at_provider(self) -> Iterator[Standing]:
        """Every attempt that the provider ever had."""
        for row in self._pages("/v1/payments", "payments", "id"):
            yield Standing(row["order_id"], row["key"], row["currency"], row["captured_minor"], row["held_minor"])

    def at_bank(self, attempts_of: Mapping[str, tuple[str, str]]) -> Iterator[Standing]:
        """Every payment that came to our account, less what went back. `attempts_of` says by the bank's name of it
        which order and attempt of ours it is; a name that is not there stands for itself."""
        booked: dict[str, int] = dict(self._paid)
        for row in self._pages("/bank/v1/direct-debits", "direct_debits", "number"):
            name = row["end_to_end_id"]
            booked[name] = booked.get(name, 0) + (row["amount_minor"] if row["status"] == "booked" else 0)
        for name, amount_minor in booked.items():
            order_id, key = attempts_of.get(name, (name, name))
            yield Standing(order_id, key, "EUR", amount_minor, 0)

    def balance_minor(self) -> int:
        """What is on our account."""
        answer = self._client.get(f"/bank/v1/accounts/{self._iban}")
        return int(answer.json()["balance_minor"]) if answer.status_code == 200 else 0

    def _pages(self, path: str, member: str, place: str) -> Iterator[dict[str, Any]]:
        after: Any = ""
        while rows := self._get(path, {"limit": PAGE} | ({"after": after} if after != "" else {}))[member]:
            yield from rows
            after = rows[-1][place]

    def _get(self, path: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._client.get(path, params=query)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _post(self, path: str, body: dict[str, Any]) -> None:
        self._client.post(path, json=body).raise_for_status()


def _reached(answer: httpx.Response, too_late: int | None = None) -> bool:
    """Whether there was anybody: people try again later where there was not."""
    if answer.status_code == 503:
        return False
    if answer.status_code != too_late:
        answer.raise_for_status()
    return True
