"""The posting engine draining facts from the log, its place in the log committed with every batch.

The mix: releases of funds of `SHARES` sellers each, two lines per share (pending to available), over 10,000 wallets.
Hot: the first share of every posting is the same seller's, so that one wallet pair takes a part in each of them.
`engine.pairs` is the costliest mix there is: two lines per posting, so that a third of all events carries no line.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg

from domain.ids import stream_id
from domain.payment_events import FundsReleased
from domain.splitting import Share
from eventlog.fenced import FencedRecorder
from eventlog.mapper import LogMapper
from eventlog.postgres import PostgresRecorder
from ledger.engine import PostingEngine
from tests.benchmarks.report import Row

BOOK = 1
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SELLERS = 5_000  # a pending and an available wallet each
SHARES = 4
LINES = 240_000
FACTS_PER_INSERT = 1_000
PATIENCE_S = 300.0
TRACKED = "select position from log.tracking where name = %s"


def run(database_url: str) -> list[Row]:
    """Lines per second of each mix; wallets exist beforehand, as they do on any day but the first."""
    rows = []
    feed = _Feed(database_url)
    try:
        feed.write([[seller] for seller in range(SELLERS)])
        _drain(database_url)
        uniform = _measured(feed, database_url, SHARES, hot=False)
        hot = _measured(feed, database_url, SHARES, hot=True)
        pairs = _measured(feed, database_url, 1, hot=False)
    finally:
        feed.close()
    mix = f"{2 * SHARES} lines per posting"
    rows.append(Row("engine.uniform", uniform, f"lines/s, {mix}"))
    rows.append(Row("engine.hot", hot, f"lines/s, {mix}", f"uniform {uniform:,.0f}", hot / uniform))
    rows.append(Row("engine.pairs", pairs, "lines/s, 2 lines per posting", f"uniform {uniform:,.0f}", pairs / uniform))
    return rows


class _Feed:
    """Writes facts as payments would; `count` makes their streams differ."""

    def __init__(self, database_url: str) -> None:
        self._recorder = PostgresRecorder(database_url)
        self._mapper = LogMapper()
        self._count = 0

    def write(self, sellers_of_facts: list[list[int]]) -> None:
        """One release of funds per list of sellers."""
        for start in range(0, len(sellers_of_facts), FACTS_PER_INSERT):
            part = sellers_of_facts[start : start + FACTS_PER_INSERT]
            self._recorder.insert_events([self._mapper.to_stored_event(e) for e in self._facts(part)], book=BOOK)

    def _facts(self, part: list[list[int]]) -> Iterator[FundsReleased]:
        for sellers in part:
            self._count += 1
            fields: dict[str, Any] = {
                "originator_id": stream_id(BOOK, "payment-order", f"bench-{self._count}"),
                "originator_version": 1,
                "timestamp": AT,
                "capture_id": f"capture-{self._count}",
                "currency": "EUR",
                "shares": [Share(f"seller-{seller}", 1_000, 100) for seller in sellers],
                "effective_at": AT,
            }
            yield FundsReleased(**fields)

    def close(self) -> None:
        self._recorder.close()


def _measured(feed: _Feed, database_url: str, shares: int, *, hot: bool) -> float:
    """Lines per second from the first commit of a drain to its last."""
    dice = random.Random(shares)
    facts = [[dice.randrange(1, SELLERS) for _ in range(shares)] for _ in range(LINES // (2 * shares))]
    if hot:
        facts = [[0, *sellers[1:]] for sellers in facts]
    feed.write(facts)
    return LINES / _drain(database_url)


def _drain(database_url: str) -> float:
    """Runs an engine until every fact is posted; gives the seconds since it had read its wallets."""
    recorder = FencedRecorder(database_url, [BOOK])
    engine = PostingEngine(recorder, lambda: datetime.now(UTC))
    stop = threading.Event()
    thread = threading.Thread(target=engine.run, args=[stop], name="engine")
    try:
        with psycopg.connect(database_url, autocommit=True) as watch:
            found = watch.execute("select max(position) from log.events where topic = %s", [FundsReleased.TOPIC])
            last = (found.fetchone() or [0])[0]
            thread.start()
            engine.owning.wait(PATIENCE_S)
            began = time.perf_counter()
            while (watch.execute(TRACKED, [f"engine/{BOOK}"]).fetchone() or [0])[0] < last:
                if not thread.is_alive() or time.perf_counter() - began > PATIENCE_S:
                    message = "the engine stopped before it had posted every fact"
                    raise RuntimeError(message)
                stop.wait(0.02)
            return time.perf_counter() - began
    finally:
        stop.set()
        thread.join()
        recorder.close()
