"""What each process of Daybook does: one function per role, and nothing of a role is imported before it runs.

A role is a function ``(settings, stop) -> None`` that works until ``stop`` is set, then leaves everything durable and
returns. ``settings.database_url`` is set and migrated when it is called.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from daybook.listener import api_listener
from daybook.settings import Settings

Role = Callable[[Settings, threading.Event], None]

# Rails before those who call them, the engine before those who ask it; processes stop in the reverse order.
START_ORDER = ("simulator", "engine", "views", "payments", "api")
ROLES: dict[str, Role] = {}
API_NICENESS = 3
"""What was taken in is finished before more is taken in: engine and database come before the API."""
VIEWS_NICENESS = 5


class UnknownRole(ValueError):
    """No process of that name; the message lists those there are."""


def role(name: str) -> Callable[[Role], Role]:
    """Register the function that a process of this role runs. The name must have its place in `START_ORDER`."""
    if name not in START_ORDER:
        raise UnknownRole(f"role {name!r} has no place in START_ORDER")

    def register(function: Role) -> Role:
        ROLES[name] = function
        return function

    return register


def run_role(name: str, settings: Settings, stop: threading.Event) -> None:
    """Run one role until `stop` is set. Raises `UnknownRole`, and whatever ends the role early."""
    if name not in ROLES:
        raise UnknownRole(f"role {name!r} is unknown; use one of {', '.join(sorted(ROLES))}")
    ROLES[name](settings, stop)


@role("simulator")
def simulator(settings: Settings, stop: threading.Event) -> None:
    """Serve the payment rail to practise on; its books are its own file, never our database."""
    from rails.simulator.books import Books
    from rails.simulator.server import Simulator

    settings.simulator_database.parent.mkdir(parents=True, exist_ok=True)
    books = Books(settings.simulator_database)
    server = Simulator(settings.simulator_host, settings.simulator_port, books)
    threading.Thread(target=server.serve_forever, name="simulator-accept", daemon=True).start()
    stop.wait()
    server.shutdown()
    server.server_close()
    books.close()


@role("engine")
def engine(settings: Settings, stop: threading.Event) -> None:
    """Post the facts of the log and the requests of the socket for every open book, also for those opened meanwhile;
    the only writer of wallet and posting streams."""
    from daybook.bootstrap import database, event_log
    from domain.adjustment import Adjustment
    from domain.payment_order import PaymentOrder
    from eventlog.fenced import FencedRecorder
    from ledger.engine import PostingEngine
    from ledger.open_books import open_books
    from ledger.server import LedgerServer

    path = settings.engine_socket
    with event_log(settings):  # opens the settings' book: nothing is written to a book before it is open
        recorder = FencedRecorder(
            database(settings), books=(settings.book,), wakes=[PaymentOrder.TOPIC, Adjustment.TOPIC]
        )
    try:
        posting = PostingEngine(recorder, lambda: datetime.now(UTC), socket_path=str(path), open_books=open_books)
        server = LedgerServer(posting, path)
        server.start()
        try:
            posting.run(stop)
        finally:
            server.stop()
    finally:
        recorder.close()


@role("views")
def views(settings: Settings, stop: threading.Event) -> None:
    """Fill the views from the log; when there is not enough processor for all, payments come first and views catch
    up."""
    from daybook.bootstrap import event_log, view_machine

    os.nice(VIEWS_NICENESS)
    with event_log(settings) as log:
        view_machine(log).run(stop)


@role("payments")
def payments(settings: Settings, stop: threading.Event) -> None:
    """Let rails do what orders ask for, do what has become due, and read what rails tell."""
    from daybook.bootstrap import paying, rails, rails_reported
    from daybook.clock import SystemClock

    opened = rails(settings, stop.is_set)
    try:
        with rails_reported(settings, opened), paying(settings, opened, SystemClock()) as parts:
            beside = [
                threading.Thread(target=parts.timers.run, args=(stop, settings.timer_interval_s), name="timers"),
                threading.Thread(target=parts.evidence.run, args=(stop, settings.evidence_interval_s), name="evidence"),
            ]
            for thread in beside:
                thread.start()
            try:
                parts.process.run(stop)
            finally:
                stop.set()
                for thread in beside:
                    thread.join()
    finally:
        for rail in opened.values():
            rail.close()


@role("api")
def api(settings: Settings, stop: threading.Event) -> None:
    """Serve the HTTP API."""
    from api import server
    from daybook.bootstrap import api_services

    os.nice(API_NICENESS)
    with api_listener(settings) as listener:
        server.run(lambda: api_services(settings), stop, listener, threads=settings.api_threads)
