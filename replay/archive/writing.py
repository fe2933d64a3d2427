"""Writes the log into an archive: only what is not there yet, in the order of positions, each row into its own day."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from replay.archive.day_file import DayFile
from replay.archive.errors import ArchiveBusy, ArchiveDamaged, ArchiveDiffers, ArchiveNotWritten
from replay.archive.manifest import (
    NAME,
    UNFINISHED,
    LastEvent,
    Manifest,
    check_same_log,
    first_of,
    has_data,
    load,
    save,
    strangers,
)
from replay.archive.opened import opened

if TYPE_CHECKING:
    from eventlog.follower import LogReader
    from eventlog.recorded import Recorded

PAGE: Final = 2_000
# `recorded_at` does not follow positions, so a few days are written at once around midnight. One more than these ends
# them all: the manifest gets them, and an export that is cut off later goes on from there.
OPEN_DAYS: Final = 3
# A day as long as this goes on in a second file, for the same reason.
FILE_ROWS: Final = 5_000_000

Progress = Callable[[int], None]
"""Called with the number of rows written so far."""


class Archived(msgspec.Struct, frozen=True):
    """What an export has added, and what the archive holds now."""

    rows: int
    files: int
    bytes: int
    after: int
    through: int
    rows_in_all: int
    files_in_all: int


class ArchiveExport:
    """One export of `log` into `directory`: everything behind `after` and up to `until`, of one book or of all.

    A directory that is an archive already is gone on with; then `after` may be left out, and must lie in it otherwise.
    """

    def __init__(
        self, log: LogReader, directory: Path, *, book: int | None = None, after: int | None = None,
        until: int | None = None,
    ) -> None:  # fmt: skip
        self._log, self._directory, self._book = log, directory, book
        self._after, self._until = after, until
        self._manifest = Manifest()
        self._open: dict[date, DayFile] = {}
        self._last: Recorded | None = None

    def run(self, progress: Progress = lambda _: None) -> Archived:
        """Write what is new. Raises ArchiveBusy, ArchiveDamaged, ArchiveDiffers, and ArchiveNotWritten when the disk
        takes no more; the archive is then what its last manifest says, and another export goes on from there."""
        try:
            with _held(self._directory):
                end = self._log.max_notification_id() or 0
                self._check_reached(end)
                before = self._manifest = self._begun()
                self._write(end if self._until is None else min(self._until, end), progress)
        except OSError as problem:
            raise ArchiveNotWritten(self._not_written(problem)) from problem
        after = self._manifest
        added = after.files[len(before.files) :]
        return Archived(
            rows=sum(file.rows for file in added),
            files=len(added),
            bytes=sum(file.bytes for file in added),
            after=after.after,
            through=after.through,
            rows_in_all=sum(file.rows for file in after.files),
            files_in_all=len(after.files),
        )

    def _begun(self) -> Manifest:
        """The archive as it is, or a new and empty one. What an export that was cut off has left behind is removed."""
        directory = self._directory
        if not (directory / NAME).exists():
            if has_data(directory):
                raise ArchiveDamaged(directory / NAME, "is missing beside Parquet files")
            manifest = Manifest(book=self._book, after=self._after or 0, through=self._after or 0)
            save(directory, manifest)
            return manifest
        manifest = load(directory)
        self._check_goes_on(manifest)
        check_same_log(manifest, self._log, directory)
        for file in manifest.files:
            _check_size(directory / file.path, file.bytes)
        if manifest.files:  # the one that the export goes on from; `daybook export verify` reads all of them
            opened(directory, manifest.files[-1], {}).close()
        for path in list(strangers(directory, manifest)):
            if first_of(path) <= manifest.through:
                raise ArchiveDamaged(path, "holds rows of the archive and is not in its manifest")
            path.unlink()
        for path in list(directory.glob(UNFINISHED)):
            path.unlink()
        return manifest

    def _check_reached(self, end: int) -> None:
        """An archive that begins ahead of the log would lack what comes until then, and say that it has it."""
        if self._after is not None and self._after > end:
            message = f"the log has come to position {end}: there is nothing after {self._after} yet to be archived"
            raise ArchiveDiffers(message)

    def _check_goes_on(self, manifest: Manifest) -> None:
        if manifest.book != self._book:
            held = "all books" if manifest.book is None else f"book {manifest.book}"
            raise ArchiveDiffers(f"{self._directory} is an archive of {held}; take another directory for this export")
        if self._after is not None and not manifest.after <= self._after <= manifest.through:
            message = (
                f"{self._directory} holds what stands after {manifest.after} up to {manifest.through}; what stands "
                f"after {self._after} would not join it: leave the position out, or take another directory"
            )
            raise ArchiveDiffers(message)

    def _write(self, end: int, progress: Progress) -> None:
        position, count = self._manifest.through, 0
        books = [] if self._book is None else [self._book]
        try:
            while position < end:
                rows = self._log.read(position, PAGE, books=books, until=end)
                for row in rows:
                    self._add(row)
                count += len(rows)
                progress(count)
                position = rows[-1].position if rows else end
            self._name(max(end, self._manifest.through))
        except BaseException:
            self._abandon()
            raise

    def _add(self, row: Recorded) -> None:
        day = row.recorded_at.astimezone(UTC).date()
        file = self._open.get(day)
        if file is None or file.count >= FILE_ROWS:
            if file is not None or len(self._open) >= OPEN_DAYS:
                self._name(row.position - 1)
            file = self._open[day] = DayFile(self._directory, day, row.position)
        file.add(row)
        self._last = row

    def _name(self, through: int) -> None:
        """End all open files and let the manifest say that the archive holds them, up to `through`."""
        if through == self._manifest.through:
            return
        files = [self._open[day].finish() for day in sorted(self._open)]
        row, last = self._last, self._manifest.last_event
        manifest = msgspec.structs.replace(
            self._manifest,
            through=through,
            last_event=last if row is None else LastEvent(row.position, row.stream_id, row.version),
            files=(*self._manifest.files, *sorted(files, key=lambda file: file.first)),
        )
        save(self._directory, manifest)
        self._manifest, self._open = manifest, {}

    def _abandon(self) -> None:
        """Take away what was begun. The manifest is asked and not remembered: it may have been replaced just before
        the interrupt that ends this export."""
        with suppress(OSError, ArchiveDamaged):
            named = {file.path for file in load(self._directory).files}
            for file in self._open.values():
                file.abandon(is_named=file.path in named)

    def _not_written(self, problem: OSError) -> str:
        full = problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        reason = "there is no room left" if full else problem.strerror or str(problem)
        return (
            f"cannot write into {self._directory}: {reason}. The archive holds the log up to position "
            f"{self._manifest.through} as before; {'make room' if full else 'mend that'} and export again"
        )


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """One export at a time; the kernel forgets one that was killed."""
    directory.mkdir(parents=True, exist_ok=True)
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArchiveBusy(f"another export writes into {directory}; wait for it") from None
        yield
    finally:
        with suppress(OSError):
            os.close(number)


def _check_size(path: Path, size: int) -> None:
    """Cheap enough to do for every file, and finds what was cut off or taken away."""
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        raise ArchiveDamaged(path, "is missing") from None
    if found != size:
        raise ArchiveDamaged(path, f"has {found} bytes and not the {size} of the manifest")
