"""localstripe 1.15.10 as a process of its own: a Stripe with state, written by others.

It is under the GPL and is never imported. It takes fewer parameters than Stripe (`OMIT`), ignores idempotency keys,
gives no decline codes, and does not say how much of a payment was received. It writes its state to one file for all of
a machine's users and reads it only without `--from-scratch`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.rails.processes import listening

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk_test_localstripe"
OMIT = "capture.metadata,create.allowed_payment_method_types,create.return_url"
PROGRAM = Path(sys.executable).with_name("localstripe")


@dataclass(frozen=True)
class LocalStripe:
    """A running one, and its books."""

    url: str
    client: httpx.Client

    def reset(self) -> None:
        """Forget everything."""
        self.client.delete("/_config/data").raise_for_status()

    def post(self, path: str, **fields: str) -> Any:
        """What it answers."""
        return self.client.post(path, data=fields).raise_for_status().json()

    def card(self, number: str) -> str:
        """A payment method for one of the test cards."""
        card = {"card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2040", "card[cvc]": "123"}
        return str(self.post("/v1/payment_methods", type="card", **card)["id"])

    def authenticate(self, payment: str, success: bool) -> None:
        """What the payer's browser does once the payer has, or has not, shown who they are."""
        secret = self.payment(payment)["client_secret"]
        self.post(f"/v1/payment_intents/{payment}/_authenticate", client_secret=secret, success=str(success).lower())

    def payment(self, payment: str) -> Any:
        """One PaymentIntent."""
        return self.client.get(f"/v1/payment_intents/{payment}").raise_for_status().json()

    def payments(self) -> list[Any]:
        """All PaymentIntents."""
        found: list[Any] = []
        more = True
        while more:
            after = {"starting_after": found[-1]["id"]} if found else {}
            listed = self.client.get("/v1/payment_intents", params={"limit": "100", **after}).raise_for_status().json()
            found += listed["data"]
            more = listed["has_more"]
        return found

    def totals(self) -> dict[str, int]:
        """What is held, was captured and was given back, over all payments."""
        sums = {"held": 0, "captured": 0, "released": 0, "cost": 0}
        for payment in self.payments():
            charge = payment["latest_charge"]
            if charge is None or charge["status"] != "succeeded":
                continue
            if payment["status"] == "canceled":
                sums["released"] += charge["amount"]
            elif not charge["captured"]:
                sums["held"] += charge["amount"]
            else:
                sums["captured"] += charge["amount"] - charge["amount_refunded"]
                sums["released"] += charge["amount_refunded"]
        return sums


@contextmanager
def running_localstripe() -> Iterator[LocalStripe]:
    """A new one, which knows of no payment yet."""
    command = [str(PROGRAM), "--from-scratch", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (
        listening(command, r"Running on http://\S+?:(\d+) ", errors=subprocess.DEVNULL, environment=environment) as url,
        httpx.Client(base_url=url, auth=(KEY, ""), trust_env=False) as client,
    ):
        yield LocalStripe(url, client)
