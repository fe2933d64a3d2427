"""The ledger over HTTP, with every process running: transfers answered when posted, bulks, and what they take on disk.

The peer is the `eventsourcing` library with its defaults on the same server in the same run: two wallet aggregates in
memory, one save, no HTTP. It keeps neither postings nor idempotency keys, so it has less to do.
"""

from __future__ import annotations

import random
import tempfile
import threading
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError
from psycopg.conninfo import conninfo_to_dict

from daybook.api_key import ensure_test_key
from daybook.roles import START_ORDER
from daybook.running import running
from daybook.settings import Settings
from ledger.client import LedgerClient
from tests.benchmarks.api import drive_http, free_port, open_wallets
from tests.benchmarks.http_client import BULK_ITEMS, Job
from tests.benchmarks.report import Load, Row, drive

SECONDS = 5.0
CLIENTS = 16
BULK_CLIENTS = 4
PEER_WALLETS = 1_000
LOG_BYTES = "select pg_total_relation_size('log.events')"
ALL_BYTES = """
select sum(pg_total_relation_size(c.oid)) from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'r' and n.nspname in ('log', 'views')
"""
POSTINGS = "select count(*) from log.events where topic = 'posting.recorded.v1'"


def run(_: str) -> list[Row]:
    """Uniform and with one hot wallet as source or destination; then bulks of 100."""
    with tempfile.TemporaryDirectory(prefix="daybook-ledger-") as home:
        settings = Settings(home=Path(home), api_port=free_port(), simulator_port=free_port())
        with running(settings, START_ORDER, exclusive=True) as stack:
            return _measure(stack.settings, ensure_test_key(stack.settings))


def _measure(settings: Settings, key: str) -> list[Row]:
    def send(kind: str, clients: int, seconds: float = SECONDS, hot: str = "") -> dict[str, Any]:
        return drive_http(Job(settings.api_host, settings.api_port, key, kind, clients, seconds, wallets, hot))

    with closing(LedgerClient(settings.engine_socket)) as ledger:
        wallets = open_wallets(settings, ledger)
    uniform_peer, hot_peer = _peer(str(settings.database_url), hot=False), _peer(str(settings.database_url), hot=True)
    send("transfer", CLIENTS, 1.0)
    rows = _rows("ledger.transfers.uniform", send("transfer", CLIENTS), uniform_peer)
    rows += _rows("ledger.transfers.hot-source", send("transfer", CLIENTS, hot="source"), hot_peer)
    rows += _rows("ledger.transfers.hot-destination", send("transfer", CLIENTS, hot="destination"), hot_peer)
    before = _measured(settings)
    got = send("bulk", BULK_CLIENTS)
    after = _measured(settings)
    rows.append(Row(f"ledger.bulk.{BULK_ITEMS}", got["per_second"] * BULK_ITEMS, "postings/s"))
    rows.append(Row(f"ledger.bulk.{BULK_ITEMS}.p99", got["p99_ms"], "ms"))
    posted = after[2] - before[2]
    for name, place in (("log", 0), ("log-and-views", 1)):
        taken = (after[place] - before[place]) / posted
        rows.append(Row(f"ledger.bytes.{name}", taken, "bytes/transfer", "Formance 3,980, Blnk 2,450, pgledger 795"))
    return rows


def _measured(settings: Settings) -> tuple[int, int, int]:
    with psycopg.connect(str(settings.database_url), autocommit=True) as connection:
        found = [connection.execute(query).fetchone() for query in (LOG_BYTES, ALL_BYTES, POSTINGS)]
    log, everything, postings = (int(row[0]) if row else 0 for row in found)
    return log, everything, postings


def _rows(name: str, got: dict[str, Any], peer: Load) -> list[Row]:
    label = f"eventsourcing defaults {peer.per_second:,.0f}"
    return [
        Row(f"{name}.{CLIENTS}c", got["per_second"], "transfers/s", label, got["per_second"] / peer.per_second),
        Row(f"{name}.{CLIENTS}c.p50", got["p50_ms"], "ms"),
        Row(f"{name}.{CLIENTS}c.p99", got["p99_ms"], "ms"),
    ]


class PeerWallet(Aggregate):
    """A wallet as the library's tutorial would have it."""

    @event("Opened")
    def __init__(self) -> None:
        self.balance_minor = 0

    @event("Posted")
    def post(self, amount_minor: int) -> None:
        """Move the balance."""
        self.balance_minor += amount_minor


def _peer(database_url: str, *, hot: bool) -> Load:
    """Transfers of the library with its defaults; a conflict is retried on aggregates read anew."""
    app: Application[uuid.UUID] = Application(env=library_environment(database_url))
    wallets = [PeerWallet() for _ in range(PEER_WALLETS)]
    for wallet in wallets:
        app.save(wallet)
    ids = [wallet.id for wallet in wallets]
    cached = {wallet.id: wallet for wallet in wallets}
    locks = {wallet_id: threading.Lock() for wallet_id in ids}
    dice = random.Random(1)

    def call(_: int) -> None:
        first, second = dice.sample(ids, 2)
        pair = sorted([ids[0] if hot else first, second])
        while True:
            with locks[pair[0]], locks[pair[-1]] if pair[0] != pair[-1] else threading.Lock():
                source, destination = cached[pair[0]], cached[pair[-1]]
                source.post(-1)
                destination.post(1)
                try:
                    app.save(source, destination)
                except IntegrityError:
                    cached.update({wallet_id: app.repository.get(wallet_id) for wallet_id in pair})
                else:
                    return

    try:
        return drive(CLIENTS, SECONDS, call)
    finally:
        app.close()


def library_environment(database_url: str) -> dict[str, str]:
    parts = conninfo_to_dict(database_url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(parts["dbname"]),
        "POSTGRES_HOST": str(parts.get("host", "127.0.0.1")),
        "POSTGRES_PORT": str(parts.get("port", "5432")),
        "POSTGRES_USER": str(parts.get("user", "postgres")),
        "POSTGRES_PASSWORD": str(parts.get("password") or "unused"),
        "POSTGRES_SCHEMA": "public",
        "POSTGRES_POOL_SIZE": str(CLIENTS),
        "APPLICATION_NAME": f"peer{uuid.uuid4().hex[:6]}",
    }
