"""What one worker of a rebuild fills, and how it goes about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from projections.view import View
from replay.builds import Build
from replay.pages import PAGE_EVENTS, Share

BATCH_EVENTS = 500_000
LATEST_PAGES = 10
"""Where what is superseded is left out, a page covers so much more and still holds few rows."""


@dataclass(frozen=True)
class Part:
    """The streams that `replay.pages.Share` counts to `number` of `parts`, or exactly `streams`. `build.relation` is
    the table of the part."""

    replay_id: UUID
    build: Build
    number: int
    parts: int
    streams: tuple[UUID, ...] | None = None

    @property
    def share(self) -> Share:
        """What is to be read for it."""
        return Share(self.build.view, self.number, self.parts, self.streams)


class FillOptions(NamedTuple):
    """`park` sets streams aside that the view cannot take, instead of failing; a batch is what lies between two
    checkpoints, a page what is read at once; `archive` is the directory of one to read from as far as it reaches."""

    park: bool = False
    batch_events: int = BATCH_EVENTS
    page_events: int = PAGE_EVENTS
    archive: Path | None = None

    def page_of(self, view: View) -> int:
        """How many events one page is about."""
        return min(self.page_events * (LATEST_PAGES if view.supersedes else 1), self.batch_events)
