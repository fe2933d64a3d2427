"""facts: everything that happened and means money was posted, once, by its rule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from domain.chart import suspense_psp
from domain.ids import stream_id
from domain.posting import Posting
from domain.posting_rules import POSTED_TOPICS, PostingDraft, posting_for
from replay.checks.check import Finding, Place, PlainCheck, Scope, Seen, finding, place

LATE = "effective_at_reported"
NEVER_READ = timedelta(hours=1)
"""How long a fact may wait in a book that no engine has read yet. An engine takes a new book over within seconds."""


class _Fact(NamedTuple):
    """A fact that calls for a posting, until that comes."""

    place: Place
    draft: PostingDraft
    recorded_at: datetime


class Facts(PlainCheck):
    """Captures, authorisations, voids, releases, late successes, adjustments: whatever has a rule.

    What a closed account could not take stands in suspense and what came late for a closed period on the first open
    moment; the posting says both. A posting by a version of a rule that is no longer in the program is held to be
    there, not to its lines.
    """

    name: ClassVar[str] = "facts"
    meaning: ClassVar[str] = "every fact that means money was posted exactly once, with the lines that its rule gives"
    advice: ClassVar[str] = (
        "a fact that is missing is posted by the engine when its tracking row is set back behind it, or is not there; "
        "what was posted wrongly is corrected by an adjustment"
    )
    topics: ClassVar[tuple[str, ...]] = (Posting.Recorded.TOPIC, *POSTED_TOPICS)

    def __init__(self, scope: Scope) -> None:
        """A fact beyond the engine's position is not posted yet; a posting beyond the end of the pass is looked up.

        The engine posts a book's facts in their order, so it has come as far as the last one that is posted, whatever
        its own row says, or if that is gone.
        """
        self._scope = scope
        self._facts: dict[UUID, _Fact] = {}
        self._reached = dict(scope.engine)

    def see(self, seen: Seen) -> Iterator[Finding]:
        """A fact begins to wait, its posting ends the wait."""
        event, row = seen.event, seen.row
        if not isinstance(event, Posting.Recorded):
            draft = posting_for(event, row.book)
            if draft is not None:
                posting_id = stream_id(row.book, "posting", draft.reference)
                self._facts[posting_id] = _Fact(place(seen), draft, row.recorded_at)
            return
        fact = self._facts.pop(row.stream_id, None)
        if fact is not None:
            self._reached[row.book] = max(self._reached.get(row.book, 0), fact.place.position)
            yield from _compared(seen, fact)
        elif event.cause_position is not None:
            problem = f"there is no fact at position {event.cause_position} that this posting could book"
            yield finding(seen, problem, expected=None, found=event.cause_position)

    def end(self) -> Iterator[Finding]:
        """Facts without a posting, unless the engine has not come to them."""
        for posting_id, fact in self._facts.items():
            reached = self._reached.get(fact.place.book)
            if reached is None and self._waits_too_long(fact):
                problem = f"the fact was not posted as {fact.draft.reference}: no engine has read the facts of its book"
            elif reached is not None and fact.place.position <= reached:
                problem = f"the fact was never posted as {fact.draft.reference}"
            else:
                continue
            if not self._scope.stream(posting_id):
                moved = sum(line.amount_minor for line in fact.draft.lines if line.amount_minor > 0)
                yield finding(fact.place, problem, expected=moved, found=0)

    def _waits_too_long(self, fact: _Fact) -> bool:
        return self._scope.now is not None and self._scope.now - fact.recorded_at > NEVER_READ


def _compared(seen: Seen, fact: _Fact) -> Iterator[Finding]:
    event, draft = seen.event, fact.draft
    if event.cause_position != fact.place.position:
        problem = "the posting names another fact as its cause"
        yield finding(seen, problem, expected=fact.place.position, found=event.cause_position)
    if event.rule != draft.rule:
        return
    if len(event.lines) != len(draft.lines):
        problem = f"the posting has another number of lines than {draft.rule} gives"
        yield finding(seen, problem, expected=len(draft.lines), found=len(event.lines))
        return
    for number, (line, drafted) in enumerate(zip(event.lines, draft.lines, strict=True)):
        address = suspense_psp() if f"suspense_{number}" in event.metadata else drafted.address
        if (line.address, line.currency) != (address, drafted.currency):
            problem = f"line {number} is on another account than {draft.rule} gives"
            words = (f"{address} {drafted.currency}", f"{line.address} {line.currency}")
            yield finding(seen, problem, expected=words[0], found=words[1])
        elif line.amount_minor != drafted.amount_minor:
            problem = f"line {number} on {line.address} has another amount than {draft.rule} gives"
            yield finding(seen, problem, expected=drafted.amount_minor, found=line.amount_minor)
    yield from _in_time(seen, event, draft)


def _in_time(seen: Seen, event: Any, draft: PostingDraft) -> Iterator[Finding]:
    if event.effective_at != draft.effective_at and event.metadata.get(LATE) != draft.effective_at.isoformat():
        moments = (draft.effective_at.isoformat(), event.effective_at.isoformat())
        yield finding(
            seen, "the posting takes effect at another moment than its fact", expected=moments[0], found=moments[1]
        )


CHECK = Facts
