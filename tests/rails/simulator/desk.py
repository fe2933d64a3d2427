"""The seat of somebody who uses the simulator: its endpoints in the words of the trade."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

START = "2026-03-01T09:00:00Z"
DAY_S = 86_400
PAYMENT: dict[str, Any] = {
    "order_id": "order-1",
    "attempt": 1,
    "amount_minor": 10_000,
    "currency": "EUR",
    "payment_token": "tok_visa",
    "capture": True,
}
CREDITOR = "DE89370400440532013000"
DEBTOR = "DE82999000000000000001"
CAMT_053 = "{urn:iso:std:iso:20022:tech:xsd:camt.053.001.08}"
CAMT_054 = "{urn:iso:std:iso:20022:tech:xsd:camt.054.001.08}"


@dataclass
class Desk:
    """One client of one simulator."""

    http: httpx.Client
    keys: Iterator[int] = field(default_factory=itertools.count)

    def pay(
        self,
        key: str | None = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = 30,
        **changes: Any,
    ) -> httpx.Response:
        """An authorisation, captured at once unless it is said otherwise."""
        sent = {"Idempotency-Key": key or f"key-{next(self.keys)}", **(headers or {})}
        return self.http.post("/v1/authorisations", json={**PAYMENT, **changes}, headers=sent, timeout=timeout_s)

    def hold(self, amount_minor: int = 10_000, key: str | None = None, **changes: Any) -> dict[str, Any]:
        """An authorisation that waits for its capture."""
        return self.pay(key, amount_minor=amount_minor, capture=False, **changes).json()

    def capture(
        self,
        authorisation_id: str,
        amount_minor: int,
        *,
        key: str | None = None,
        final: bool = False,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """A part of a hold, or all of it."""
        body = {"amount_minor": amount_minor, "currency": "EUR", "final": final}
        sent = {"Idempotency-Key": key or f"key-{next(self.keys)}", **(headers or {})}
        return self.http.post(f"/v1/authorisations/{authorisation_id}/captures", json=body, headers=sent)

    def by_key(self, key: str) -> dict[str, Any]:
        """What an inquiry tells."""
        return self.http.get(f"/v1/authorisations/by-key/{key}").json()

    def clock(self, **body: Any) -> dict[str, Any]:
        """Change the clock; it has to go well."""
        return self._well(self.http.post("/clock", json=body))

    def plan(self, **body: Any) -> dict[str, Any]:
        """Set a plan of faults; it has to go well."""
        return self._well(self.http.post("/faults", json=body))

    def terms(self, **body: Any) -> dict[str, Any]:
        """Change the terms; it has to go well."""
        return self._well(self.http.put("/v1/terms", json=body))

    def played(self) -> dict[str, dict[str, int]]:
        """How often which fault befell which operation."""
        return self.http.get("/faults").json()["played"]

    def captured(self, currency: str = "EUR") -> int:
        """What the books say was taken."""
        return self.http.get("/v1/totals").json()["currencies"].get(currency, {}).get("captured_minor", 0)

    def transfer(self, amount_minor: int, iban: str = CREDITOR, **changes: Any) -> httpx.Response:
        """A customer pays by bank transfer."""
        body = {
            "creditor_iban": iban,
            "amount_minor": amount_minor,
            "currency": "EUR",
            "debtor_name": "Ann Example",
            **changes,
        }
        key = {"Idempotency-Key": f"key-{next(self.keys)}"}
        return self.http.post("/bank/v1/transfers", json=body, headers=key)

    def statement(self, day: str, iban: str = CREDITOR) -> ET.Element:
        """The camt.053 of a day, its Stmt element."""
        response = self.http.get(f"/bank/v1/accounts/{iban}/statements/{day}")
        assert response.status_code == 200, response.text
        root = ET.fromstring(response.content)  # noqa: S314 - the simulator wrote it
        assert root.tag == f"{CAMT_053}Document"
        statement = root.find(f"{CAMT_053}BkToCstmrStmt/{CAMT_053}Stmt")
        assert statement is not None
        return statement

    def _well(self, response: httpx.Response) -> dict[str, Any]:
        assert response.status_code == 200, response.text
        return response.json()


def texts(element: ET.Element, path: str, namespace: str = CAMT_053) -> list[str]:
    """The texts at a path whose names lack their namespace."""
    found = element.findall("/".join(namespace + name for name in path.split("/")))
    return [one.text or "" for one in found]
