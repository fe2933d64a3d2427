"""readable: every row of the log can be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from replay.checks.check import Finding, PlainCheck, Seen, finding


class Readable(PlainCheck):
    """A row that cannot be decoded is a finding and no crash; other checks do not see it and may miss it."""

    name: ClassVar[str] = "readable"
    meaning: ClassVar[str] = "every event has a known topic and a state of that topic's shape"
    advice: ClassVar[str] = (
        "restore the row from a backup, or start the version of the program that wrote it; other findings of the same "
        "stream may only follow from this one"
    )
    topics: ClassVar[tuple[str, ...]] = ()

    def see(self, seen: Seen) -> Iterator[Finding]:
        """The mapper has said what is wrong."""
        if seen.event is None:
            yield finding(seen, f"the event cannot be read: {seen.problem}")


CHECK = Readable
