"""How the log's connections are made: what every session of the application must be set to, in one place."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from eventlog import arrays
from eventlog.errors import LogUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A stuck writer holds every follower back: it is ended by the server. Keepalives find a dead peer within a minute.
# Queries name views without a schema, so that the same query can be asked of a view as it was (replay.past).
SESSION = (
    "-c role=daybook_app -c idle_in_transaction_session_timeout=10s -c lock_timeout=10s "
    "-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3 -c timezone=UTC "
    "-c search_path=views"
)
# What the log and the machine of the views ask finds its rows by key or position. A plan that was made, and kept, while
# a table was empty would scan the whole of it for ever after; so would not one made with these.
LOOKUPS = f"{SESSION} -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
READ_SECONDS_MAX = 15.0


def connect(database_url: str) -> psycopg.Connection[Any]:
    """A session of the application's role in autocommit: each statement has a snapshot of its own. It looks rows up."""
    connection = psycopg.connect(database_url, autocommit=True, options=LOOKUPS, prepare_threshold=1)
    _configure(connection)
    return connection


def _configure(connection: psycopg.Connection[Any]) -> None:
    """msgspec reads the `meta` of a row several times as fast as the standard library; arrays are sent packed."""
    arrays.register(connection)
    set_json_loads(msgspec.json.decode, connection)


class Readers:
    """A small pool for reads, which may be repeated: a lost connection is replaced and the read done again.

    `options` are the sessions' settings: LOOKUPS to find rows by key, SESSION to ask whatever the planner answers best.
    `patience_s` is how long a read is tried.
    """

    def __init__(
        self, database_url: str, size_max: int = 8, *, options: str = SESSION, patience_s: float = READ_SECONDS_MAX
    ) -> None:
        self._patience_s = patience_s
        self._pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            database_url,
            min_size=0,
            max_size=size_max,
            kwargs={"autocommit": True, "options": options, "prepare_threshold": 1},
            configure=_configure,
            open=True,
            name="log-readers",
        )

    def read(self, query: Callable[[psycopg.Connection[Any]], Any]) -> Any:
        """Runs a read, again if the connection is lost under it. Raises LogUnavailable when that takes too long."""
        give_up_at = time.monotonic() + self._patience_s
        while True:
            try:
                with self._pool.connection(timeout=self._patience_s) as connection:
                    return query(connection)
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed) as error:
                if time.monotonic() > give_up_at or isinstance(error, PoolClosed):
                    message = f"The log cannot be read: {error}"
                    raise LogUnavailable(message) from error
                time.sleep(0.05)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A pooled session for a caller who handles its loss himself."""
        with self._pool.connection(timeout=self._patience_s) as connection:
            yield connection

    def close(self) -> None:
        self._pool.close()
