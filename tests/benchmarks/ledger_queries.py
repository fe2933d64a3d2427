"""Reads of the ledger's views: balances of a wallet with a long history, and sums over many wallets.

One wallet has `ENTRIES` entries over `DAYS` effective days, back-dated in no order; beside it stand `WALLETS` wallets
of merchants. The tables are filled set by set, as the machine would have left them; the queries are those of the API.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from domain.address_pattern import AddressPattern
from domain.ids import wallet_stream_id
from eventlog.connections import connect
from eventlog.postgres import PostgresRecorder
from projections.queries import ONLY_KINDS, Grouping, Queries, WalletFilter, When, up_to
from tests.benchmarks.report import Row, load

ENTRIES = 1_000_000
DAYS = 365
WALLETS = 100_000
CALLS = 1_000
SUMS = 15
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
HOT = wallet_stream_id(1, "wallet:hot", "EUR")
FILL = (
    """
    insert into views.balances_v1
    select gen_random_uuid(), 1, 'merchant:m' || n || ':available', 'EUR', 'liability', null, 0, -n, 0, false, false,
           jsonb_build_object('tier', (array['gold', 'silver', 'plain'])[1 + mod(n, 3)]), 2, n
      from generate_series(1, %(wallets)s) n
    """,
    """
    insert into views.wallet_entries_v1
    select wallet_id, position, 2, 1, gen_random_uuid(), 1, posted_minor, null, posted_minor, 0, %(begin)s, %(begin)s
      from views.balances_v1
    """,
    """
    insert into views.balances_v1
    values (%(hot)s, 1, 'wallet:hot', 'EUR', 'liability', null, 0, -%(entries)s, 0, false, false, '{}',
            %(entries)s + 1, %(wallets)s + %(entries)s)
    """,
    """
    insert into views.wallet_entries_v1
    select %(hot)s, %(wallets)s + n, n + 1, 1, gen_random_uuid(), 1, -1, null, -n, 0,
           %(begin)s::timestamptz + make_interval(secs => random() * 86400 * %(days)s),
           %(begin)s::timestamptz + make_interval(secs => n * 86400.0 * %(days)s / %(entries)s)
      from generate_series(1, %(entries)s) n
    """,
    """
    insert into views.wallet_days_v1
    select wallet_id, (effective_at at time zone 'UTC')::date, sum(greatest(amount_minor, 0)),
           sum(greatest(-amount_minor, 0)), count(*)
      from views.wallet_entries_v1 group by 1, 2
    """,
    """
    insert into views.builds (view, version, state, relation, position)
    select view, 1, 'live', view || '_v1', %(wallets)s + %(entries)s
      from unnest(array['balances', 'wallet_entries', 'wallet_days']) view
    """,
)
TABLES = ("balances_v1", "wallet_entries_v1", "wallet_days_v1")


@dataclass(frozen=True)
class Asker:
    """Everything of the book."""

    book: int = 1
    merchant_id: str | None = None


def run(database_url: str) -> list[Row]:
    """p99 of balances in the long history at random positions and effective moments; a sum over all the wallets."""
    _fill(database_url)
    recorder = PostgresRecorder(database_url)
    try:
        return _measured(Queries(recorder.readers.read))
    finally:
        recorder.close()


def _measured(queries: Queries) -> list[Row]:
    chance, hot = random.Random(7), WalletFilter(wallet_id=HOT)
    merchants = WalletFilter(pattern=AddressPattern.parse("merchant:*:available"))

    def balance(when: When, chosen: WalletFilter = hot, grouping: Grouping = ONLY_KINDS) -> None:
        found = queries.balances(Asker(), chosen, when, grouping, cursor=None, limit=100)
        assert found.items, "a benchmark that finds nothing measures nothing"

    def position() -> int:
        return WALLETS + chance.randrange(1, ENTRIES)

    def moment() -> datetime:
        return BEGIN + timedelta(seconds=chance.random() * 86_400 * DAYS)

    recorded = _p99(lambda: balance(When(position())), CALLS)
    effective = _p99(lambda: balance(When(None, up_to(moment()))), CALLS)
    total = _p99(lambda: balance(When(), merchants), SUMS)
    grouped = _p99(lambda: balance(When(), merchants, Grouping.parse("metadata.tier")), SUMS)
    as_of = _p99(lambda: balance(When(chance.randrange(1, WALLETS)), merchants), SUMS)
    back = _p99(lambda: balance(When(None, up_to(moment())), merchants), SUMS)
    history = f"wallet of {ENTRIES:,} entries"
    many = f"{WALLETS:,} wallets"
    return [
        Row("ledger.balance.recorded.p99", recorded, f"ms, {history}"),
        Row("ledger.balance.effective.p99", effective, f"ms, {history}, {DAYS} days"),
        Row("ledger.aggregate.100k", total, f"ms, {many} by pattern"),
        Row("ledger.aggregate.100k.metadata", grouped, f"ms, {many} by metadata"),
        Row("ledger.aggregate.100k.as_of", as_of, f"ms, {many} as of a position"),
        Row("ledger.aggregate.100k.effective", back, f"ms, {many} at an effective moment"),
    ]


def _p99(call: Callable[[], None], calls: int) -> float:
    """The 99th percentile in milliseconds, the slowest of few; a first call that warms up does not count."""
    call()
    took = []
    for _ in range(calls):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return load(sorted(took), sum(took)).p99_ms


def _fill(database_url: str) -> None:
    parameters = {"wallets": WALLETS, "entries": ENTRIES, "days": DAYS, "begin": BEGIN, "hot": HOT}
    with connect(database_url) as connection:
        for statement in FILL:
            connection.execute(statement, parameters)
    with psycopg.connect(database_url, autocommit=True) as connection:  # as the owner of the tables
        for table in TABLES:
            connection.execute(f"vacuum (analyze) views.{table}")
