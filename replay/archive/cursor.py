"""Walks through an archive in the order of the log: files of neighbouring days overlap, their rows are merged."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Generator
from operator import attrgetter
from pathlib import Path

from eventlog.recorded import Recorded
from replay.archive.manifest import ArchivedFile, Manifest
from replay.archive.opened import FileRows, Standing, Wanted, opened

_position = attrgetter("position")
_head = attrgetter("head")


class Cursor:
    """Stands behind a row and gives the next ones. Holds at most a row group of each file that overlaps there."""

    def __init__(
        self, directory: Path, manifest: Manifest, after: int, wanted: Wanted, compared: dict[str, Standing]
    ) -> None:
        self._directory, self._compared, self._wanted = directory, compared, wanted
        self._given = after
        self._rows: list[Recorded] = []
        self._next = 0
        self._chunks = self._merged(after, deque(file for file in manifest.files if file.last > after))

    def can_go_on(self, after: int) -> bool:
        """Whether what follows `after` is what this cursor gives next, or is among the rows that it has ready."""
        if after <= self._given:
            return after == self._given
        return self._next < len(self._rows) and self._rows[-1].position > after

    def take(self, after: int, limit: int, until: int | None) -> list[Recorded]:
        """The next rows behind `after`, at most `limit` and up to `until`. Raises ArchiveDamaged."""
        taken: list[Recorded] = []
        while len(taken) < limit and self._ready():
            start = bisect_right(self._rows, after, self._next, key=_position)
            stop = min(start + limit - len(taken), len(self._rows))
            if until is not None:
                stop = bisect_right(self._rows, until, start, stop, key=_position)
            taken += self._rows[start:stop]
            self._next = stop
            if stop < len(self._rows):
                break
        self._given = taken[-1].position if taken else max(self._given, after)
        return taken

    def close(self) -> None:
        """Give the open files back."""
        self._chunks.close()

    def _ready(self) -> bool:
        while self._next == len(self._rows):
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._rows, self._next = chunk, 0
        return True

    def _merged(self, after: int, waiting: deque[ArchivedFile]) -> Generator[list[Recorded], None, None]:
        """Rows in order, in runs that come from one file. A file is opened when its first row may be the next."""
        active: list[FileRows] = []
        try:
            while waiting or active:
                while waiting and (not active or waiting[0].first < min(map(_head, active))):
                    rows = self._opened(waiting.popleft(), after)
                    active.append(rows)
                    _drop_if_empty(active, rows)
                if not active:
                    continue
                active.sort(key=_head)
                leader, *others = active
                bound = min([rows.head for rows in others] + [file.first for file in list(waiting)[:1]], default=None)
                stop = len(leader.rows) if bound is None else bisect_left(leader.rows, bound, key=_position)
                run, leader.rows = leader.rows[:stop], leader.rows[stop:]
                yield run
                _drop_if_empty(active, leader)
        finally:
            for rows in active:
                rows.close()

    def _opened(self, entry: ArchivedFile, after: int) -> FileRows:
        file = opened(self._directory, entry, self._compared)
        try:
            return FileRows(self._directory / entry.path, file, entry, after, self._wanted)
        except BaseException:
            file.close()
            raise


def _drop_if_empty(active: list[FileRows], rows: FileRows) -> None:
    if not rows.fill():
        active.remove(rows)
        rows.close()
