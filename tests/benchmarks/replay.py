"""Rebuild, compare and swap over 1,000,000 events of wallets, and the library's ProjectionRunner on the same events.

The runner is used as its documentation shows: one transaction per event, rows and tracking together. It is let run for
a few seconds; what it would need for all of them is not worth waiting for.
"""

from __future__ import annotations

import random
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import psycopg
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.types.json import Jsonb

from daybook.commands._questions import Whole
from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.postgres import PostgresRecorder
from projections.queries import Queries
from projections.registry import view, views
from replay import builds, compare, swap
from replay.archive.writing import ArchiveExport
from replay.past import PastViews
from replay.rebuild import Wanted, rebuild
from tests.benchmarks.ledger import library_environment
from tests.benchmarks.replay_measured import Measured, looked_at, rebuilt
from tests.benchmarks.report import Row

EVENTS = 1_000_000
WALLETS = 10_000
SPARSE = 2_000
RUNNER_SECONDS = 6.0
SWAPS = 200
QUESTIONS = 100
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
COPY = """
copy log.events (position, book, stream_id, version, topic, recorded_at, meta, state) from stdin (format binary)
"""
TYPES = ("int8", "int4", "uuid", "int4", "text", "timestamptz", "jsonb", "bytea")
UPSERT = """
insert into public.peer_balances values (%s, %s, %s)
on conflict (wallet_id) do update set posted = excluded.posted, held = excluded.held
"""


def run(database_url: str) -> list[Row]:
    """A view of few rows, one of as many rows as events, and one that needs 0.2% of the events."""
    _seed(database_url)
    with connect(database_url) as connection:
        builds.ensure(connection, views().values(), "park")
    runner = _runner(database_url)
    one, two = (rebuilt(database_url, "balances", workers) for workers in (1, 2))
    sparse = rebuilt(database_url, "monitors", 1)
    wide, wide_by_two = (rebuilt(database_url, "wallet_entries", workers) for workers in (1, 2))
    archived = _from_archive(database_url)
    memory = max(measured.megabytes for measured in (one, two, wide, wide_by_two, archived))
    label = f"ProjectionRunner {runner:,.0f}"
    rows = [
        Row("replay.rebuild.balances.1w", EVENTS / one.seconds, "events/s", label, EVENTS / one.seconds / runner),
        Row("replay.rebuild.balances.2w", EVENTS / two.seconds, "events/s", "one worker", one.seconds / two.seconds),
        Row("replay.rebuild.sparse", sparse.seconds, f"s, a view that needs {SPARSE:,} of {EVENTS:,} events"),
        Row("replay.rebuild.wallet_entries.1w", EVENTS / wide.seconds, "events/s, a view with a row for each event"),
        Row(
            "replay.rebuild.wallet_entries.2w",
            EVENTS / wide_by_two.seconds,
            "events/s",
            "one worker",
            wide.seconds / wide_by_two.seconds,
        ),
        Row("replay.rebuild.archive.1w", EVENTS / archived.seconds, "events/s, balances from Parquet files"),
        Row("replay.rebuild.memory", memory, "MB, peak of all processes of the largest of these rebuilds"),
    ]
    rows += _compared(database_url)
    rows += _asked(database_url)
    rows += _swapped(database_url)
    return rows


def _seed(database_url: str) -> None:
    """Opened wallets, lines at random, and monitors here and there; as the log's owner, for it appends nothing so."""
    dice = random.Random(1)
    ids = [uuid.UUID(int=dice.getrandbits(128)) for _ in range(WALLETS)]
    posted, versions = [0] * WALLETS, [1] * WALLETS
    every = EVENTS // SPARSE
    with psycopg.connect(database_url, autocommit=True) as connection:
        with connection.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.set_types(TYPES)
            for number in range(EVENTS):
                if number < WALLETS:
                    stream, version, topic, state = ids[number], 1, "wallet.opened.v1", _opened(number)
                elif number % every == 0:
                    stream, version, topic, state = uuid.UUID(int=number), 1, "monitor.created.v1", _monitor(ids[0])
                else:
                    place, amount = dice.randrange(WALLETS), dice.randrange(-500, 500)
                    posted[place] += amount
                    versions[place] += 1
                    stream, version, topic = ids[place], versions[place], "wallet.posted.v1"
                    state = _posted(uuid.UUID(int=dice.getrandbits(128)), amount, posted[place])
                at = BEGIN + timedelta(milliseconds=number)
                meta = Jsonb({"correlation": "f" * 32})
                copy.write_row((number + 1, 1, stream, version, topic, at, meta, state))
        connection.execute("vacuum analyze log.events")


def _opened(number: int) -> bytes:
    return msgspec.json.encode(
        {
            "timestamp": BEGIN, "originator_topic": "wallet", "address": f"wallet:bench:{number}", "currency": "EUR",
            "account_kind": "liability", "overdraft_limit_minor": None, "merchant_id": None,
        }
    )  # fmt: skip


def _posted(posting_id: uuid.UUID, amount: int, after: int) -> bytes:
    return msgspec.json.encode(
        {
            "timestamp": BEGIN, "posting_id": posting_id, "line": 0, "amount_minor": amount, "posted_after": after,
            "held_after": 0, "effective_at": BEGIN,
        }
    )  # fmt: skip


