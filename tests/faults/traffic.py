"""Customers who pay and move money all the time, and keep what they were told is done.

Each asks again with the same Idempotency-Key when the connection breaks or the answer is 503, as a customer should.
Whatever else goes wrong is no business of theirs and is kept as unexpected.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

PATIENCE_S = 90.0
RETRY_S = 0.05
THINK_S = 0.02
CURRENCIES = ("EUR", "USD")
PEOPLE = [str(uuid.UUID(int=number)) for number in range(101, 121)]
SELLERS = [str(uuid.UUID(int=number)) for number in range(1, 6)]
WALLETS = {"source": None, "sink": 0, "other": 0}


@dataclass
class Acknowledged:
    """What the program said is done: amounts in minor units by Idempotency-Key."""

    orders: dict[str, int] = field(default_factory=dict)
    transfers: dict[str, int] = field(default_factory=dict)
    captured: set[str] = field(default_factory=set)
    """Orders that an answer called captured."""


def payer_name(order_id: str) -> str:
    """Each order is paid under a name of its own, by one of few people."""
    return f"Payer of {order_id}"


class Traffic:
    """Threads of customers against one API. What they ask for follows from `seed`; how far they get does not."""

    def __init__(self, api_url: str, api_key: str, seed: int, payers: int = 3, movers: int = 2) -> None:
        self._url, self._api_key = api_url, api_key
        self._stop = threading.Event()
        self._told = threading.Condition()
        self.acknowledged = Acknowledged()
        self.unexpected: list[str] = []
        customers = [(self._pay, number) for number in range(payers)]
        customers += [(self._move, number) for number in range(payers, payers + movers)]
        self._threads = [
            threading.Thread(target=self._customer, args=(act, random.Random(f"{seed}/{number}")))
            for act, number in customers
        ]

    def start(self) -> None:
        """Open the wallets that money moves between, then let everybody in."""
        with self._client() as client:
            for currency in CURRENCIES:
                for name, limit in WALLETS.items():
                    body = {"address": f"wallet:{name}", "currency": currency, "overdraft_limit_minor": limit}
                    self._insist(client, "/v1/wallets", str(uuid.uuid4()), body)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let everybody finish what they have begun."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, captured: int, transfers: int) -> None:
        """Wait until so many more orders were paid and so many more transfers made than now."""
        done = self.acknowledged
        with self._told:
            captured, transfers = len(done.captured) + captured, len(done.transfers) + transfers
            enough = self._told.wait_for(
                lambda: self.unexpected or (len(done.captured) >= captured and len(done.transfers) >= transfers),
                PATIENCE_S,
            )
        assert enough, f"stuck at {len(done.captured)} of {captured} paid, {len(done.transfers)} of {transfers} moved"

    def _customer(self, act: Callable[[httpx.Client, random.Random], None], rng: random.Random) -> None:
        with self._client() as client:
            while not self._stop.is_set() and not self.unexpected:
                act(client, rng)
                self._stop.wait(THINK_S)  # or the customers would have the machine to themselves

    def _pay(self, client: httpx.Client, rng: random.Random) -> None:
        key, amount = str(uuid.UUID(int=rng.getrandbits(128))), rng.randint(2, 60_000)
        first = rng.randint(1, amount - 1)
        sellers = rng.sample(SELLERS, 2)
        body = {
            "amount_minor": amount,
            "currency": rng.choice(CURRENCIES),
            "rail": "simulated",
            "payment_token": "tok_visa",
            "splits": [
                {"seller_id": sellers[0], "amount_minor": first},
                {"seller_id": sellers[1], "amount_minor": amount - first},
            ],
            "payer": {"subject": rng.choice(PEOPLE), "name": payer_name(key)},
        }
        order = self._insist(client, "/v1/payment-orders", key, body)
        with self._told:
            if order and order["payer"].get("name") != payer_name(key):
                self.unexpected.append(f"order {key} is paid by {order['payer']}")
            if order:
                self.acknowledged.orders[key] = amount
            if order.get("status") == "captured":
                self.acknowledged.captured.add(key)
            self._told.notify_all()

    def _move(self, client: httpx.Client, rng: random.Random) -> None:
        key, amount = str(uuid.UUID(int=rng.getrandbits(128))), rng.randint(1, 1_000)
        body = {
            "source": "wallet:source",
            "destination": rng.choice(("wallet:sink", "wallet:other")),
            "amount_minor": amount,
            "currency": rng.choice(CURRENCIES),
        }
        transfer = self._insist(client, "/v1/transfers", key, body)
        with self._told:
            if transfer:
                self.acknowledged.transfers[key] = amount
            self._told.notify_all()

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._api_key}", "Prefer": "wait=2"}
        return httpx.Client(base_url=self._url, headers=headers, timeout=30, trust_env=False)

    def _insist(self, client: httpx.Client, path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask until there is an answer; an empty one when it was not to be had or was not one to expect."""
        deadline = time.monotonic() + PATIENCE_S
        problem = ""
        while time.monotonic() < deadline:
            try:
                answer = client.post(path, json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError as error:
                problem = repr(error)
            else:
                if answer.status_code in (200, 201, 202):
                    found: dict[str, Any] = answer.json()
                    return found
                problem = f"{answer.status_code} {answer.text}"
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    break
            threading.Event().wait(RETRY_S)
        with self._told:
            self.unexpected.append(f"{path} {key}: {problem}")
            self._told.notify_all()
        return {}
