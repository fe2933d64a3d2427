"""Looks for texts wherever a running copy could have spilt them: files as they lie on the disk, rows of every table as
the database gives them out, and exports, in each encoding in which a text may stand there."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
import pyarrow.parquet as pq
from psycopg import sql

TABLES = """
select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'm', 'p') and has_table_privilege(c.oid, 'select') order by 1, 2
"""


def spellings(text: bytes) -> list[bytes]:
    """The text as it is, in hexadecimal digits as PostgreSQL's log shows bytea, percent-encoded, wide, and in the three
    ways that base64 may cut it."""
    found = {text, text.hex().encode(), text.hex().upper().encode(), quote(text).encode()}
    if text.isascii():
        found.add(text.decode().encode("utf-16-le"))
    for before in range(3):
        whole = base64.b64encode(bytes(before) + text)
        inner = whole[4 if before else 0 : -4]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return sorted(found)


class Search:
    """Texts to look for, by name."""

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        """A text has at least 12 bytes, so that nothing else looks like it by chance."""
        assert all(len(text) >= 12 for text in texts.values())
        self._spelt = [(name, spelling) for name, text in texts.items() for spelling in spellings(text)]
        self._any = re.compile(b"|".join(re.escape(spelling) for _, spelling in self._spelt))

    def names(self, content: bytes) -> set[str]:
        """Which of them stand in it."""
        if self._any.search(content) is None:
            return set()
        return {name for name, spelling in self._spelt if spelling in content}

    def found(self, contents: Iterator[tuple[str, bytes]]) -> set[tuple[str, str]]:
        """Pairs of place and name."""
        return {(place, name) for place, content in contents for name in self.names(content)}


def files(*roots: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below, as it lies on the disk: tables, WAL, logs, key store, whatever is there."""
    for root in roots:
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.is_file() and not path.is_symlink():
                try:
                    yield str(path.relative_to(root.parent)), path.read_bytes()
                except FileNotFoundError:  # a file of a server that runs comes and goes
                    continue


def tables(database_url: str) -> Iterator[tuple[str, bytes]]:
    """Every table that may be read, the catalogue's and its statistics included, with what was compressed unpacked."""
    with psycopg.connect(database_url) as connection:
        for schema, name in connection.execute(TABLES).fetchall():
            form = "text" if schema == "pg_catalog" else "binary"  # some types of the catalogue have no binary form
            command = sql.SQL("copy (select * from {}) to stdout (format {})")
            command = command.format(sql.Identifier(schema, name), sql.SQL(form))
            with connection.cursor() as cursor, cursor.copy(command) as rows:
                yield f"{schema}.{name}", b"".join(bytes(part) for part in rows)


def parquet(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Every value of every Parquet file, unpacked."""
    for path in sorted(directory.rglob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            yield path.name, b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in row.values())