def _monitor(wallet: uuid.UUID) -> bytes:
    return msgspec.json.encode(
        {
            "timestamp": BEGIN, "originator_topic": "monitor", "wallet_id": wallet, "measure": "posted",
            "threshold_minor": 5, "reference": None,
        }
    )  # fmt: skip


def _from_archive(database_url: str) -> Measured:
    """A rebuild of balances that reads the log's archive."""
    recorder = PostgresRecorder(database_url)
    try:
        with tempfile.TemporaryDirectory() as directory:
            ArchiveExport(recorder, Path(directory)).run()
            return rebuilt(database_url, "balances", 1, Path(directory))
    finally:
        recorder.close()


def _compared(database_url: str) -> list[Row]:
    """Two builds of a million rows: one row in a thousand was changed, then so many that not all are looked at."""
    rebuild(database_url, Wanted(view("wallet_entries"), fresh=True))
    with connect(database_url) as connection:
        connection.execute("update views.builds set state = 'kept' where view = 'wallet_entries' and state = 'shadow'")
    rebuild(database_url, Wanted(view("wallet_entries"), fresh=True))
    few, many = (_changed(database_url, every) for every in (1_000, 40))
    return [
        Row("replay.diff.1m", few.seconds, f"s, {EVENTS:,} rows, {few.differ:,} differ, with the events behind them"),
        Row("replay.diff.1m.many", many.seconds, f"s, {many.differ:,} differ, events of {compare.KEPT_ROWS:,} of them"),
        Row("replay.diff.memory", max(few.megabytes, many.megabytes), "MB, peak of the process of the larger of these"),
    ]


def _changed(database_url: str, every: int) -> Measured:
    """One row of so many is changed, and the two builds compared."""
    with connect(database_url) as connection:
        second = builds.find(connection, "wallet_entries", "shadow")
        connection.execute(f"update {second.table} set posted_after = posted_after + 1 where position % {every} = 7")
    return looked_at(database_url)


def _asked(database_url: str) -> list[Row]:
    """A page of wallets as of positions: where there is no checkpoint, and around one."""
    log = EventLog(PostgresRecorder(database_url))
    dice, taken = random.Random(2), []
    with closing(PastViews(database_url, log.log_recorder, log.log_mapper.decode)) as past:
        queries = Queries(log.log_recorder.readers.read, past)
        for position in [EVENTS // 2, *(EVENTS // 2 + dice.randrange(-4_000, 4_000) for _ in range(QUESTIONS))]:
            began = time.perf_counter()
            assert queries.wallets(Whole(1), as_of=position).items
            taken.append(1_000 * (time.perf_counter() - began))
    log.close()
    first, *others = taken
    others.sort()
    return [
        Row("replay.past.far", first, f"ms, a page of wallets as of position {EVENTS // 2:,}, no checkpoint near"),
        Row("replay.past.near.p50", others[len(others) // 2], "ms, as of positions around it"),
        Row("replay.past.near.p99", others[int(len(others) * 0.99) - 1], "ms"),
    ]


def _swapped(database_url: str) -> list[Row]:
    """How long readers cannot begin, over swaps and rollbacks while four of them read."""
    with connect(database_url) as connection:
        connection.execute("update views.builds set position = %s where view = 'balances' and state = 'live'", [EVENTS])
    ended = threading.Event()
    readers = [threading.Thread(target=_read, args=(database_url, ended)) for _ in range(4)]
    for reader in readers:
        reader.start()
    locked = [swap.swap(database_url, "balances").locked_ms]
    locked += [swap.roll_back(database_url, "balances").locked_ms for _ in range(SWAPS - 1)]
    ended.set()
    for reader in readers:
        reader.join()
    locked.sort()
    return [Row("replay.swap.locked.p99", locked[int(len(locked) * 0.99) - 1], f"ms, {SWAPS} swaps, 4 readers")]


def _read(database_url: str, ended: threading.Event) -> None:
    with connect(database_url) as connection:
        while not ended.is_set():
            connection.execute("select posted_minor from views.balances where wallet_id = %s", [uuid.UUID(int=1)])


class PeerBalances(PostgresTrackingRecorder):
    """The materialised view of the runner: rows and tracking in one transaction."""

    _connection: ClassVar[Callable[[], Any]]

    def set(self, wallet_id: uuid.UUID, posted: int, held: int, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(UPSERT, (wallet_id, posted, held))
            self._insert_tracking(cursor, tracking)


class PeerProjection(Projection[PeerBalances]):
    """Balances as the library's documentation would have them."""

    name = "peer_balances"
    topics = ("wallet.posted.v1",)
    taken = 0

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.set(domain_event.originator_id, domain_event.posted_after, domain_event.held_after, tracking)
        PeerProjection.taken += 1


def _runner(database_url: str) -> float:
    """Events per second of the library's runner over the same log."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create table public.peer_balances (wallet_id uuid primary key, posted bigint, held bigint)")

    class Log(EventLog):
        """The same log, made as the runner makes applications."""

        def __init__(self, env: Any = None) -> None:
            super().__init__(PostgresRecorder(database_url))

    environment = library_environment(database_url)
    with ProjectionRunner(
        application_class=Log, projection_class=PeerProjection, view_class=PeerBalances, env=environment
    ):
        time.sleep(1.0)
        before, began = PeerProjection.taken, time.perf_counter()
        time.sleep(RUNNER_SECONDS)
        return (PeerProjection.taken - before) / (time.perf_counter() - began)
