"""Payments through rails, with everything behind them: from the API to the posting, every process as under `run`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import psycopg

from daybook.api_key import ensure_test_key
from daybook.roles import START_ORDER
from daybook.running import running
from daybook.settings import Settings
from tests.benchmarks.api import drive_http, free_port
from tests.benchmarks.http_client import Job
from tests.benchmarks.report import Row

ORDERS = 6_000
WARM_ORDERS = 500
CLIENTS = 16
POSTED = "select count(*) from log.events where topic = 'posting.recorded.v1'"
LOOK_S = 0.05


def run(_: str) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="daybook-rails-") as home:
        settings = Settings(home=Path(home), api_port=free_port(), simulator_port=free_port())
        with running(settings, START_ORDER, exclusive=True) as stack:
            key = ensure_test_key(stack.settings)
            _paid(stack.settings, key, WARM_ORDERS)
            created, seconds = _paid(stack.settings, key, ORDERS)
            return [
                Row("rails.orders", ORDERS / seconds, "orders/s created, captured and posted"),
                Row("rails.orders.created", created, "orders/s"),
            ]


def _paid(settings: Settings, key: str, orders: int) -> tuple[float, float]:
    with psycopg.connect(settings.database_url or "", autocommit=True) as connection:

        def posted() -> int:
            return int((connection.execute(POSTED).fetchone() or (0,))[0])

        before = posted()
        began = time.perf_counter()
        job = Job(settings.api_host, settings.api_port, key, "order", CLIENTS, 600.0, rail="simulated", limit=orders)
        done = drive_http(job)
        while posted() < before + orders:
            time.sleep(LOOK_S)
        return done["per_second"], time.perf_counter() - began
