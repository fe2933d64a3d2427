"""The simulator's one SQLite file: transactions that many requests share, and a few settings that outlive a kill.

Only the thread that serves requests uses the connection. Commits survive the death of the process; `synchronous =
normal` may lose the last of them when the machine loses power, which is enough for money that does not exist.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = Path(__file__).parent
VERSION: Final = 1
EARLIER: Final = 0
"""The version that SQLite gives a file in which nobody has written one: also the books of the first simulator."""


class BooksOfAnotherVersion(RuntimeError):
    """The file was written by a later simulator than this one."""


class GroupLost(RuntimeError):
    """SQLite gave the shared transaction up (the disk is full, say): nothing of it happened, nobody may be answered."""


class Store:
    """Opens or creates the file at `database`. Raises `BooksOfAnotherVersion`.

    With `deferred` set, operations collect in one transaction until `commit`: a commit costs more than most operations,
    and requests that arrive together may as well become durable together. Replies have to wait for it.
    """

    def __init__(self, database: Path) -> None:
        self.deferred = False
        self._open = False
        self._lost = False
        self._within = False
        self._connection = sqlite3.connect(
            database, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.execute("pragma foreign_keys = on")
        try:
            self._create()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Folds the write-ahead log into the file."""
        self._connection.close()

    @contextmanager
    def operation(self) -> Iterator[sqlite3.Connection]:
        """All or nothing of what the block writes; an operation within an operation is a part of it."""
        connection = self._connection
        if self._within:
            yield connection
            return
        if not self._open:
            connection.execute("begin immediate")
            self._open = True
        connection.execute("savepoint operation")
        self._within = True
        try:
            yield connection
        except BaseException:
            self._undo()
            raise
        finally:
            self._within = False
        connection.execute("release operation")
        if not self.deferred:
            self.commit()

    def commit(self) -> None:
        """Makes the group durable. Raises `GroupLost`, or SQLite's own error; then nothing of it happened."""
        if not self._open:
            return
        self._open = False
        if self._lost:
            self._lost = False
            raise GroupLost("the shared transaction was rolled back")
        try:
            self._connection.execute("commit")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """What a query finds; it sees the group's own writes."""
        return [dict(row) for row in self._connection.execute(statement, values)]

    def write(self, statement: str, *values: object) -> None:
        """Change something; to be called within an operation."""
        self._connection.execute(statement, values)

    def row(self, statement: str, *values: object) -> dict[str, Any] | None:
        """The first of what a query finds."""
        found = self._connection.execute(statement, values).fetchone()
        return None if found is None else dict(found)

    def value(self, statement: str, *values: object) -> Any:
        """The first column of the first row; None when there is none."""
        found = self._connection.execute(statement, values).fetchone()
        return None if found is None else found[0]

    def setting(self, name: str) -> Any:
        """A setting as it was kept, or None."""
        text = self.value("select body from settings where name = ?", name)
        return None if text is None else json.loads(text)

    def keep_setting(self, name: str, body: object) -> None:
        """Keep a setting; to be called within an operation."""
        self._connection.execute("insert or replace into settings values (?, ?)", (name, json.dumps(body)))

    def empty(self) -> None:
        """Forget everything, within an operation. Numbers that were given out are given out again."""
        tables = self.rows("select name from sqlite_schema where type = 'table' and name <> 'sqlite_sequence'")
        self._connection.execute("pragma defer_foreign_keys = on")
        for table in tables:
            self._connection.execute(f"delete from {table['name']}")  # noqa: S608  names of our own schema
        self._connection.execute("delete from sqlite_sequence")

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("rollback to operation")
            self._connection.execute("release operation")
            if not self.deferred:
                self.commit()
        else:
            self._lost = self.deferred
            self._open = self.deferred

    def _create(self) -> None:
        version = self._connection.execute("pragma user_version").fetchone()[0]
        if version > VERSION:
            raise BooksOfAnotherVersion(f"the books are of version {version}, this simulator reads {VERSION}")
        first = "select count(*) from sqlite_schema where name = 'authorisations'"
        is_earlier = version == EARLIER and self.value(first) > 0
        script = (FOLDER / "schema.sql").read_text(encoding="utf-8")
        if is_earlier:
            script = (FOLDER / "upgrade.sql").read_text(encoding="utf-8").replace("-- SCHEMA", script)
        if version < VERSION:
            self._connection.executescript(f"begin;\n{script}\npragma user_version = {VERSION};\ncommit;")
