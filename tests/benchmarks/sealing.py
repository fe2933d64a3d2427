"""Sealing: what a field and a new person cost; a rotation and an erasure over a million people while others read."""

from __future__ import annotations

import random
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from uuid import UUID

from domain.sealed import Place
from eventlog.sealing.seals import KeyedSeals
from eventlog.sealing.sqlite_keys import SqliteKeyStore
from tests.benchmarks.report import Row, drive, load
from tests.contracts.key_stores import sqlite_store

SECONDS = 3.0
SUBJECTS = 1_000_000
KNOWN = str(UUID(int=0))
PLACE = Place(1, UUID(int=9), 2, "iban")
IBAN = "DE89370400440532013000"


def run(database_url: str) -> list[Row]:
    """Everything happens beside the database, which is not asked."""
    with tempfile.TemporaryDirectory(prefix="daybook-bench-") as folder, closing(sqlite_store(Path(folder))) as store:
        return [*_fields(KeyedSeals(store)), *_million(store)]


def _fields(seals: KeyedSeals) -> list[Row]:
    sealed = seals.seal(KNOWN, PLACE, IBAN)
    numbers = iter(range(1, 10_000_000))
    sealing = drive(1, SECONDS, lambda _: seals.seal(KNOWN, PLACE, IBAN))
    opening = drive(1, SECONDS, lambda _: seals.open(sealed, PLACE))
    newcomers = drive(1, SECONDS, lambda _: seals.seal(str(UUID(int=next(numbers))), PLACE, IBAN))
    return [
        Row("seal", sealing.per_second, "fields/s"),
        Row("open", opening.per_second, "fields/s"),
        Row("seal.newcomer", newcomers.per_second, "people/s"),
        Row("seal.newcomer.p99", newcomers.p99_ms, "ms"),
    ]


def _million(store: SqliteKeyStore) -> list[Row]:
    _fill(store)
    stop, failed, took = threading.Event(), [], []

    def read() -> None:
        rng = random.Random(1)
        while not stop.is_set():
            began = time.perf_counter()
            try:
                store.known_key(2, str(UUID(int=rng.randrange(1, SUBJECTS))))
            except Exception as problem:  # noqa: BLE001 - counted
                failed.append(problem)
            took.append(time.perf_counter() - began)

    reader = threading.Thread(target=read)
    reader.start()
    began = time.perf_counter()
    done = store.rotate()
    rotated = time.perf_counter() - began
    began = time.perf_counter()
    store.erase(2, KNOWN)
    erased = time.perf_counter() - began
    stop.set()
    reader.join()
    reads = load(sorted(took), rotated + erased)
    return [
        Row("rotate.1M", rotated, "s"),
        Row("rotate.1M.rate", done.rewrapped / rotated, "keys/s"),
        Row("rotate.1M.reads", reads.per_second, "reads/s"),
        Row("rotate.1M.reads.p99", reads.p99_ms, "ms"),
        Row("rotate.1M.reads.longest", max(took) * 1000, "ms"),
        Row("rotate.1M.reads.failed", len(failed), "reads"),
        Row("erase.of.1M", erased, "s"),
    ]


def _fill(store: SqliteKeyStore) -> None:
    """In one transaction: a million commits would measure the disk."""
    with store._connection(make=True) as connection:
        connection.execute("begin immediate")
        now, key = "2026-01-01T00:00:00+00:00", bytes(range(32))
        for number in range(SUBJECTS):
            subject, key_id = str(UUID(int=number)), f"{number:032x}"
            row = (2, subject, key_id, 1, store._wrap(2, subject, key_id, 1, key), now)
            connection.execute("insert into data_keys values (?, ?, ?, ?, ?, ?, null)", row)
        connection.execute("commit")
