"""One Parquet file while it is written: rows in, a finished file and its line of the manifest out."""

from __future__ import annotations

import contextlib
import hashlib
import os
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as parquet

from eventlog.recorded import Recorded
from replay.archive.columns import REPEATED, SCHEMA, table_of
from replay.archive.manifest import ArchivedFile, file_name, sync_directory

# A row group is what a writer holds back and a reader holds at once.
GROUP_ROWS: Final = 20_000
GROUP_BYTES: Final = 16 << 20
# Level 1 makes files as small as level 9 does here, in less time.
COMPRESSION_LEVEL: Final = 1


class DayFile:
    """Writes below a name that no reader takes for data, and gives the file its own name when it is durable.

    Raises OSError when the disk takes no more; `abandon` it then.
    """

    def __init__(self, directory: Path, day: date, first: int) -> None:
        self._directory = directory
        self.path = file_name(day, first)
        self._place = directory / self.path
        self._unfinished = self._place.with_name(f".{self._place.name}.part")
        self._day_directory().mkdir(exist_ok=True)
        self._out = _Hashed(self._unfinished)
        self._writer: Any = None
        self._rows: list[Recorded] = []
        self._held_bytes = 0
        self._first, self._last = first, 0
        self.count = 0

    def add(self, row: Recorded) -> None:
        """The next row of the day, in the order of the log."""
        self._rows.append(row)
        self._last = row.position
        self.count += 1
        self._held_bytes += len(row.state)
        if len(self._rows) >= GROUP_ROWS or self._held_bytes >= GROUP_BYTES:
            self._flush()

    def finish(self) -> ArchivedFile:
        """Make the file durable and give it its name."""
        self._flush()
        self._writer.close()
        self._out.close()
        self._unfinished.rename(self._place)
        sync_directory(self._day_directory())
        sync_directory(self._directory)
        return ArchivedFile(
            path=self.path,
            first=self._first,
            last=self._last,
            rows=self.count,
            bytes=self._out.size,
            sha256=self._out.hexdigest(),
        )

    def abandon(self, *, is_named: bool) -> None:
        """Take away what was written, unless a manifest names it."""
        self._out.discard()
        if self._writer is not None:
            self._writer.close()  # it ends a file that is not there any more
        for path in (self._unfinished,) if is_named else (self._unfinished, self._place):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other files of the day are there
            self._day_directory().rmdir()

    def _day_directory(self) -> Path:
        return self._place.parent

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            self._writer = parquet.ParquetWriter(
                self._out,
                SCHEMA,
                compression="zstd",
                compression_level=COMPRESSION_LEVEL,
                use_dictionary=REPEATED,
                write_page_checksum=True,
            )
        rows, self._rows, self._held_bytes = self._rows, [], 0
        self._writer.write_table(table_of(rows), row_group_size=len(rows))


class _Hashed:
    """A file for the Parquet writer that knows the sha256 of what went into it, and can stop taking notice."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._hash = hashlib.sha256()
        self._discarding = False
        self.size = 0

    @property
    def closed(self) -> bool:
        """The Parquet writer asks."""
        return self._file.closed and not self._discarding

    def writable(self) -> bool:
        """The Parquet writer asks."""
        return True

    def tell(self) -> int:
        """How much came in."""
        return self.size

    def write(self, data: Any) -> int:
        """Write all of it, or raise OSError."""
        if not self._discarding:
            self._file.write(data)
            self._hash.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Hand over to the kernel."""
        if not self._discarding:
            self._file.flush()

    def close(self) -> None:
        """Make durable what was written."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def discard(self) -> None:
        """Close the file as it is; what still comes is for nobody."""
        self._discarding = True
        with contextlib.suppress(OSError):  # what is in its buffer does not fit either
            self._file.close()

    def hexdigest(self) -> str:
        """The sha256 of what was written."""
        return self._hash.hexdigest()
