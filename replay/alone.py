"""One process at a time rebuilds a view, and none drops what another fills."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import psycopg

PATIENCE_S = 3.0
PAUSE_S = 0.05
LOCK = "select pg_try_advisory_lock(hashtextextended('daybook replay of ' || %s, 0))"
UNLOCK = "select pg_advisory_unlock(hashtextextended('daybook replay of ' || %s, 0))"


class AlreadyRebuilding(RuntimeError):
    """Another process rebuilds this view: wait for it, or stop it; it can be resumed."""


@contextlib.contextmanager
def alone(connection: psycopg.Connection[Any], view: str, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """No other process rebuilds the view while a block does something to what is filled. Raises AlreadyRebuilding.

    The server notices a moment later that a process was killed, so who runs it again is let wait for that. For the same
    reason the lock is given back at once, and not left to the end of the session.
    """
    deadline = time.monotonic() + patience_s
    while not _locked(connection, view):
        if time.monotonic() > deadline:
            raise AlreadyRebuilding(f"view {view} is being rebuilt by another process")
        time.sleep(PAUSE_S)
    try:
        yield
    finally:
        with contextlib.suppress(psycopg.Error):
            connection.execute(UNLOCK, [view])


def _locked(connection: psycopg.Connection[Any], view: str) -> bool:
    row = connection.execute(LOCK, [view]).fetchone()
    return bool(row and row[0])
