"""The one poller of what is due: expiry of orders, authorisations and holds, release of funds, unknown outcomes.

The `due` view says what to look at; whether anything is done is decided on the order's folded state, and of a hold by
the posting engine, so a view that lags behind, or an entry that is seen twice, does no harm. The clock is injected:
tests and drills move it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog
from eventsourcing.application import AggregateNotFoundError
from eventsourcing.persistence import IntegrityError
from msgspec import structs

from domain.errors import RuleViolation
from domain.payment_order import PaymentOrder
from domain.ports import Clock
from domain.posting import HoldNotExpired
from eventlog.application import EventLog
from eventlog.errors import LogUnavailable
from eventlog.recorded import Meta
from ledger.client import EngineUnavailable
from ledger.wire import ExpireHold, Reply, Request
from projections.due import (
    AUTHORISATION_EXPIRY,
    FUNDS_RELEASE,
    HOLD_EXPIRY,
    INQUIRY,
    LATE_HOLD,
    ORDER_EXPIRY,
    RECHECK,
    RETRY,
    WAITING,
)

META = Meta(actor="timers")
BATCH = 500
PAGES = 20
"""Batches that one poll looks through."""
PAUSE_FIRST = timedelta(seconds=2)
PAUSE_MAX = {
    INQUIRY: timedelta(hours=1),
    WAITING: timedelta(hours=1),
    LATE_HOLD: timedelta(hours=1),
    RECHECK: timedelta(hours=1),
    RETRY: timedelta(seconds=10),
}
"""Kinds of which the order's state says what there is to do, and the longest pause between two looks: they stay due
until the state changes."""

log = structlog.get_logger()


class DueEntry(NamedTuple):
    """Something to look at. `subject` is the attempt's number or the capture's id, "" for the order itself."""

    book: int
    stream_id: UUID
    kind: str
    subject: str
    due_at: datetime


class DueEntries(Protocol):
    """The `due` view as the poller reads it, oldest first."""

    def __call__(self, now: datetime, limit: int, after: DueEntry | None = None) -> Sequence[DueEntry]:
        """Entries whose `due_at` is not after `now`, at most `limit`, from the one that follows `after`."""
        ...


class AsksTheEngine(Protocol):
    """What the poller needs of `ledger.client.LedgerClient`."""

    def ask(self, request: Request) -> Reply:
        """The engine's answer. Raises EngineUnavailable."""
        ...


class DuePoller:
    """Turns due entries into events. `look` lets an order have what its state asks for (see payments.attempts);
    `ledger` is asked to end holds whose time has run out.

    An order that waits for its payer, its rail or evidence stays due until it is decided. The pause before the next
    look is as long as it has waited (at most an hour, ten seconds where only the rail is away), so that a rail in
    trouble is not asked by everybody all the time; a restart looks at once.
    """

    def __init__(
        self,
        events: EventLog,
        entries: DueEntries,
        clock: Clock,
        look: Callable[[int, UUID], bool],
        ledger: AsksTheEngine,
    ) -> None:
        self._log = events
        self._entries = entries
        self._clock = clock
        self._look = look
        self._ledger = ledger
        self._engine_away = False
        self._next_look: dict[UUID, datetime] = {}
        self._after: DueEntry | None = None
        self._waiting: set[UUID] = set()

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Poll until `stop` is set. A full batch is followed at once by the next as long as it changed something."""
        while not stop.is_set():
            try:
                changed = self.poll()
            except LogUnavailable as unavailable:
                log.warning("timers.log_unavailable", reason=str(unavailable))
                changed = 0
            except Exception:  # the process lives on without this thread, and nobody would miss it for days
                log.exception("timers.poll_failed")
                changed = 0
            if changed < BATCH:
                stop.wait(interval_s)

    def poll(self) -> int:
        """Handle what is due now; answers how many orders and holds changed. Raises LogUnavailable."""
        now = self._clock.now()
        self._engine_away = False
        return sum(self._handle(entry, now) for page in self._pages(now) for entry in page)

    @property
    def whole(self) -> bool:
        """Whether the last poll came to the end of what is due."""
        return self._after is None

    def _pages(self, now: datetime) -> Iterator[Sequence[DueEntry]]:
        """What is due from where the last poll ended, as much as one poll looks through: thousands that wait for their
        payers stay due, and must not keep others from their turn."""
        for _ in range(PAGES):
            page = self._entries(now, BATCH, self._after)
            self._waiting |= {entry.stream_id for entry in page if entry.kind in PAUSE_MAX}
            self._after = page[-1] if len(page) == BATCH else None
            yield page
            if self._after is None:
                self._next_look = {stream: at for stream, at in self._next_look.items() if stream in self._waiting}
                self._waiting = set()
                return

    def _handle(self, entry: DueEntry, now: datetime) -> bool:
        try:
            if entry.kind in PAUSE_MAX:
                return self._look_at(entry, now)
            if entry.kind == HOLD_EXPIRY:
                return self._expire_hold(entry, now)
            order: PaymentOrder = self._log.repository.get(entry.stream_id)
            if not _apply(order, entry, now):
                return False
            self._log.save(order, book=entry.book, meta=META)
        except IntegrityError:  # somebody else changed the order just now: the next poll looks again
            return False
        except (AggregateNotFoundError, RuleViolation) as odd:
            log.warning("timers.entry_skipped", kind=entry.kind, stream_id=str(entry.stream_id), reason=str(odd))
            return False
        return True

    def _look_at(self, entry: DueEntry, now: datetime) -> bool:
        if now < self._next_look.get(entry.stream_id, now):
            return False
        lasted = now - entry.due_at + PAUSE_FIRST
        self._next_look[entry.stream_id] = now + min(lasted, PAUSE_MAX[entry.kind])
        return self._look(entry.book, entry.stream_id)

    def _expire_hold(self, entry: DueEntry, now: datetime) -> bool:
        """The hold's id is the key, so that it ends once. A missing engine is asked again by the next poll only."""
        if self._engine_away:
            return False
        asked = ExpireHold(book=entry.book, key=str(entry.stream_id), hold_id=entry.stream_id)
        try:
            reply = self._ledger.ask(asked)
            if reply.code == HoldNotExpired.code:  # final for its key, and the engine's clock may have been behind ours
                reply = self._ledger.ask(structs.replace(asked, key=f"{entry.stream_id}/{now.isoformat()}"))
        except EngineUnavailable as away:
            log.warning("timers.engine_away", reason=str(away))
            self._engine_away = True
            return False
        if reply.status == "error":
            log.warning("timers.entry_skipped", kind=entry.kind, stream_id=str(entry.stream_id), reason=reply.detail)
        return reply.status == "expired" and not reply.replayed


def _apply(order: PaymentOrder, entry: DueEntry, now: datetime) -> bool:
    if entry.kind == ORDER_EXPIRY:
        return order.expire(at=now)
    if entry.kind == AUTHORISATION_EXPIRY:
        attempt = order.attempt(int(entry.subject))
        if attempt.capture_before is None or attempt.capture_before > now or attempt.unknown_operation is not None:
            return False
        if any(one.state == "requested" and one.attempt == attempt.number for one in order.captures.values()):
            return False  # the rail may be taking it right now; the capture's outcome decides
        return order.expire_authorization(attempt=attempt.number, at=now)
    if entry.kind == FUNDS_RELEASE:
        return order.release_funds(capture_id=entry.subject, at=now)
    log.warning("timers.kind_unknown", kind=entry.kind)
    return False
