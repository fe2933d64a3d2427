"""Reads an archive as the log itself is read, so that a replay needs no database, or only its newest part."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from replay.archive.cursor import Cursor
from replay.archive.errors import ArchiveDamaged, NotInArchive
from replay.archive.manifest import Manifest, check_same_log, load
from replay.archive.opened import Standing, Wanted, opened

if TYPE_CHECKING:
    from eventlog.follower import LogReader
    from eventlog.recorded import Recorded

CURSORS_MAX: Final = 8
"""Replays that may take turns on one reader before one of them has to look for its place again."""


class ArchiveReader:
    """A LogReader over the files of an archive as its manifest names them now. May be shared by threads.

    Reading on from where a read has ended costs nothing; reading from elsewhere opens the files of that place. Each
    file is compared with the manifest before its first row is given: a damaged one raises ArchiveDamaged.
    """

    def __init__(self, directory: Path) -> None:
        """Raises ArchiveDamaged when the manifest is missing or was changed."""
        self.directory = directory
        self.manifest = load(directory)
        self.horizon = ArchiveHorizon(self.manifest)
        self._compared: dict[str, Standing] = {}
        self._idle: list[tuple[Wanted, Cursor]] = []
        self._guard = threading.Lock()

    def read(
        self,
        after: int,
        limit: int,
        *,
        topics: Sequence[str] = (),
        books: Sequence[int] = (),
        until: int | None = None,
        endings: tuple[str, ...] = (),
    ) -> list[Recorded]:
        """The next rows of the log in order, up to the archive's end. Raises ArchiveDamaged, and NotInArchive for rows
        that were never given to it. `endings` are as in `Wanted`."""
        if after < self.manifest.after or not self.holds(books):
            raise NotInArchive(self._not_here(after, books))
        wanted = Wanted(tuple(sorted(topics)), tuple(sorted(books)), endings)
        cursor = self._cursor(after, wanted)
        try:
            rows = cursor.take(after, limit, until)
        except BaseException:
            cursor.close()
            raise
        self._keep(wanted, cursor)
        return rows

    def max_notification_id(self) -> int | None:
        """The position of the last event in the archive, None in an empty one."""
        last = self.manifest.last_event
        return None if last is None else last.position

    def holds(self, books: Sequence[int]) -> bool:
        """Whether these books (none given: all) were archived."""
        return self.manifest.book is None or set(books) == {self.manifest.book}

    def damages(self) -> Iterator[ArchiveDamaged]:
        """Compare every file with the manifest and tell what is wrong with each."""
        for entry in self.manifest.files:
            try:
                opened(self.directory, entry, {}).close()
            except ArchiveDamaged as damaged:
                yield damaged

    def close(self) -> None:
        """Give all open files back."""
        with self._guard:
            idle, self._idle = self._idle, []
        for _, cursor in idle:
            cursor.close()

    def _cursor(self, after: int, wanted: Wanted) -> Cursor:
        with self._guard:
            for index, (asked, cursor) in enumerate(self._idle):
                if asked == wanted and cursor.can_go_on(after):
                    del self._idle[index]
                    return cursor
        return Cursor(self.directory, self.manifest, after, wanted, self._compared)

    def _keep(self, wanted: Wanted, cursor: Cursor) -> None:
        with self._guard:
            self._idle.append((wanted, cursor))
            left_over = self._idle[:-CURSORS_MAX]
            del self._idle[:-CURSORS_MAX]
        for _, old in left_over:
            old.close()

    def _not_here(self, after: int, books: Sequence[int]) -> str:
        manifest = self.manifest
        held = "all books" if manifest.book is None else f"book {manifest.book}"
        asked = f"books {', '.join(map(str, books))}" if books else "all books"
        return (
            f"{self.directory} holds {held} behind position {manifest.after}; {asked} behind position {after} "
            "are not in it: read what it holds, or read it together with the log"
        )


class ArchiveHorizon:
    """All of an archive is readable at once, and nothing comes after it."""

    def __init__(self, manifest: Manifest) -> None:
        self._last = 0 if manifest.last_event is None else manifest.last_event.position

    @property
    def last(self) -> int:
        """The position of the last event."""
        return self._last

    def wait(self, after: int, timeout: float) -> int:
        """Answers at once: waiting would bring nothing."""
        return self._last

    def close(self) -> None:
        """Nothing to close."""


class ArchiveThenLog:
    """A LogReader that takes from an archive what it holds and from the live log the rest, as one log.

    Raises ArchiveDiffers when the archive is of another log. Follow it with the log's own horizon.
    """

    def __init__(self, archive: ArchiveReader, log: LogReader) -> None:
        check_same_log(archive.manifest, log, archive.directory)
        self._archive, self._log = archive, log

    def read(
        self,
        after: int,
        limit: int,
        *,
        topics: Sequence[str] = (),
        books: Sequence[int] = (),
        until: int | None = None,
    ) -> list[Recorded]:
        """The next rows in order, wherever they are. Raises ArchiveDamaged."""
        manifest = self._archive.manifest
        if not self._archive.holds(books):
            return self._log.read(after, limit, topics=topics, books=books, until=until)
        rows: list[Recorded] = []
        parts = ((self._log, manifest.after), (self._archive, manifest.through), (self._log, until))
        for reader, end in parts:
            last = until if end is None else end if until is None else min(end, until)
            if len(rows) < limit and (end is None or after < end) and (last is None or after < last):
                rows += reader.read(after, limit - len(rows), topics=topics, books=books, until=last)
            after = max(after, end or 0)
        return rows

    def max_notification_id(self) -> int | None:
        """The position of the last readable event of the live log."""
        return self._log.max_notification_id()
