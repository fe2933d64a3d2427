"""A recorded history: the log's plain rows in a file of JSON lines, to be replayed against code to come.

The file is read the way the log is, by position or by stream, so that whatever folds the log folds it too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from eventlog.follower import LogReader
from eventlog.recorded import Recorded
from replay.unreadable import EventUnreadable

PAGE_EVENTS = 10_000


class HistoryUnreadable(ValueError):
    """A line of the file is no row of a log; the message names file and line."""


class _Line(msgspec.Struct):
    """A row as the file has it: the position as text, because few readers of JSON take it as a number unharmed."""

    position: str
    book: int
    stream_id: UUID
    version: int
    topic: str
    recorded_at: datetime
    meta: dict[str, str]
    state: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


def record(reader: LogReader, path: Path, *, until: int | None = None, books: Sequence[int] = ()) -> int:
    """Writes the log's events up to `until` (else all that is readable), of some books or all; answers how many.

    The file is there whole or not at all. Whatever the events say is in it: record histories that were made up, or
    keep the file where the log may be kept. Raises EventUnreadable for a row that is no JSON, and OSError.
    """
    end = (reader.max_notification_id() or 0) if until is None else until
    unfinished = path.with_name(f"{path.name}.part")
    after, events = 0, 0
    try:
        with unfinished.open("wb") as file:
            while after < end and (rows := reader.read(after, PAGE_EVENTS, books=books, until=end)):
                file.writelines(_line(row) for row in rows)
                after, events = rows[-1].position, events + len(rows)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return events


def _line(row: Recorded) -> bytes:
    try:
        state = msgspec.Raw(
            msgspec.json.format(row.state, indent=-1)
        )  # of a hand-written event too: one event, one line
    except (msgspec.DecodeError, UnicodeError) as problem:
        raise EventUnreadable(row, f"is no JSON: {problem}") from problem
    about = (str(row.position), row.book, row.stream_id, row.version, row.topic, row.recorded_at, row.meta)
    return _encode(_Line(*about, state)) + b"\n"


class RecordedHistory:
    """A file of `record` in memory, read as a log is."""

    def __init__(self, path: Path) -> None:
        """Raises HistoryUnreadable, and OSError when there is no such file."""
        self.path = path
        self.rows = [_row(path, number, line) for number, line in enumerate(path.read_bytes().splitlines(), 1)]

    def read(
        self,
        after: int,
        limit: int,
        *,
        topics: Sequence[str] = (),
        books: Sequence[int] = (),
        until: int | None = None,
    ) -> list[Recorded]:
        """The next rows in order."""
        wanted = [
            row
            for row in self.rows
            if row.position > after
            and (until is None or row.position <= until)
            and (not topics or row.topic in topics)
            and (not books or row.book in books)
        ]
        return wanted[:limit]

    def read_streams(self, stream_ids: Sequence[UUID], topics: Sequence[str], until: int) -> list[Recorded]:
        """The rows of some streams, stream by stream and in order."""
        streams = frozenset(stream_ids)
        rows = [row for row in self.read(0, len(self.rows), topics=topics, until=until) if row.stream_id in streams]
        return sorted(rows, key=lambda row: (row.stream_id, row.version))

    def max_notification_id(self) -> int | None:
        """The last position, None for a history of nothing."""
        return self.rows[-1].position if self.rows else None


def _row(path: Path, number: int, text: bytes) -> Recorded:
    try:
        line = _decode(text)
        position = int(line.position)
    except (msgspec.DecodeError, ValueError) as problem:
        raise HistoryUnreadable(f"{path}, line {number}: {problem}") from None
    about = (position, line.book, line.stream_id, line.version, line.topic, line.recorded_at, line.meta)
    return Recorded(*about, bytes(line.state))
