"""stream-versions: the events of each stream are numbered 1, 2, 3, ... in the order of the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from replay.checks.check import Finding, PlainCheck, Scope, Seen, finding


class StreamVersions(PlainCheck):
    """A gap is an event that was taken away; a number out of order was written past the log's own function.

    Keeps one number per stream, keyed by its sixteen bytes: an object per stream would cost three times as much.
    """

    name: ClassVar[str] = "stream-versions"
    meaning: ClassVar[str] = (
        "versions of each stream start at 1 and have no gap, and its events are of one book and kind"
    )
    advice: ClassVar[str] = "compare the stream with a backup: an event was removed, or written past log.append"
    topics: ClassVar[tuple[str, ...]] = ()

    def __init__(self, scope: Scope) -> None:
        """Needs nothing beside the rows."""
        self._last: dict[bytes, tuple[int, int, str]] = {}

    def see(self, seen: Seen) -> Iterator[Finding]:
        """One gap is one finding: counting goes on from what is there."""
        row = seen.row
        key, kind = row.stream_id.bytes, row.topic.partition(".")[0]
        version, book, known_kind = self._last.get(key, (0, row.book, kind))
        if row.version != version + 1:
            yield finding(
                seen, "the stream does not go on with the next version", expected=version + 1, found=row.version
            )
        if (row.book, kind) != (book, known_kind):
            yield finding(
                seen,
                "the event belongs to another book or kind than its stream",
                expected=f"book {book}, {known_kind}",
                found=f"book {row.book}, {kind}",
            )
        self._last[key] = (row.version, book, known_kind)


CHECK = StreamVersions
