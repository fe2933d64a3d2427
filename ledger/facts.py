"""Follows the log for the engine: order facts in, drafts of postings out, always a little ahead of the writer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from domain.posting_rules import POSTED_TOPICS, posting_for
from eventlog.errors import LogUnavailable
from eventlog.follower import Follower
from ledger.intake import Fact, Intake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventlog.fenced import FencedRecorder
    from eventlog.mapper import LogMapper
    from eventlog.recorded import Recorded

WAIT_SECONDS = 0.2
log = structlog.get_logger(__name__)


class FactFeed:
    """One thread that reads the facts of the recorder's books from where their last commit stood.

    Started under the books' lock, so that the positions it starts from cannot move under it; closed when the lock is
    lost, with whatever it had queued.
    """

    def __init__(
        self, recorder: FencedRecorder, mapper: LogMapper, intake: Intake, since: Mapping[int, int] | None = None
    ) -> None:
        """`since` are positions before which there is nothing of a book; the others are read from the beginning."""
        self._mapper = mapper
        self._intake = intake
        since = since or {}
        self._posted = {
            book: max(recorder.max_tracking_id(f"engine/{book}") or 0, since.get(book, 0)) for book in recorder.books
        }
        self._follower = Follower(
            recorder,
            recorder.horizon,
            min(self._posted.values()),
            topics=sorted(POSTED_TOPICS),
            books=recorder.books,
        )
        self.queued_to = self._follower.position
        self._ended = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="engine-facts", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what stopped the feed: an event that cannot be read or posted must stop the engine, not be skipped."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the thread and drop what it queued."""
        self._ended.set()
        self._intake.wake()
        self._thread.join()
        self._intake.forget_facts()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                try:
                    rows = self._follower.next_batch(WAIT_SECONDS)
                except LogUnavailable as error:
                    log.warning("facts cannot be read", reason=str(error))
                    self._ended.wait(WAIT_SECONDS)
                    continue
                facts = [self._fact(row) for row in rows if row.position > self._posted[row.book]]
                if not facts or self._intake.facts(facts, self._ended.is_set):
                    self.queued_to = self._follower.position
        except Exception as error:  # noqa: BLE001 - handed to the engine's thread, which raises it
            self._error = error
            self._intake.wake()

    def _fact(self, row: Recorded) -> Fact:
        return Fact(row.book, row.position, posting_for(self._mapper.decode(row), row.book))
