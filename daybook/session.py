"""What a command works with: the log, the use cases, and the certainty that books and views will follow.

A command that finds nothing running under its home starts the engine and the views for its duration
(`daybook.running`); beside a running copy it only opens the log.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import click
import psycopg

from daybook.beside import beside
from daybook.clock import SystemClock
from daybook.embedded_postgres import EmbeddedPostgresFailed
from daybook.migrate import LogAboveHorizon
from daybook.running import running
from daybook.settings import Settings
from daybook.supervisor import ProcessNotReady, Supervisor
from domain.posting_rules import POSTED_TOPICS, posting_for
from eventlog.application import EventLog
from eventlog.errors import LogUnavailable
from eventlog.postgres import PostgresRecorder
from payments.checkout import Checkout

EXIT_FINDING = 1
EXIT_UNREACHABLE = 3
BEHIND_PAGE = 5_000
LOOK_S = 0.05

Progress = Callable[[int], None]
"""Called with how many facts the books are still behind (at most BEHIND_PAGE are counted)."""


def _unheard(count: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Session:
    """The log and the use cases on it, for as long as the `session` block lasts."""

    settings: Settings
    recorder: PostgresRecorder
    log: EventLog
    checkout: Checkout

    @property
    def database_url(self) -> str:
        """Where the log and the views are."""
        return self.recorder.database_url

    def books_behind(self) -> int:
        """How many facts the posting engine has still to post; facts that post nothing are not waited for."""
        book = self.settings.book
        after = self.recorder.max_tracking_id(f"engine/{book}") or 0
        rows = self.recorder.read(after, BEHIND_PAGE, topics=sorted(POSTED_TOPICS), books=[book])
        decode = self.log.log_mapper.decode
        return sum(posting_for(decode(row), book) is not None for row in rows)

    def wait_for_books(self, timeout_s: float, progress: Progress = _unheard) -> bool:
        """Wait until every fact written so far is posted; False when `timeout_s` passed without any being posted."""
        last = self.recorder.max_notification_id() or 0
        if self.recorder.horizon.wait(last - 1, timeout_s) < last:
            return False
        seen, deadline = -1, time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            behind = self.books_behind()
            progress(behind)
            if behind == 0:
                return True
            reached = self.recorder.max_tracking_id(f"engine/{self.settings.book}") or 0
            if reached != seen:
                seen, deadline = reached, time.monotonic() + timeout_s
            time.sleep(LOOK_S)
        return False


@contextlib.contextmanager
def session(settings: Settings, roles: Sequence[str] = ("engine", "views")) -> Iterator[Session]:
    """Open the log, with the processes of `roles` running somewhere. A command that cannot reach them ends with 3."""
    try:
        with running(settings, roles) as copy, _kept_running(copy.supervisor):
            assert copy.settings.database_url is not None  # noqa: S101 - narrowing only, `running` sets it
            recorder = PostgresRecorder(copy.settings.database_url)
            log = EventLog(recorder)
            try:
                yield Session(copy.settings, recorder, log, Checkout(log, SystemClock()))
            finally:
                log.close()
    except (
        EmbeddedPostgresFailed,
        LogAboveHorizon,
        LogUnavailable,
        ProcessNotReady,
        psycopg.OperationalError,
    ) as problem:
        click.echo(f"cannot reach the books: {problem}", err=True)
        sys.exit(EXIT_UNREACHABLE)


@contextlib.contextmanager
def _kept_running(supervisor: Supervisor | None) -> Iterator[None]:
    """Restart a process that ends while the command works."""
    if supervisor is None:
        yield
        return
    with beside(supervisor.run, "supervisor"):
        yield
