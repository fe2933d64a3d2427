"""The steps of a rotation of the master key over the tables of the SQLite key store.

First the file gets the new master key, then the store names it as the current one, then every data key is wrapped with
it, in small transactions between which others read and write, and at last the file forgets the old ones. Killed between
any two steps, the next rotation sees which is missing and goes on there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from domain.sealed import KeysUnavailable
from eventlog.sealing.master_keys import MasterKeys

BATCH = 500
_BEHIND = "from data_keys where master is not null and master < ?"

Unwrap = Callable[[int, str, str, int, bytes], bytes | None]
Wrap = Callable[[int, str, str, int, bytes], bytes]


def target(connection: sqlite3.Connection, master_keys: MasterKeys) -> tuple[int, bool]:
    """The version to wrap with, and whether an earlier rotation has made it. Call it within `master_keys.held`."""
    (current,) = connection.execute("select master from store").fetchone()
    versions = master_keys.versions()
    if not versions or max(versions) < current:
        raise KeysUnavailable(f"{master_keys.path} has not the current master key, version {current}; put it back")
    behind = connection.execute(f"select 1 {_BEHIND} limit 1", (current,)).fetchone()
    if max(versions) > current or min(versions) < current or behind is not None:
        return max(versions), True
    return master_keys.add(), False


def rewrapped(connection: sqlite3.Connection, version: int, unwrap: Unwrap, wrap: Wrap) -> int:
    """Wrap the next data keys with the version; answers how many. Call it within a transaction that may write."""
    rows = connection.execute(
        f"select book, subject, key_id, master, wrapped {_BEHIND} limit ?", (version, BATCH)
    ).fetchall()
    anew = []
    for book, subject, key_id, master, wrapped in rows:
        key = unwrap(book, subject, key_id, master, wrapped)
        if key is None:
            raise KeysUnavailable(f"the master key {master} of subject {subject}'s key is lost; nothing was changed")
        anew.append((version, wrap(book, subject, key_id, version, key), book, subject))
    connection.executemany("update data_keys set master = ?, wrapped = ? where book = ? and subject = ?", anew)
    return len(anew)


def finished(connection: sqlite3.Connection, version: int) -> None:
    """Raise KeysUnavailable if any data key still needs an older master key."""
    (left,) = connection.execute(f"select count(*) {_BEHIND}", (version,)).fetchone()
    if left:
        raise KeysUnavailable(f"{left} data keys are still wrapped with an older master key; rotate again")
