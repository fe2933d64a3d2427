"""Pages for a fill out of an archive, and out of the log where the archive does not reach."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from uuid import UUID

from eventlog.recorded import Recorded
from replay.archive.reader import ArchiveReader
from replay.pages import PAGE_EVENTS, Page, Pages, Share


class ArchivePages:
    """Takes from the archive what it holds, from `log` what lies before and behind it. For one thread at a time.

    The archive must be of the same log and of all books; whoever opens it has looked.
    """

    def __init__(self, archive: ArchiveReader, log: Pages, share: Share) -> None:
        self._archive, self._log, self._share = archive, log, share
        self.limit = log.limit

    def page(self, after: int, until: int, *, every: bool) -> Page:
        """Raises ArchiveDamaged, and what the database raises."""
        manifest = self._archive.manifest
        if after < manifest.after:
            return self._log.page(after, min(until, manifest.after), every=every)
        end = min(until, manifest.through)
        if after >= end:
            return self._log.page(after, until, every=every)
        supersedes = () if every else self._share.view.supersedes
        events, reached = 0, end
        others: list[Recorded] = []
        latest: dict[UUID, Recorded] = {}
        for rows in self._read(after, end):
            events += len(rows)
            others += [row for row in rows if row.topic not in supersedes]
            latest |= {row.stream_id: row for row in rows if row.topic in supersedes}
            reached = end if events < self.limit else rows[-1].position
        return Page(events, reached, sorted([*others, *latest.values()], key=attrgetter("position")))

    def _read(self, after: int, end: int) -> Iterator[list[Recorded]]:
        """A page in portions, so that of many rows that are superseded few are in memory at once."""
        share, left = self._share, self.limit
        while left:
            limit = min(left, PAGE_EVENTS)
            rows = self._archive.read(after, limit, topics=share.view.topics, until=end, endings=share.endings)
            if rows:
                yield rows
            if len(rows) < limit:
                return
            after, left = rows[-1].position, left - len(rows)
