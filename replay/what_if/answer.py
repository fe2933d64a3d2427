"""Asks: one pass over history for all that a module changes, and the differences that come of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from domain.payment_events import Captured
from eventlog.connections import connect
from eventlog.follower import LogReader
from eventlog.recorded import Recorded
from projections import registry
from projections.view import Fact, View
from replay import builds, parked
from replay.builds import NoSuchBuild
from replay.causes import add_causes
from replay.compare import Comparison
from replay.what_if.changes import Changes, ModuleUnusable
from replay.what_if.fee_difference import CaptureOf, FeeComparison, FeeDifference
from replay.what_if.posting_difference import PostingComparison, PostingDifference
from replay.what_if.reading import Listener, tell
from replay.what_if.sandbox import Pair, Sandbox, sandbox


class History(LogReader, Protocol):
    """The log as it is asked: all of it in order, or some streams."""

    def read_streams(self, stream_ids: Sequence[UUID], topics: Sequence[str], until: int) -> list[Recorded]: ...


@dataclass
class Answer:
    """What would have been otherwise, by all events up to `until`. A part that the module does not change is None, or
    empty. `left_out` counts the events that the live build of a view has parked, and that are kept from both."""

    module: str
    until: int
    events: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    views: list[Comparison] = field(default_factory=list)
    postings: PostingDifference | None = None
    fees: list[FeeDifference] | None = None


def what_if(
    database_url: str, history: History, decode: Callable[[Recorded], Any], changes: Changes, until: int | None = None
) -> Answer:
    """The same history under a changed view, posting rule or fee table. Nothing is written that outlives the call.

    `until` must be readable; None asks about all that is readable now. Raises ModuleUnusable, UnknownView, and
    EventRefused, naming the event, where the changed code cannot take one.
    """
    end = (history.max_notification_id() or 0) if until is None else until
    answer = Answer(changes.module, end)
    postings = None if changes.posting_for is None else PostingComparison(changes.posting_for, changes.module)
    fees = None
    if changes.commission_bps is not None or changes.fees is not None:
        fees = FeeComparison(changes.module, changes.commission_bps, changes.fees, _capture_of(history, decode))
    pairs = _pairs(database_url, changes.views)
    with contextlib.ExitStack() as stack:
        box: Sandbox | None = stack.enter_context(sandbox(database_url, pairs)) if pairs else None
        listeners: list[Listener] = [one for one in (postings, fees) if one is not None]
        listeners += box.listeners if box is not None else []
        answer.events = tell(history, decode, listeners, end)
        if box is not None:
            box.settle()
            answer.left_out = {first.build.view.name: first.left_out for first, _ in box.pairs if first.left_out}
            answer.views = box.compared(end, ("now", changes.module))
    for comparison, pair in zip(answer.views, pairs, strict=True):
        add_causes(comparison, [pair.first, pair.second], history, decode, history.read_streams)
    answer.postings = None if postings is None else postings.result()
    answer.fees = None if fees is None else fees.result()
    return answer


def _capture_of(history: History, decode: Callable[[Recorded], Any]) -> CaptureOf:
    """Looks a capture up in its order when something of it has gone back: few do, so that none is kept until then."""

    def found(fact: Fact) -> Any:
        rows = history.read_streams([fact.stream_id], [Captured.TOPIC], fact.position)
        for capture in map(decode, rows):
            if capture.capture_id == fact.event.capture_id:
                return capture
        raise LookupError(f"capture {fact.event.capture_id} was never taken")

    return found


def _pairs(database_url: str, views: Sequence[View]) -> list[Pair]:
    """Each changed view with the one that is in force: the code of the live build, else the newest there is."""
    pairs = []
    with connect(database_url) as connection:
        for new in views:
            aside: frozenset[int] = frozenset()
            try:
                live = builds.find(connection, new.name, "live")
                old, aside = live.view, parked.without(connection, live)
            except NoSuchBuild:
                old = registry.view(new.name)
            if tuple(old.key) != tuple(new.key):
                raise ModuleUnusable(
                    f"--with: view {new.name} has the key ({', '.join(new.key)}) and not ({', '.join(old.key)}) as now:"
                    " no row of one is a row of the other"
                )
            pairs.append(Pair(old, new, aside, aside))
    return pairs
