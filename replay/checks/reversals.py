"""reversals: what was taken back is taken back by a posting, and never more than was moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar
from uuid import UUID

from domain.errors import RuleViolation
from domain.lines import Line, reverted_after
from domain.posting import Posting
from replay.checks.check import Finding, Place, PlainCheck, Scope, Seen, finding, place


class Reversals(PlainCheck):
    """A reversal and its original know each other, in one commit.

    Keeps what was taken back, not all postings: the original of each is read again at the end.
    """

    name: ClassVar[str] = "reversals"
    meaning: ClassVar[str] = (
        "a reversal and its original name each other with the same lines, and nothing is taken back twice"
    )
    advice: ClassVar[str] = (
        "read both with `daybook postings show`; money that was taken back twice is given again by an adjustment"
    )
    topics: ClassVar[tuple[str, ...]] = (Posting.Recorded.TOPIC, Posting.Reverted.TOPIC)

    def __init__(self, scope: Scope) -> None:
        """Reads the streams of originals at the end."""
        self._scope = scope
        self._reversals: dict[UUID, tuple[Place, UUID, list[Line]]] = {}
        self._taken: dict[UUID, list[tuple[Place, list[Line]]]] = {}

    def see(self, seen: Seen) -> Iterator[Finding]:
        """First the reversal, then its original."""
        event, row = seen.event, seen.row
        if isinstance(event, Posting.Recorded):
            if event.reverts is not None:
                self._reversals[row.stream_id] = (place(seen), event.reverts, event.lines)
            return
        _, original, lines = self._reversals.pop(event.by, (None, None, None))
        if original != row.stream_id or lines != event.lines:
            problem = f"{event.by} is no reversal of this posting with these lines"
            yield finding(seen, problem, expected=_sum(event.lines), found=0 if lines is None else _sum(lines))
        self._taken.setdefault(row.stream_id, []).append((place(seen), event.lines))

    def end(self) -> Iterator[Finding]:
        """Reversals of which the original does not know, and originals of which too much was taken back."""
        for where, original, lines in self._reversals.values():
            yield finding(
                where, f"posting {original} does not know that this reverts it", expected=_sum(lines), found=0
            )
        for original, parts in self._taken.items():
            yield from self._added_up(original, parts)

    def _added_up(self, original: UUID, parts: Sequence[tuple[Place, list[Line]]]) -> Iterator[Finding]:
        events = self._scope.stream(original)
        if not events or not isinstance(events[0], Posting.Recorded):
            yield finding(parts[0][0], f"posting {original} was reverted and never recorded")
            return
        moved = events[0].lines
        reverted = [0] * len(moved)
        for where, lines in parts:
            try:
                reverted = reverted_after(moved, reverted, lines)
            except RuleViolation:
                taken = sum(_sum(part) for _, part in parts)
                yield finding(where, "more is taken back than was moved", expected=_sum(moved), found=taken)
                return


def _sum(lines: Sequence[Line]) -> int:
    """What lines move, in minor units: one side of them."""
    return sum(line.amount_minor for line in lines if line.amount_minor > 0)


CHECK = Reversals
