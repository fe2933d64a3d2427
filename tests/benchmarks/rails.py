"""Payments through rails, with everything behind them: from the API to the posting, every process as under `run`.

The throughput comes first. Then one rail hangs, and what the other does meanwhile is held against what it did before;
then a rail is down, and orders for it come in all the same and are paid when it is back.
"""

from __future__ import annotations

import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

from daybook.api_key import ensure_test_key
from daybook.roles import START_ORDER
from daybook.running import running
from daybook.settings import Settings
from daybook.simulation.whole import BANK
from tests.benchmarks.api import drive_http, free_port
from tests.benchmarks.http_client import Job
from tests.benchmarks.report import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERS = 6_000
WARM_ORDERS = 500
CLIENTS = 16
POSTED = "select count(*) from log.events where topic = 'posting.recorded.v1'"
CREATED = "select count(*) from log.events where topic = 'payment-order.created.v1'"
CAPTURED = "select count(*) from log.events where topic = 'payment-order.captured.v1'"
LATENCIES = """
select percentile_cont(%s) within group (order by 1000 * extract(epoch from told.recorded_at - made.recorded_at))
  from log.events made join log.events told using (stream_id)
 where made.topic = 'payment-order.created.v1' and told.topic = 'payment-order.attempt-pending.v1'
   and made.recorded_at >= %s
"""
LOOK_S = 0.05
HANGS_S = 30.0
DEBITS_PER_S, CARDS_PER_S = 10.0, 40.0
BESIDE_S = 30.0
DOWN_S, DOWN_PER_S = 10.0, 100.0


def run(_: str) -> list[Row]:
    """A copy of its own for each part: what one leaves behind is not the other's burden."""
    rows = []
    for part in (_throughput, _one_hangs, _one_is_down):
        with tempfile.TemporaryDirectory(prefix="daybook-rails-") as home:
            settings = Settings(home=Path(home), api_port=free_port(), simulator_port=free_port())
            settings = settings.model_copy(update={**BANK, "rail_timeout_s": HANGS_S})
            with running(settings, START_ORDER, exclusive=True) as stack:
                rows += part(_Copy(stack.settings))
    return rows


class _Copy:
    """A copy that runs, as this benchmark uses it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = ensure_test_key(settings)
        self.connection = psycopg.connect(settings.database_url or "", autocommit=True)

    def drive(self, kind: str, seconds: float, clients: int = CLIENTS, **more: Any) -> dict[str, Any]:
        """Orders by the API, by a process of its own."""
        settings = self._settings
        done = drive_http(Job(settings.api_host, settings.api_port, self._key, kind, clients, seconds, **more))
        if set(done["statuses"]) != {"202"}:
            message = f"orders were not taken: {done['statuses']}"
            raise RuntimeError(message)
        return done

    def count(self, query: str) -> int:
        """A number from the log."""
        return int((self.connection.execute(query).fetchone() or (0,))[0])

    def wait_for(self, query: str, count: int) -> None:
        """Until the log has so many."""
        while self.count(query) < count:
            time.sleep(LOOK_S)

    @contextmanager
    def outage(self, fault: str) -> Iterator[None]:
        """The provider is away for as long as the block lasts; the bank is not."""
        now = datetime.now(UTC)
        outage = {"from": (now - timedelta(hours=1)).isoformat(), "until": (now + timedelta(hours=1)).isoformat()}
        self._plan(outages=[outage | {"of": "psp", "fault": fault}])
        yield
        self._plan()

    def _plan(self, **plan: Any) -> None:
        httpx.post(f"{self._settings.simulator_url}/faults", json=plan, trust_env=False).raise_for_status()


def _throughput(copy: _Copy) -> list[Row]:
    copy.drive("order", 600.0, rail="simulated", limit=WARM_ORDERS)
    copy.wait_for(POSTED, WARM_ORDERS)
    began = time.perf_counter()
    done = copy.drive("order", 600.0, rail="simulated", limit=ORDERS)
    copy.wait_for(POSTED, WARM_ORDERS + ORDERS)
    seconds = time.perf_counter() - began
    return [
        Row("rails.orders", ORDERS / seconds, "orders/s created, captured and posted (>= 300)"),
        Row("rails.orders.created", done["per_second"], "orders/s taken in meanwhile"),
    ]


def _one_hangs(copy: _Copy) -> list[Row]:
    """Debits at the bank while cards are paid, and while every call for a card hangs."""
    before = _debits_beside_cards(copy)
    with copy.outage("no_reply_before"):
        beside = _debits_beside_cards(copy)
    return [
        Row(f"rails.one-hangs.other.{name}", now, "ms, order to the bank's answer", f"alone {then:,.0f}", now / then)
        for name, then, now in zip(("p50", "p99"), before, beside, strict=True)
    ]


def _debits_beside_cards(copy: _Copy) -> list[float]:
    (since,) = copy.connection.execute("select clock_timestamp()").fetchone() or (None,)
    cards = threading.Thread(
        target=copy.drive, args=("order", BESIDE_S, 4), kwargs={"rail": "simulated", "rate": CARDS_PER_S}
    )
    cards.start()
    done = copy.drive("debit", BESIDE_S, 4, rate=DEBITS_PER_S)
    cards.join()
    pending = "select count(*) from log.events where topic = 'payment-order.attempt-pending.v1' and recorded_at >= "
    copy.wait_for(f"{pending} '{since.isoformat()}'", sum(done["statuses"].values()))
    row = copy.connection.execute(LATENCIES, [[0.5, 0.99], since]).fetchone()
    return [float(value) for value in (row or ([],))[0]]


def _one_is_down(copy: _Copy) -> list[Row]:
    copy.drive("order", 2.0, rail="simulated", rate=DOWN_PER_S)
    with copy.outage("server_error_before"):
        done = copy.drive("order", DOWN_S, rail="simulated", rate=DOWN_PER_S)
    began, created = (
        time.perf_counter(),
        copy.count("select count(*) from log.events where topic = 'payment-order.created.v1'"),
    )
    waiting = created - copy.count(CAPTURED)
    copy.wait_for(CAPTURED, created)
    return [
        Row("rails.one-is-down.creation.p50", done["p50_ms"], f"ms at {DOWN_PER_S:.0f} orders/s"),
        Row("rails.one-is-down.creation.p99", done["p99_ms"], "ms (<= 50)"),
        Row("rails.one-is-down.waiting", waiting, "orders queued up when the rail came back"),
        Row("rails.one-is-down.drained", time.perf_counter() - began, "s until all of them were captured"),
    ]
