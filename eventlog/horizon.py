"""Knows how far the log can be read: one reader per process, woken by LISTEN, polling when nothing wakes it.

Events become readable only below the horizon (see migrations/0001_event_log.sql). Each second that brought events the
reader also writes a time mark, by which "as of 14:00" becomes a position once and for all.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
from prometheus_client import Gauge
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

CHANNEL = "daybook_log"
POLL_SECONDS = 0.25
LOOK_AT_AGE_SECONDS = 1.0
NOTIFY_INTERVAL_SECONDS = 0.008
LAST_READABLE = """
select position from log.events where position < (select log.horizon()) order by position desc limit 1
"""
MARK = """
insert into log.time_marks (marked_at, position) select clock_timestamp(), %b::bigint
 where not exists (select from log.time_marks where marked_at > clock_timestamp() - interval '1 second')
on conflict do nothing
"""
NOTIFY = "select pg_notify(channel, '') from unnest(%b::text[]) channel"
STANDING = """
select h, h < log.base() + (pg_snapshot_xmax(pg_current_snapshot())::text::bigint << 20)
  from (select log.horizon() as h) q
"""
POSITION_AT = "select position from log.time_marks where marked_at <= %b order by marked_at desc limit 1"


HORIZON_AGE = Gauge(
    "daybook_log_horizon_age_seconds", "How long one open transaction has held the horizon, and so every follower, back"
)


def channel_of(kind: str = "") -> str:
    """The channel that tells of new events of one kind of stream (the part of a topic before its first dot), or,
    without a kind, of every event. A process that follows orders is not to be woken for every line of every wallet."""
    return f"{CHANNEL}/{kind}" if kind else CHANNEL


def channels_of(topics: Iterable[str]) -> set[str]:
    """The channels to tell of events with these topics."""
    return {CHANNEL, *(channel_of(topic.partition(".")[0]) for topic in topics)}


class Horizon(Protocol):
    """What a follower needs to know; `last` is the position of the last readable event, 0 when there is none."""

    @property
    def last(self) -> int: ...

    def wait(self, after: int, timeout: float) -> int:
        """Blocks until an event beyond `after` is readable or `timeout` seconds have passed; answers `last`."""
        ...

    def close(self) -> None: ...


class HorizonReader:
    """The process's one reader of the horizon. Survives a lost connection: it reconnects and polls meanwhile."""

    def __init__(
        self, connect: Callable[[], psycopg.Connection[Any]], *, kinds: Sequence[str] = (), marks: bool = True
    ) -> None:
        """Woken by events of these kinds of streams, or by all; others are noticed by the next poll."""
        self._connect = connect
        self._channels = [channel_of(kind) for kind in kinds] or [CHANNEL]
        self._marks = marks
        self._last = 0
        self._moved = threading.Condition()
        self._closing = threading.Event()
        self._marked = (0, 0.0)
        self._stood_at = (0, time.monotonic())
        self._looked_at = 0.0
        self.reconnects = 0
        self._thread = threading.Thread(target=self._run, name="horizon", daemon=True)
        self._thread.start()

    @property
    def last(self) -> int:
        return self._last

    def wait(self, after: int, timeout: float) -> int:
        with self._moved:
            self._moved.wait_for(lambda: self._last > after or self._closing.is_set(), timeout)
            return self._last

    def close(self) -> None:
        self._closing.set()
        with self._moved:
            self._moved.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with self._connect() as connection:
                    for channel in self._channels:
                        connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
                    while not self._closing.is_set():
                        self._read(connection)
                        for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                            pass
            except psycopg.Error:
                self.reconnects += 1
                self._closing.wait(POLL_SECONDS)

    def _read(self, connection: psycopg.Connection[Any]) -> None:
        row = connection.execute(LAST_READABLE, prepare=True).fetchone()
        last = row[0] if row else 0
        if last != self._last:
            with self._moved:
                self._last = last
                self._moved.notify_all()
        marked, at = self._marked
        if self._marks and last != marked and time.monotonic() - at >= 1.0:
            connection.execute(MARK, [last])
            self._marked = (last, time.monotonic())
        if time.monotonic() - self._looked_at >= LOOK_AT_AGE_SECONDS:
            self._look_at_age(connection)

    def _look_at_age(self, connection: psycopg.Connection[Any]) -> None:
        """Tell how long the horizon has stood still below the newest transaction; zero while it moves."""
        self._looked_at = now = time.monotonic()
        row = connection.execute(STANDING, prepare=True).fetchone()
        horizon, behind = row or (0, False)
        if not behind or horizon != self._stood_at[0]:
            self._stood_at = (horizon, now)
        HORIZON_AGE.set(now - self._stood_at[1])


class Notifier:
    """Tells followers that a commit has happened: outside the write transaction and coalesced, because NOTIFY takes
    a database-wide lock at its commit. A notice that gets lost costs a follower one poll, never an event."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._topics: set[str] = set()
        self._guard = threading.Lock()
        self._wanted = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._thread.start()

    def wake(self, topics: Iterable[str]) -> None:
        """Costs the writer nothing but a note of the topics it has written."""
        with self._guard:
            self._topics.update(topics)
        self._wanted.set()

    def close(self) -> None:
        self._closing = True
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            try:
                with self._connect() as connection:
                    while not self._closing:
                        self._wanted.wait()
                        self._wanted.clear()
                        with self._guard:
                            topics, self._topics = self._topics, set()
                        connection.execute(NOTIFY, [sorted(channels_of(topics))], prepare=True, binary=True)
                        time.sleep(NOTIFY_INTERVAL_SECONDS)
            except psycopg.Error:
                time.sleep(POLL_SECONDS)
