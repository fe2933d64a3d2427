"""How rails are doing, from the process that calls them to those that show it, by a table of the database.

The payment process writes what has changed every few seconds, and a sign of life of each rail every minute: a report
that is older says that nobody reports any more, and nothing about the rail.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import psycopg
import structlog
from psycopg.types.json import Jsonb

from rails.guarded import GuardedRail
from rails.health import declared
from rails.port import Capabilities

INTERVAL_SECONDS: Final = 5.0
SIGN_OF_LIFE_SECONDS: Final = 60.0
STALE_AFTER_SECONDS: Final = 150.0
"""Two signs of life that did not come, and time for a third to be late."""

_WRITE = """
insert into rails.health (rail, capabilities, operations) values (%s, %s, %s)
on conflict (rail) do update set capabilities = excluded.capabilities, operations = excluded.operations,
       reported_at = clock_timestamp()
"""
_FORGET = "delete from rails.health where rail <> all(%s)"
_READ = """
select rail, reported_at, clock_timestamp() - reported_at > make_interval(secs => %s) as stale, capabilities, operations
  from rails.health
"""

log = structlog.get_logger()


class Reports:
    """Writes how rails are doing. `connect` gives a session in autocommit, again after one was lost; `clock` counts
    seconds. Used by one thread."""

    def __init__(
        self,
        rails: Mapping[str, GuardedRail],
        connect: Callable[[], psycopg.Connection[Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rails = {name: rail for name, rail in rails.items() if rail.capabilities.calls}
        self._connect, self._clock = connect, clock
        self._connection: psycopg.Connection[Any] | None = None
        self._written: dict[str, tuple[bytes, float]] = {}

    def run(self, stop: threading.Event, interval_s: float = INTERVAL_SECONDS) -> None:
        """Until `stop` is set. A database that cannot be reached is tried again: payments go on without reports."""
        away = False
        while True:
            try:
                self.report()
                away = False
            except psycopg.Error as error:
                self.close()
                if not away:
                    log.warning("rails.health_not_reported", reason=str(error))
                away = True
            if stop.wait(interval_s):
                return

    def report(self) -> list[str]:
        """Writes what has changed, or was written long ago; answers of which rails. Raises `psycopg.Error`."""
        if self._connection is None:
            self._connection = self._connect()
            self._written = {}
            self._connection.execute(_FORGET, [sorted(self._rails)])
        return [name for name, rail in self._rails.items() if self._report(self._connection, name, rail)]

    def close(self) -> None:
        """Gives the session back; the next report opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _report(self, connection: psycopg.Connection[Any], name: str, rail: GuardedRail) -> bool:
        told = msgspec.json.encode(rail.health())
        last, at = self._written.get(name, (b"", 0.0))
        now = self._clock()
        if told == last and now - at < SIGN_OF_LIFE_SECONDS:
            return False
        connection.execute(_WRITE, [name, Jsonb(shown(rail.capabilities)), told.decode()])
        self._written[name] = (told, now)
        return True


def shown(capabilities: Capabilities) -> dict[str, Any]:
    """A rail's capabilities in short: what it takes, and what can be paid by."""
    able = capabilities
    flags = ("partial_capture", "multiple_capture", "idempotency_keys", "action", "pending")
    return {
        "capabilities": [*declared(able), *(flag for flag in flags if getattr(able, flag))],
        "methods": sorted(able.methods),
        "currencies": None if able.currencies is None else sorted(able.currencies),
    }


def reported(rows: Callable[[str, list[Any]], list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The latest report of each rail, by its name; `rows` runs a query. `stale` says that nobody reports any more."""
    return {row.pop("rail"): row for row in rows(_READ, [STALE_AFTER_SECONDS])}
