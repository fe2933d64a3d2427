"""The posting engine: the only writer of the wallet and posting streams of its books.

It follows the log for facts, takes requests from the socket, decides both in memory and commits hundreds of them in one
transaction with its place in the log, on the connection that holds the books' lock. Under load the next batch is
decided while the last one is being written. When that connection is lost it takes the lock again, reads its memory anew
and decides the unanswered requests once more: a key that was decided before the loss is found in the log, so no request
counts twice.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import structlog
from eventsourcing.persistence import IntegrityError, Tracking

from eventlog import snapshots
from eventlog.connections import connect
from eventlog.errors import FenceLost, LogUnavailable, WriterAlreadyRunning
from eventlog.mapper import LogMapper
from eventlog.recorded import Meta
from ledger import metrics
from ledger.batch import Batch
from ledger.decisions import Decision, Recent, Settled, order_posting_id
from ledger.facts import FactFeed
from ledger.heads import Heads
from ledger.intake import Ask, Fact, Intake, Taken
from ledger.mistakes import mistake
from ledger.recall import Recalled, posting_of, recall
from ledger.refusals import UNKNOWN_WALLET
from ledger.wire import ENGINE_UNAVAILABLE, Bulk, Ping, ReadWallet, Reply, Request, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from eventlog.fenced import FencedRecorder

SNAPSHOT_EVERY_LINES = 100_000
PATIENCE_SECONDS = 2.0  # requests wait so long for a lost lock to come back before their askers are told to ask again
RETRY_SECONDS = 0.1
PACE_SECONDS = 0.002  # commits begin at least so far apart: each costs the database the same, whatever it carries
OVERLAP_QUEUED = 100  # from so many queued intents on, the next batch is decided while the last one is being written
IDLE_SECONDS = 0.2
BOOKS_LOOK_SECONDS = 0.5
LEASE = """
insert into log.engine_leases as l (book, socket_path, owner) select book, %b, %b from unnest(%b::int[]) book
on conflict (book) do update set socket_path = excluded.socket_path, owner = excluded.owner, since = clock_timestamp()
"""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Flight:
    """A batch with whose requests and facts it holds, from its decision until it is durable and answered."""

    heads: Heads
    asks: list[Ask]
    facts: list[Fact]
    batch: Batch
    decisions: list[Decision]
    recalled: Recalled
    result: Future[list[int]] | None = None


class HeadsOutdated(Exception):
    """A wallet has moved that only this engine may move: memory is wrong and is read anew from the log."""


class PostingEngine:
    """Posts for the books of its recorder. `run` blocks; `submit` may be called from any thread."""

    def __init__(
        self,
        recorder: FencedRecorder,
        clock: Callable[[], datetime],
        *,
        socket_path: str = "",
        owner: str = "engine",
        open_books: Callable[[psycopg.Connection[Any]], Mapping[int, int]] | None = None,
    ) -> None:
        """`clock` gives aware datetimes; `socket_path` and `owner` go to the lease row that tells where to ask.

        `open_books` tells the books to own beside those of the recorder, each with a position before which there is
        nothing of it; it is asked again and again, since books are opened while the engine runs.
        """
        self._recorder = recorder
        self._clock = clock
        self._socket_path = socket_path
        self._meta = Meta(actor=owner)
        self._owner = owner
        self._mapper = LogMapper()
        self._heads = {book: Heads(book) for book in recorder.books}
        self._open_books = open_books
        self._since: Mapping[int, int] = {}
        self._look_at = 0.0
        self._recent = Recent()
        self._intake = Intake()
        self._flight: Flight | None = None
        self._lines_since_snapshot = 0
        self._paced_until = 0.0
        self._lost_at: float | None = time.monotonic()
        self._owning = threading.Event()
        self._ended = threading.Event()

    @property
    def owning(self) -> threading.Event:
        """Set while the engine holds its lock and its memory is fresh."""
        return self._owning

    def heads(self, book: int) -> Heads:
        """The wallets of a book as last committed; to read, never to change."""
        return self._heads[book]

    # asking

    def submit(self, request: Request, answer: Callable[[Reply], None]) -> None:
        """Take a request; `answer` is called once: at once for reads and mistakes, else after the commit."""
        heads = self._heads.get(request.book)
        if heads is None:
            answer(_error("unknown_book", f"this engine does not own book {request.book}"))
        elif isinstance(request, ReadWallet | Ping):
            answer(self._look(request, heads))
        else:
            wrong = mistake(request)
            if wrong is not None:
                answer(wrong)
                return
            weight = len(request.items) if isinstance(request, Bulk) else 1
            self._intake.ask(Ask(request, order_posting_id(request), fingerprint(request), answer, weight))
            if self._ended.is_set():  # looked at after queueing, so that no request slips past the last withdrawal
                self._turn_away("the posting engine has stopped")

    def _look(self, request: ReadWallet | Ping, heads: Heads) -> Reply:
        if not self._owning.is_set():
            return _error(ENGINE_UNAVAILABLE, f"this engine does not hold the lock of book {request.book} now")
        if isinstance(request, Ping):
            return Reply(status="found", position=heads.position)
        account = heads.accounts.get(request.wallet_id)
        if account is None:
            return _error(UNKNOWN_WALLET, f"book {request.book} has no wallet {request.wallet_id}")
        return Reply(status="found", wallet_id=request.wallet_id, wallet=account.numbers())

    # running

    def run(self, stop: threading.Event) -> None:
        """Own the books and post until `stop` is set. Raises what a wrong posting rule raises: no fact is skipped."""
        self._ended.clear()
        try:
            while not stop.is_set():
                try:
                    self._own(stop)
                except WriterAlreadyRunning as error:
                    self._stand_by(stop, str(error))
                except (FenceLost, LogUnavailable, HeadsOutdated, psycopg.Error) as error:
                    log.warning("writer lock lost, taking it again", reason=str(error))
                    self._stand_by(stop, str(error))
        finally:
            self._ended.set()
            self._turn_away("the posting engine stopped before it decided")
            self._recorder.release()

    def _own(self, stop: threading.Event) -> None:
        """Take the lock, read memory, post until stopped or the lock is lost."""
        self._recorder.acquire()
        writer = ThreadPoolExecutor(1, thread_name_prefix="engine-commit")
        with writer as self._writer, connect(self._recorder.database_url) as side:
            self._load(side)
            self._adopt(side)
            feed = self._feed(side)
            try:
                self._lost_at = None
                self._owning.set()
                while not stop.is_set():
                    feed.check()
                    if time.monotonic() >= self._look_at and self._adopt(side):
                        feed.close()
                        feed = self._feed(side)
                    if self._intake.queued < OVERLAP_QUEUED:
                        self._land(side)
                        time.sleep(max(0.0, self._paced_until - time.monotonic()))
                    taken = self._intake.take(IDLE_SECONDS)
                    self._paced_until = time.monotonic() + PACE_SECONDS
                    metrics.QUEUE.set(self._intake.waiting)
                    self._post(taken, side)
                    if self._lines_since_snapshot >= SNAPSHOT_EVERY_LINES:
                        self._land(side)
                        self._write_snapshots(side, feed)
                self._land(side)
                self._write_snapshots(side, feed)
            finally:
                self._owning.clear()
                self._abandon()
                feed.close()

    def _feed(self, side: psycopg.Connection[Any]) -> FactFeed:
        """Tell where the books' engine is, and follow their facts."""
        side.execute(LEASE, [self._socket_path, self._owner, list(self._recorder.books)], binary=True)
        return FactFeed(self._recorder, self._mapper, self._intake, self._since)

    def _abandon(self) -> None:
        """Let a batch on its way come to its end, and its requests be decided anew: by their keys, in the log."""
        flight, self._flight = self._flight, None
        if flight is not None and flight.result is not None:
            flight.result.exception()
            self._intake.ask_again(flight.asks)

    def _load(self, side: psycopg.Connection[Any]) -> None:
        self._recent.clear()
        for heads in self._heads.values():
            self._read(heads, side)
        metrics.TAKEOVERS.inc()

    def _read(self, heads: Heads, side: psycopg.Connection[Any]) -> None:
        folded = heads.load(snapshots.load(side, [heads.book]), self._recorder, self._mapper)
        log.info("wallet heads read", book=heads.book, wallets=len(heads.accounts), folded=folded)

    def _adopt(self, side: psycopg.Connection[Any]) -> bool:
        """Own the books that were opened since the last look; True when there were any. What another engine has is
        left to it, and looked at again.

        Their facts are read by a new feed: from where the batches that have landed stood, so none is lost or doubled.
        """
        self._look_at = time.monotonic() + BOOKS_LOOK_SECONDS
        if self._open_books is None:
            return False
        found = self._open_books(side)
        new = [book for book in found if book not in self._heads]
        if not new:
            return False
        self._land(side)
        adopted = [book for book in new if self._recorder.add(book)]
        self._since = {**self._since, **{book: found[book] for book in adopted}}
        for book in adopted:
            heads = Heads(book, found[book])
            self._read(heads, side)
            self._heads[book] = heads  # requests of the book are taken from here on
        return bool(adopted)

    def _write_snapshots(self, side: psycopg.Connection[Any], feed: FactFeed) -> None:
        """Only after the last batch has landed. A book without facts of late is noted as read up to here, so that the
        next start need not look for them from its beginning."""
        read_to = feed.queued_to
        if not self._intake.facts_waiting:
            for book in self._heads:
                self._recorder.advance(Tracking(f"engine/{book}", read_to))
        for heads in self._heads.values():
            rows = heads.snapshots()
            if rows:
                snapshots.save(side, rows)
                heads.snapshots_written()
        self._lines_since_snapshot = 0

    def _stand_by(self, stop: threading.Event, reason: str) -> None:
        if self._lost_at is None:
            self._lost_at = time.monotonic()
        if time.monotonic() - self._lost_at > PATIENCE_SECONDS:
            self._turn_away(reason)
        stop.wait(RETRY_SECONDS)

    def _turn_away(self, reason: str) -> None:
        for ask in self._intake.withdraw():
            ask.answer(_error(ENGINE_UNAVAILABLE, f"{reason}; ask again with the same key"))

    # posting

    def _post(self, taken: Taken, side: psycopg.Connection[Any]) -> None:
        """Post a batch, one transaction per book. Requests that could not be decided go back to the queue."""
        waiting = taken.asks
        books = {fact.book for fact in taken.facts} | {ask.order.book for ask in taken.asks}
        try:
            for book in sorted(books):
                asks = [ask for ask in waiting if ask.order.book == book]
                facts = [fact for fact in taken.facts if fact.book == book]
                self._post_book(self._heads[book], asks, facts, side)
                waiting = [ask for ask in waiting if ask.order.book != book]
        except BaseException:
            self._intake.ask_again(waiting)
            raise

    def _post_book(self, heads: Heads, asks: list[Ask], facts: list[Fact], side: psycopg.Connection[Any]) -> None:
        """Decide on top of the batch that is still on its way, then let this one follow it."""
        before = self._flight
        flight = self._decided(heads, asks, facts, side, below=before)
        anew = self._land(side)  # then what it was decided on did not come about
        if before is not None and before.heads is heads and (anew or flight.batch.unsettled):
            flight = self._decided(heads, asks, facts, side)
        if self._intake.queued < OVERLAP_QUEUED:  # nothing to do meanwhile: a hand-over would only cost time
            self._answer(*self._committed(flight, side))
        else:
            flight.result = self._writer.submit(self._append, flight)
            self._flight = flight

    def _land(self, side: psycopg.Connection[Any]) -> bool:
        """Wait for the batch on its way and answer it; True when it had to be decided anew.

        On any failure but a key that was decided before, its requests go back to the queue.
        """
        flight, self._flight = self._flight, None
        if flight is None or flight.result is None:
            return False
        try:
            try:
                self._answer(flight, flight.result.result())
            except IntegrityError as conflict:
                self._answer(*self._committed(self._decided_anew(flight, conflict, side), side))
                return True
        except BaseException:
            self._intake.ask_again(flight.asks)
            raise
        return False

    def _committed(self, flight: Flight, side: psycopg.Connection[Any]) -> tuple[Flight, list[int]]:
        """A batch and its positions; decided again as often as keys of it turn out to be decided already."""
        while True:
            try:
                return flight, self._append(flight)
            except IntegrityError as conflict:
                flight = self._decided_anew(flight, conflict, side)

    def _decided_anew(self, flight: Flight, conflict: IntegrityError, side: psycopg.Connection[Any]) -> Flight:
        found = recall(side, flight.batch.deciding_ids)
        if not found:
            raise HeadsOutdated(str(conflict)) from conflict
        recalled = Recalled(flight.recalled.settled | found.settled, flight.recalled.taken | found.taken)
        return self._decided(flight.heads, flight.asks, flight.facts, side, recalled)

    def _decided(
        self,
        heads: Heads,
        asks: list[Ask],
        facts: list[Fact],
        side: psycopg.Connection[Any],
        recalled: Recalled | None = None,
        below: Flight | None = None,
    ) -> Flight:
        """A batch ready to be appended; `below` is one that is not committed yet, of whatever book."""
        recalled = recalled or Recalled({}, set())
        batch = Batch(
            heads,
            self._clock(),
            known=(recalled.settled, self._recent),
            posted=recalled.settled,
            taken=recalled.taken,
            below=below.batch if below is not None and below.heads is heads else None,
            lookup=lambda posting_id: posting_of(side, posting_id, heads.book),
            recall=lambda stream_ids: recall(side, stream_ids),
        )
        decisions = [batch.request(ask.order, ask.posting_id, ask.fingerprint) for ask in asks]
        for fact in facts:
            if fact.draft is not None:
                batch.fact(fact.draft, fact.position)
        return Flight(heads, asks, facts, batch, decisions, recalled)

    def _append(self, flight: Flight) -> list[int]:
        """Write a batch. `insert_events` and not `save`: there is no aggregate to collect events from, and the
        library's bookkeeping per event would cost as much as the posting. Nothing in memory changes here."""
        book = flight.heads.book
        tracking = Tracking(f"engine/{book}", flight.facts[-1].position) if flight.facts else None
        stored = flight.batch.stored
        if not stored:
            if tracking is not None:  # facts that post nothing are done with all the same
                self._recorder.advance(tracking)
            return []
        with metrics.COMMIT.time():
            return list(self._recorder.insert_events(stored, tracking, book=book, meta=self._meta) or [])

    def _answer(self, flight: Flight, positions: list[int]) -> None:
        """Take a committed batch into memory and tell its askers."""
        batch = flight.batch
        if positions:
            batch.merge(positions[-1])
        self._lines_since_snapshot += batch.lines
        metrics.count(batch, flight.decisions)
        for posting_id, decision in batch.decided.items():
            self._recent.put(posting_id, Settled(decision.fingerprint, decision.placed(positions)))
        for ask, decision in zip(flight.asks, flight.decisions, strict=True):
            ask.answer(decision.placed(positions))


def _error(code: str, detail: str) -> Reply:
    return Reply(status="error", code=code, detail=detail)
