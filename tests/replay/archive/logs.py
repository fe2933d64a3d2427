"""Logs to archive: rows of many days whose clocks do not follow the positions, and rows of every odd kind."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from eventlog.memory import MemoryRecorder
from eventlog.postgres import PostgresRecorder
from eventlog.recorded import Meta, Recorded

START = datetime(2026, 3, 1, 22, tzinfo=UTC)
TOPICS = ("wallet.posted.v1", "posting.recorded.v1", "payment-order.created.v1", "period.closed.v1")
ALL = 10_000_000

ODD_STATES = (
    b"{}",
    b"",
    '{"name": "Grüße, 你好, 😀, \\u0000", "quote": "\\"\'\\n"}'.encode(),
    b"no JSON at all\x00\n\r",
    b"\xff\xfe no UTF-8",
    b'{"huge": "' + b"x" * 6_000_000 + b'"}',
)
ODD_METAS = (Meta(), Meta(correlation="é\n\t", actor='"quoted"'), Meta(rule="r" * 5_000, code="😀"))


class Clock:
    """Goes on by about `step`, and now and then says a time that is earlier or later than its neighbours'."""

    def __init__(self, seed: int, step: timedelta, spread: timedelta = timedelta(minutes=5)) -> None:
        self._random = random.Random(seed)
        self._now, self._step, self._spread = START, step, spread

    def __call__(self) -> datetime:
        self._now += self._step
        return self._now + self._spread * self._random.uniform(-1, 1)


def append(log: MemoryRecorder | PostgresRecorder, count: int, seed: int = 0) -> None:
    """Plain events, in commands of one to five, of three books."""
    chance = random.Random(seed)
    while count > 0:
        size = min(chance.randint(1, 5), count)
        stream, topic = UUID(int=chance.getrandbits(128)), chance.choices(TOPICS, (6, 3, 2, 0.02))[0]
        events = [StoredEvent(stream, v, topic, b'{"n": %d}' % chance.getrandbits(40)) for v in range(1, size + 1)]
        log.insert_events(events, book=chance.choice((1, 1, 2, 3)), meta=Meta(actor=f"key-{chance.randint(1, 9)}"))
        count -= size


def append_odd(log: MemoryRecorder | PostgresRecorder) -> None:
    """One row of every odd kind."""
    for number, state in enumerate(ODD_STATES):
        for other, meta in enumerate(ODD_METAS):
            stream = UUID(int=(1 << 100) + number * 100 + other)
            log.insert_events([StoredEvent(stream, 1, "odd.happened.v1", state)], book=2**31 - 1, meta=meta)


def every_row(log: object) -> list[Recorded]:
    """All that a reader gives from the beginning, page by page."""
    return list(_rows(log))


def _rows(log: object) -> Iterator[Recorded]:
    after = 0
    while rows := log.read(after, 997):  # type: ignore[attr-defined]
        yield from rows
        after = rows[-1].position


def parquet_files(directory: Path) -> list[Path]:
    """The archive's data, oldest first."""
    return sorted(directory.glob("day=*/*.parquet"), key=lambda path: path.name)
