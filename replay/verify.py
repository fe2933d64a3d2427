"""Runs the audit checks: one pass over the log for all of them, each event decoded once, page by page.

Nothing is written and nothing is held back: the pass reads what was readable when it began, while writers go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec
import psycopg

from eventlog import snapshots
from eventlog.mapper import LogMapper
from eventlog.postgres import PostgresRecorder
from eventlog.recorded import Recorded
from replay.checks.check import Check, Finding, Scope, Seen
from replay.checks.live_builds import live_builds
from replay.checks.registry import checks

PAGE_EVENTS = 5_000
KEPT_FINDINGS = 100
"""Findings of a check that are told in full; more are counted. One cause can have a million consequences."""
COMMIT_POSITIONS = 1 << 20
"""Positions of one commit share all but their last bits (ADR 1); a commit is verified whole or not at all."""
ENGINES = "select name, position from log.tracking where starts_with(name, 'engine/')"
SNAPSHOT_BOOKS = "select distinct book from log.wallet_snapshots"
COUNT = "select count(*) from log.events where position <= %s and (%s::int[] is null or book = any(%s))"

Progress = Callable[[int], None]
"""Called with how many events were seen so far."""


class UnknownCheck(LookupError):
    """There is no check of that name; the message lists those there are."""


class PositionNotReached(ValueError):
    """A position was named that the log has not come to."""


class Result(msgspec.Struct):
    """What one check found. `count` is all of it, `findings` the first of them; `skipped` says why it did not run."""

    check: str
    meaning: str
    advice: str
    count: int = 0
    findings: list[Finding] = []
    skipped: str | None = None


class Report(msgspec.Struct):
    """What a pass over `events` events up to the position `end` came to."""

    end: int
    events: int
    results: list[Result]

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not any(result.count for result in self.results)


class Rows(Protocol):
    """The part of a recorder that a pass needs."""

    def read(
        self, after: int, limit: int, *, topics: Sequence[str] = (), books: Sequence[int] = (), until: int | None = None
    ) -> list[Recorded]: ...


def _unheard(_events: int) -> None:
    """Nobody wants to know."""


def chosen_checks(names: Iterable[str] = ()) -> list[type[Check]]:
    """The checks of these names, or all of them. Raises UnknownCheck."""
    known, wanted = checks(), list(dict.fromkeys(names))
    for name in wanted:
        if name not in known:
            raise UnknownCheck(f"there is no check {name!r}; choose among {', '.join(known)}")
    return [known[name] for name in wanted or known]


def verify(
    rows: Rows,
    mapper: LogMapper,
    scope: Scope,
    chosen: Sequence[type[Check]],
    *,
    books: Sequence[int] = (),
    partial: bool = False,
    progress: Progress = _unheard,
) -> Report:
    """One pass of these checks over the log of `books` (all unless given) up to the scope's end.

    `partial` says that `books` or the end were chosen: checks that need the whole log are skipped then, and say so.
    """
    results = {check.name: Result(check.name, check.meaning, check.advice) for check in chosen}
    running: list[Check] = []
    for kind in chosen:
        if kind.whole and partial:
            results[kind.name].skipped = "it says something only about the whole log as it is now"
        else:
            running.append(kind(scope))
    try:
        count = _pass(rows, mapper, scope.end, books, _Listeners(running), results, progress)
        for check in running:
            _keep(results[check.name], check.end())
    finally:
        for check in running:
            check.close()
    return Report(scope.end, count, list(results.values()))


def _pass(
    rows: Rows, mapper: LogMapper, end: int, books: Sequence[int], listeners: _Listeners, results: dict[str, Result],
    progress: Progress,
) -> int:  # fmt: skip
    count = 0
    for page in _pages(rows, end, books):
        for row in page:
            for check, seen in listeners.hear(row, mapper):
                _keep(results[check.name], check.see(seen))
        count += len(page)
        progress(count)
    return count


class _Listeners:
    """Which checks want to see which rows; a row that none wants is not decoded."""

    def __init__(self, running: Sequence[Check]) -> None:
        self._running = running
        self._by_topic: dict[str, list[Check]] = {}
        self._all = [check for check in running if not check.topics]

    def hear(self, row: Recorded, mapper: LogMapper) -> Iterator[tuple[Check, Seen]]:
        """Who is to see this row, and what."""
        wanted = self._by_topic.get(row.topic)
        if wanted is None:
            wanted = [check for check in self._running if row.topic in check.topics]
            self._by_topic[row.topic] = wanted
        if not wanted and not self._all:
            return
        seen = _decoded(row, mapper)
        for check in self._all:
            yield check, seen
        if seen.event is not None:
            for check in wanted:
                yield check, seen


def _decoded(row: Recorded, mapper: LogMapper) -> Seen:
    try:
        return Seen(row, mapper.decode(row))
    except Exception as problem:  # noqa: BLE001 - whatever a damaged row raises is what is wrong with it
        return Seen(row, None, str(problem) or type(problem).__name__)


def _keep(result: Result, found: Iterable[Finding]) -> None:
    for finding in found:
        result.count += 1
        if len(result.findings) < KEPT_FINDINGS:
            result.findings.append(finding)


def _pages(rows: Rows, end: int, books: Sequence[int]) -> Iterator[list[Recorded]]:
    after = 0
    while page := rows.read(after, PAGE_EVENTS, books=books, until=end):
        yield page
        after = page[-1].position


def count_events(recorder: PostgresRecorder, end: int, books: Sequence[int] = ()) -> int:
    """How many events a pass will see: for a progress bar."""
    wanted = list(books) or None
    rows = recorder.readers.read(lambda connection: connection.execute(COUNT, [end, wanted, wanted]).fetchall())
    return int(rows[0][0])


def scope_of(recorder: PostgresRecorder, mapper: LogMapper, until: int | None = None, *, views: bool = True) -> Scope:
    """What is to be verified now, up to the end of the commit that `until` lies in. Raises PositionNotReached.

    Where the engine and the views stand, and the engine's snapshots, are read before the end of the log: what they
    speak of is in it. `views` are digested only when they are to be compared.
    """
    engine, rows, now = recorder.readers.read(_beside)
    live = live_builds(recorder.database_url) if views else ()
    last = recorder.max_notification_id() or 0
    if until is not None and until > last:
        raise PositionNotReached(f"the log has come to position {last}, not yet to {until}")
    end = last if until is None else min(last, until | (COMMIT_POSITIONS - 1))

    def stream(stream_id: UUID) -> list[Any]:
        found: list[Any] = []
        for stored in recorder.select_events(stream_id):
            try:
                found.append(mapper.to_domain_event(stored))
            except Exception:  # noqa: BLE001 - it is there, and cannot be read; the pass tells of that
                found.append(None)
        return found

    return Scope(end, engine, rows, live, stream, recorder.database_url, now)


def _beside(connection: psycopg.Connection[Any]) -> tuple[dict[int, int], list[snapshots.WalletSnapshot], datetime]:
    engine = {int(name.partition("/")[2]): int(position) for name, position in connection.execute(ENGINES)}
    books = [book for (book,) in connection.execute(SNAPSHOT_BOOKS)]
    (now,) = connection.execute("select clock_timestamp()").fetchall()[0]
    return engine, snapshots.load(connection, books), now
