"""The HTTP API with everything behind it: every process runs as under `daybook run`, the client in one more."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from daybook.api_key import ensure_test_key
from daybook.roles import START_ORDER
from daybook.running import running
from daybook.settings import Settings
from ledger.client import LedgerClient
from tests.benchmarks.http_client import MERCHANT, Job
from tests.benchmarks.report import Row

SECONDS = 4.0
WARM_SECONDS = 1.0
WALLETS = 1_000
ORDERS_READ = 200
SATURATING_CALLERS = 24


def run(_: str) -> list[Row]:
    """Orders without a rail (202, nothing is called), transfers answered when posted, reads beside a busy engine."""
    with tempfile.TemporaryDirectory(prefix="daybook-api-") as home:
        settings = Settings(home=Path(home), api_port=free_port(), simulator_port=free_port())
        with running(settings, START_ORDER, exclusive=True) as stack:
            return _measure(stack.settings, ensure_test_key(stack.settings))


def _measure(settings: Settings, key: str) -> list[Row]:
    def drive(kind: str, clients: int, seconds: float = SECONDS, **more: Any) -> dict[str, Any]:
        return drive_http(Job(settings.api_host, settings.api_port, key, kind, clients, seconds, **more))

    rows = []
    with closing(LedgerClient(settings.engine_socket)) as ledger:
        wallets = open_wallets(settings, ledger)
        orders = _create_orders(settings, key)
        drive("order", 16, WARM_SECONDS)
        for clients in (64, 16):
            rows += _rows(f"api.orders.{clients}c", drive("order", clients))
        drive("transfer", 16, WARM_SECONDS, ids=wallets)
        uniform, hot = (drive("transfer", 16, ids=wallets, hot=hot) for hot in ("", "destination"))
        rows += _rows("api.transfers.uniform.16c", uniform)
        rows += _rows("api.transfers.hot.16c", hot, ("uniform", uniform))
        alone = drive("read", 4, ids=orders)
        with _saturated(settings, ledger, wallets):
            rows += _rows("api.read.engine-busy.4c", drive("read", 4, ids=orders), ("engine idle", alone))
    return rows


def _rows(name: str, got: dict[str, Any], peer: tuple[str, dict[str, Any]] | None = None) -> list[Row]:
    refused = {status: count for status, count in got["statuses"].items() if not status.startswith("2")}
    if refused:
        message = f"{name}: answers that are no success, by status: {refused}"
        raise RuntimeError(message)
    label, ratio = ("", None)
    if peer is not None:
        label, ratio = f"{peer[0]} {peer[1]['per_second']:,.0f}", got["per_second"] / peer[1]["per_second"]
    return [
        Row(name, got["per_second"], "requests/s", label, ratio),
        Row(f"{name}.p50", got["p50_ms"], "ms"),
        Row(f"{name}.p99", got["p99_ms"], "ms"),
    ]


def drive_http(job: Job) -> dict[str, Any]:
    """Runs the load generator as a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.http_client"]
    done = subprocess.run(command, input=json.dumps(asdict(job)), stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def open_wallets(settings: Settings, ledger: LedgerClient) -> list[str]:
    """Wallets that may fall without limit, so that no transfer is refused."""
    found = []
    for number in range(WALLETS):
        reply = ledger.open_wallet(
            book=settings.book,
            key=str(uuid.uuid4()),
            address=f"wallet:bench:{number}",
            currency="EUR",
            overdraft_limit_minor=None,
        )
        found.append(str(reply.wallet_id))
    return found


def _create_orders(settings: Settings, key: str) -> list[str]:
    ids = [str(uuid.uuid4()) for _ in range(ORDERS_READ)]
    with httpx.Client(base_url=settings.api_url, trust_env=False, headers={"Authorization": f"Bearer {key}"}) as client:
        for order_id in ids:
            body = {"amount_minor": 1234, "currency": "EUR", "merchant_id": MERCHANT}
            client.post("/v1/payment-orders", json=body, headers={"Idempotency-Key": order_id}).raise_for_status()
    return ids


class _saturated:  # noqa: N801 - reads as a statement
    """Keeps the engine busy with transfers over its socket for as long as a block lasts."""

    def __init__(self, settings: Settings, ledger: LedgerClient, wallets: list[str]) -> None:
        self._book = settings.book
        self._ledger = ledger
        self._wallets = [uuid.UUID(wallet) for wallet in wallets]
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(SATURATING_CALLERS)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        source, destination = self._wallets[2 * number : 2 * number + 2]
        while not self._ended.is_set():
            self._ledger.transfer(
                book=self._book,
                key=str(uuid.uuid4()),
                source=source,
                destination=destination,
                amount_minor=1,
                currency="EUR",
            )


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
