"""One process at a time rebuilds a view, and none drops what another fills."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg

LOCK = "select pg_try_advisory_lock(hashtextextended('daybook replay of ' || %s, 0))"
UNLOCK = "select pg_advisory_unlock(hashtextextended('daybook replay of ' || %s, 0))"


class AlreadyRebuilding(RuntimeError):
    """Another process rebuilds this view: wait for it, or stop it; it can be resumed."""


@contextlib.contextmanager
def alone(connection: psycopg.Connection[Any], view: str) -> Iterator[None]:
    """No other process rebuilds the view while a block does something to what is filled. Raises AlreadyRebuilding.

    The lock is given back at once: the server notices the end of a session a moment later, and who runs it again before
    that would be refused.
    """
    row = connection.execute(LOCK, [view]).fetchone()
    if not row or not row[0]:
        raise AlreadyRebuilding(f"view {view} is being rebuilt by another process")
    try:
        yield
    finally:
        with contextlib.suppress(psycopg.Error):
            connection.execute(UNLOCK, [view])
