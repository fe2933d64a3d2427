"""A file of an archive that was found to be what the manifest says, and its rows in order.

Size and sha256 are compared before the first row is read; the rows then come through the same open file, and the
checksum of every page is compared once more by the Parquet library.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as parquet

from eventlog.recorded import Recorded
from replay.archive.columns import SCHEMA, rows_of
from replay.archive.errors import ArchiveDamaged
from replay.archive.manifest import ArchivedFile

Standing = tuple[int, int, int, int]
"""Which file it was when it was compared: inode, size, and the times of its last changes."""


class Wanted(NamedTuple):
    """Which rows a reader asked for; nothing given is no filter. `endings` are of two digits, of ids of streams."""

    topics: tuple[str, ...]
    books: tuple[int, ...]
    endings: tuple[str, ...] = ()


def opened(directory: Path, entry: ArchivedFile, compared: dict[str, Standing]) -> BufferedReader:
    """The file, open and known to be whole. Raises ArchiveDamaged. `compared` remembers what need not be read again."""
    path = directory / entry.path
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise ArchiveDamaged(path, "is missing") from None
    except OSError as problem:
        raise ArchiveDamaged(path, f"cannot be opened ({problem.strerror})") from None
    try:
        standing = _standing(file)
        if compared.get(entry.path) != standing:
            _compare(path, file, entry)
            compared[entry.path] = standing
    except BaseException:
        file.close()
        raise
    return file


def _standing(file: BufferedReader) -> Standing:
    found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _compare(path: Path, file: BufferedReader, entry: ArchivedFile) -> None:
    size = os.fstat(file.fileno()).st_size
    if size != entry.bytes:
        raise ArchiveDamaged(path, f"has {size} bytes and not the {entry.bytes} of the manifest")
    try:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
    except OSError as problem:
        raise ArchiveDamaged(path, f"cannot be read ({problem.strerror})") from None
    if found != entry.sha256:
        raise ArchiveDamaged(path, "does not have the sha256 of the manifest")


class FileRows:
    """The wanted rows of one file behind a position. `rows` are those that wait to be taken, at most a row group."""

    def __init__(self, path: Path, file: BufferedReader, entry: ArchivedFile, after: int, wanted: Wanted) -> None:
        self._path, self._after, self._wanted = path, after, wanted
        self._file = file
        self._group = 0
        self.rows: list[Recorded] = []
        try:
            self._parquet = parquet.ParquetFile(file, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as problem:
            raise ArchiveDamaged(path, f"is no Parquet file ({problem})") from None
        if not self._parquet.schema_arrow.equals(SCHEMA) or self._parquet.metadata.num_rows != entry.rows:
            raise ArchiveDamaged(path, "does not hold the columns and rows of the manifest")

    @property
    def head(self) -> int:
        """The position of the next row; ask only while there are `rows`."""
        return self.rows[0].position

    def close(self) -> None:
        """Give the file back."""
        self._parquet.close()
        self._file.close()

    def fill(self) -> bool:
        """Have rows waiting; False when the file has no more."""
        while not self.rows and self._group < self._parquet.num_row_groups:
            group, self._group = self._group, self._group + 1
            if self._parquet.metadata.row_group(group).column(0).statistics.max <= self._after:
                continue
            try:
                self.rows = self._read(group)
            except (pa.ArrowException, OSError, ValueError) as problem:
                raise ArchiveDamaged(self._path, f"cannot be read ({problem})") from None
        return bool(self.rows)

    def _read(self, group: int) -> list[Recorded]:
        """First what the filter looks at: most row groups that hold nothing wanted are never read in full."""
        endings = self._wanted.endings
        columns = ["position", "book", "topic", *(["stream_id"] if endings else [])]
        chosen = self._parquet.read_row_group(group, columns=columns, use_threads=False)
        mask = compute.greater(chosen.column("position"), self._after)
        mask = _among(mask, chosen.column("topic"), self._wanted.topics)
        mask = _among(mask, chosen.column("book"), self._wanted.books)
        if endings:
            mask = _among(mask, compute.utf8_slice_codeunits(chosen.column("stream_id"), 34), endings)
        if not compute.any(mask).as_py():
            return []
        return rows_of(self._parquet.read_row_group(group, use_threads=False).filter(mask))


def _among(mask: Any, column: Any, values: Collection[Any]) -> Any:
    if not values:
        return mask
    return compute.and_(mask, compute.is_in(column, value_set=pa.array(list(values), column.type)))
