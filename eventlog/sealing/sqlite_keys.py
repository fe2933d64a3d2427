"""The key store of a running copy: a SQLite file of its own, used by several processes at once.

Data keys stand in it wrapped by a master key. What is erased is overwritten: `secure_delete` fills freed space with
zeros, VACUUM leaves no stale copy in a page, and the rollback journal, which is kept in place (PERSIST) so that it can
be, is overwritten too. Below that a file system may keep old blocks (copy on write, journals, snapshots, worn flash);
a rotation makes those worthless, since it forgets the master key that they are wrapped with.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from domain.sealed import KeysUnavailable, SubjectErased
from eventlog.sealing.cipher import KEY_BYTES, NONCE_BYTES, Forged, decrypt, encrypt
from eventlog.sealing.keys import DataKey, Heard, KeyState, Rotation, unheard
from eventlog.sealing.master_keys import MasterKeys
from eventlog.sealing.private_files import OWNER_ONLY, make_directory, overwrite
from eventlog.sealing.rewrapping import finished, rewrapped, target

BUSY_TIMEOUT_S = 60.0
UNWRAP_TRIES = 50
"""A row read just before a rotation wraps it anew and forgets the old master key is read again; once is enough."""

SCHEMA = """
create table if not exists store (one integer primary key check (one = 1), master integer not null);
create table if not exists data_keys (
    book integer not null,
    subject text not null,
    key_id text not null,
    master integer,
    wrapped blob,
    made_at text not null,
    erased_at text,
    primary key (book, subject),
    check ((wrapped is null) = (erased_at is not null) and (master is null) = (wrapped is null))
) without rowid;
create index if not exists data_keys_by_master on data_keys (master) where master is not null;
"""
_making = threading.Lock()
log = structlog.get_logger(__name__)

STATE = "select book, subject, key_id, master, made_at, erased_at from data_keys where book = ?"


class SqliteKeyStore:
    """Implements `KeyStore`. `path` is made, readable by its owner alone, when the first key is; connections are kept
    and shared by the threads."""

    def __init__(self, path: Path, master_keys: MasterKeys) -> None:
        """Touches nothing yet, so that a copy which seals nothing has no keys."""
        self._path = path
        self._master_keys = master_keys
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    def data_key(self, book: int, subject: str) -> DataKey:
        """See KeyStore."""
        with self._connection(make=True) as connection:
            found = self._found(connection, book, subject)
            if found is None:
                self._make(connection, book, subject)
                found = self._found(connection, book, subject)
            assert found is not None  # noqa: S101 - narrowing only: rows are never deleted
            return found

    def known_key(self, book: int, subject: str) -> DataKey:
        """See KeyStore."""
        with self._connection() as connection:
            found = None if connection is None else self._found(connection, book, subject)
        if found is None:
            raise KeysUnavailable(f"there is no key of subject {subject} in {self._path}; is it the right key store?")
        return found

    def erase(self, book: int, subject: str) -> KeyState | None:
        """See KeyStore. Overwrites also when the key is destroyed already: whoever did may have been killed then."""
        with self._connection() as connection:
            if connection is None:
                return None
            gone = "update data_keys set wrapped = null, master = null, erased_at = ? where book = ? and subject = ?"
            with _writing(connection):
                connection.execute(f"{gone} and erased_at is null", (_now(), book, subject))
            state = _state(connection, book, subject)
            if state is not None:
                connection.execute("vacuum")
                self._overwrite_journal(connection)
            return state

    def state(self, book: int, subject: str) -> KeyState | None:
        """See KeyStore."""
        with self._connection() as connection:
            return None if connection is None else _state(connection, book, subject)

    def states(self, book: int) -> list[KeyState]:
        """See KeyStore."""
        with self._connection() as connection:
            if connection is None:
                return []
            return [_told(row) for row in connection.execute(f"{STATE} order by subject", (book,))]

    def rotate(self, heard: Heard = unheard) -> Rotation:
        """See KeyStore. A second rotation waits for the first."""
        with self._connection() as connection:
            if connection is None:
                raise KeysUnavailable(f"there is no key store {self._path}; nothing was sealed yet, or it is elsewhere")
            with self._master_keys.held():
                return self._rotated(connection, heard)

    def _rotated(self, connection: sqlite3.Connection, heard: Heard) -> Rotation:
        version, resumed = target(connection, self._master_keys)
        with _writing(connection):  # from here on no key is wrapped with an older one
            connection.execute("update store set master = ?", (version,))
        count = 0
        while done := self._rewrap_some(connection, version):
            count += done
            heard(count)
        finished(connection, version)
        self._master_keys.retire(below=version)
        self._overwrite_journal(connection)
        return Rotation(version, count, resumed)

    def check(self) -> int | None:
        """See KeyStore."""
        with self._connection() as connection:
            if connection is None:
                return None
            (master,) = connection.execute("select master from store").fetchone()
            if master not in self._master_keys.versions():
                raise KeysUnavailable(f"{self._master_keys.path} has not the current master key, version {master}")
            some = "select book, subject, key_id, master, wrapped from data_keys where wrapped is not null limit 1"
            for row in connection.execute(some).fetchall():
                self._unwrap(*row)
            return int(master)

    def close(self) -> None:
        """See KeyStore."""
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def _rewrap_some(self, connection: sqlite3.Connection, version: int) -> int:
        with _writing(connection):
            return rewrapped(connection, version, self._unwrap, self._wrap)

    def _found(self, connection: sqlite3.Connection, book: int, subject: str) -> DataKey | None:
        select = "select key_id, master, wrapped from data_keys where book = ? and subject = ?"
        master = 0
        for _ in range(UNWRAP_TRIES):
            row = connection.execute(select, (book, subject)).fetchone()
            if row is None:
                return None
            key_id, master, wrapped = row
            if wrapped is None:
                raise SubjectErased(f"subject {subject} was erased", "subject")
            key = self._unwrap(book, subject, key_id, master, wrapped)
            if key is not None:
                return DataKey(key_id, key)
        raise KeysUnavailable(f"{self._master_keys.path} has not the master key {master} of subject {subject}'s key")

    def _make(self, connection: sqlite3.Connection, book: int, subject: str) -> None:
        """Under the write lock, so that the master key is the one that a rotation, too, takes for the current one."""
        key_id, key = os.urandom(16).hex(), os.urandom(KEY_BYTES)
        with _writing(connection):
            (master,) = connection.execute("select master from store").fetchone()
            wrapped = self._wrap(book, subject, key_id, master, key)
            insert = "insert or ignore into data_keys values (?, ?, ?, ?, ?, ?, null)"
            connection.execute(insert, (book, subject, key_id, master, wrapped, _now()))

    def _wrap(self, book: int, subject: str, key_id: str, master: int, key: bytes) -> bytes:
        by = self._master_keys.key(master)
        if by is None:
            raise KeysUnavailable(f"{self._master_keys.path} has not the current master key, version {master}")
        nonce = os.urandom(NONCE_BYTES)
        return nonce + encrypt(by, nonce, key, _wrapped_data(book, subject, key_id, master))

    def _unwrap(self, book: int, subject: str, key_id: str, master: int, wrapped: bytes) -> bytes | None:
        """None when the master key is not there (any more)."""
        by = self._master_keys.key(master)
        if by is None:
            return None
        nonce, ciphertext = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return decrypt(by, nonce, ciphertext, _wrapped_data(book, subject, key_id, master))
        except Forged:
            message = f"the key of subject {subject} in {self._path} does not open with master key {master}"
            raise KeysUnavailable(f"{message}: one of the two files is another copy's") from None

    def _overwrite_journal(self, connection: sqlite3.Connection) -> None:
        """Zeros over the journal, under the write lock and before anything is written, when SQLite has no use of it."""
        with _writing(connection):
            try:
                descriptor = os.open(f"{self._path}-journal", os.O_WRONLY)
            except FileNotFoundError:
                return
            overwrite(descriptor)

    @contextmanager
    def _connection(self, *, make: bool = False) -> Iterator[Any]:
        """A connection that no other thread uses meanwhile; None when there is no store and none is to be made."""
        try:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                if not make and not self._path.exists():
                    yield None
                    return
                connection = self._opened()
            try:
                yield connection
            except sqlite3.Error:
                connection.close()
                raise
            except BaseException:
                self._put_back(connection)
                raise
            self._put_back(connection)
        except sqlite3.Error as problem:
            raise KeysUnavailable(f"the key store {self._path} cannot be used: {problem}") from problem
        except OSError as problem:
            raise KeysUnavailable(f"the keys cannot be used: {problem}") from problem

    def _put_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            self._idle.append(connection)

    def _opened(self) -> sqlite3.Connection:
        _make_private(self._path)
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=16
        )
        for pragma in ("secure_delete = on", "journal_mode = persist", "synchronous = full", "temp_store = memory"):
            connection.execute(f"pragma {pragma}").fetchall()
        if not _has_begun(connection):
            self._begin(connection)
        return connection

    def _begin(self, connection: sqlite3.Connection) -> None:
        """The tables and the first master key. The keys' lock comes before the store's here as in a rotation."""
        with self._master_keys.held():
            for statement in filter(str.strip, SCHEMA.split(";")):
                connection.execute(statement)
            with _writing(connection):
                if connection.execute("select 1 from store").fetchone() is None:
                    # Once in a lifetime: told again, the old store was lost, and its people with it.
                    log.warning("keys.store_made", path=str(self._path))
                    version = max(self._master_keys.versions(), default=0) or self._master_keys.add()
                    connection.execute("insert into store values (1, ?)", (version,))


def _make_private(path: Path) -> None:
    """An empty file for SQLite, readable by its owner alone. Only one thread at a time, and never once there is a file:
    a descriptor that is closed takes along all locks of its process, also those of another thread's SQLite."""
    make_directory(path)
    with _making, suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY))


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _has_begun(connection: sqlite3.Connection) -> bool:
    tables = connection.execute("select 1 from sqlite_master where name = 'data_keys_by_master'").fetchone()
    return tables is not None and connection.execute("select 1 from store").fetchone() is not None


def _wrapped_data(book: int, subject: str, key_id: str, master: int) -> bytes:
    return f"data key|{book}|{subject}|{key_id}|{master}".encode()


def _state(connection: sqlite3.Connection, book: int, subject: str) -> KeyState | None:
    row = connection.execute(f"{STATE} and subject = ?", (book, subject)).fetchone()
    return None if row is None else _told(row)


def _told(row: tuple[int, str, str, int | None, str, str | None]) -> KeyState:
    book, subject, key_id, master, made_at, erased_at = row
    erased = None if erased_at is None else datetime.fromisoformat(erased_at)
    return KeyState(book, subject, key_id, master, datetime.fromisoformat(made_at), erased)


def _now() -> str:
    return datetime.now(UTC).isoformat()
