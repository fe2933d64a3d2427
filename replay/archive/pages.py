"""Pages for a fill out of an archive, and out of the log where the archive does not reach."""

from __future__ import annotations

from collections.abc import Sequence

from eventlog.recorded import Recorded
from replay.archive.reader import ArchiveReader
from replay.pages import Page, Pages, Share


class ArchivePages:
    """Takes from the archive what it holds, from `log` what lies before and behind it. For one thread at a time.

    The archive must be of the same log and of all books; whoever opens it has looked.
    """

    def __init__(self, archive: ArchiveReader, log: Pages, share: Share, limit: int) -> None:
        self._archive, self._log, self._share = archive, log, share
        self.limit = limit

    def page(self, after: int, until: int, *, every: bool) -> Page:
        """Raises ArchiveDamaged, and what the database raises."""
        manifest, view = self._archive.manifest, self._share.view
        if after < manifest.after:
            return self._log.page(after, min(until, manifest.after), every=every)
        end = min(until, manifest.through)
        if after >= end:
            return self._log.page(after, until, every=every)
        part = self._share.number, self._share.parts
        rows = self._archive.read(after, self.limit, topics=view.topics, until=end, part=part)
        reached = rows[-1].position if len(rows) == self.limit else end
        return Page(len(rows), reached, rows if every else _latest(rows, view.supersedes))


def _latest(rows: list[Recorded], supersedes: Sequence[str]) -> list[Recorded]:
    """Without those that a later one of the same stream makes superfluous."""
    last = {row.stream_id: row.position for row in rows if row.topic in supersedes}
    return [row for row in rows if row.topic not in supersedes or last[row.stream_id] == row.position]
