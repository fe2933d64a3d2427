"""The one composition root: here, and only here, the rooms are put together into what a process needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from psycopg_pool import ConnectionPool

from daybook.beside import beside
from daybook.clock import SystemClock
from daybook.settings import Settings
from domain.payment_order import RECORDED_RAIL, PaymentOrder
from domain.payment_rules import KeyReused
from eventlog.application import EventLog
from eventlog.connections import Readers, connect
from eventlog.follower import Follower
from eventlog.postgres import PostgresRecorder
from eventlog.recorded import Meta
from ledger.client import LedgerClient
from payments.attempts import Attempts
from payments.checkout import Checkout
from payments.commands import OpenBook
from payments.due import DueEntries, DueEntry, DuePoller
from payments.evidence import Evidence, Named
from payments.instruments import Instruments
from payments.lanes import CALLS
from payments.offered import Offered
from payments.orders import Orders
from payments.payers import Payers
from payments.process import TOPICS, PaymentProcess
from payments.routes import Routes
from projections.queries import Queries
from projections.queries.reading import Reader
from projections.registry import views
from rails.guarded import GuardedRail, guarded
from rails.registry import TAKES, open_rail
from rails.retries import Waits
from replay.machine import ViewMachine
from replay.past import PastViews

if TYPE_CHECKING:
    from api.services import Services
    from domain.ports import Clock
    from domain.sealed import Seals
    from eventlog.sealing.sqlite_keys import SqliteKeyStore
    from rails.port import Rail

EVIDENCE = Meta(actor="evidence")
TIMERS_CONNECT_TIMEOUT_S = 0.5
"""A timer that finds no engine is due at the next look again: the others must not wait for it."""
SCRAPE_WAIT_S = 2.0
"""How long a scrape of the metrics waits for the database before it tells the rest."""
PAST_WAIT_S = 5.0
"""How long a request about the past waits for what it needs to be folded before it is told to ask again."""


def database(settings: Settings) -> str:
    """The connection string of the database that is known to run."""
    if settings.database_url is None:
        message = "database_url: a role needs a database that runs; open_database gives one"
        raise ValueError(message)
    return settings.database_url


@contextmanager
def event_log(settings: Settings, wakes: Sequence[str] = ()) -> Iterator[EventLog]:
    """The log, with its book open: an installation has its first book from the start. `wakes` as for the recorder."""
    log = EventLog(PostgresRecorder(database(settings), wakes=wakes))
    try:
        open_book(log, settings)
        yield log
    finally:
        log.close()


def open_book(log: EventLog, settings: Settings) -> None:
    """Opens the settings' book with its commission, once; an open book keeps the terms it was opened with."""
    terms = OpenBook(book=settings.book, name=f"book-{settings.book}", commission_bps=settings.commission_bps)
    with suppress(KeyReused):
        checkout(log).open_book(terms)


def checkout(
    log: EventLog,
    order_expiry: timedelta | None = None,
    seals: Seals | None = None,
    rails: frozenset[str] = frozenset(),
) -> Checkout:
    """The use cases of taking payments; `rails` are those that orders may name."""
    return Checkout(log, SystemClock(), Offered(rails, TAKES), order_expiry, seals)


def key_store(settings: Settings) -> SqliteKeyStore:
    """The keys of the people whom events are about; makes no file before the first of them is made."""
    # Only here: most processes and commands seal and open nothing.
    from eventlog.sealing.master_keys import MasterKeys
    from eventlog.sealing.sqlite_keys import SqliteKeyStore

    return SqliteKeyStore(settings.key_store_file, MasterKeys(settings.master_keys_file))


def recorder_of(log: EventLog) -> PostgresRecorder:
    """The log's recorder; outside tests it is always the one on PostgreSQL."""
    recorder = log.log_recorder
    if not isinstance(recorder, PostgresRecorder):
        message = "a running copy keeps its log in PostgreSQL"
        raise TypeError(message)
    return recorder


def rails(settings: Settings, stopped: Callable[[], bool] | None = None) -> dict[str, GuardedRail]:
    """Every rail that has what it needs to be opened, with its guard. Opening calls nobody. `stopped` is as for
    `Waits`: a process that stops begins no second try. Those are logged by stamina, and counted by the guard, by rail
    and operation: stamina's own counter knows neither."""
    # Only here: nobody else opens rails to call them.
    from stamina.instrumentation import StructlogOnRetryHook, set_on_retry_hooks

    set_on_retry_hooks([StructlogOnRetryHook])
    opened = open_rails(settings)
    timeouts = {name: settings.rail_timeouts_of(name) for name in opened}
    return guarded(opened, timeouts, Waits() if stopped is None else Waits(stopped=stopped))


def open_rails(settings: Settings, clock: Clock | None = None) -> dict[str, Rail]:
    """The same without guards; where days pass by a clock of one's own, that is the present for them, too."""
    now = (clock or SystemClock()).now
    return {name: open_rail(name, given, now) for name, given in _rail_options(settings).items()}


def opened_rails(settings: Settings) -> frozenset[str]:
    """The rails that have what they need to be opened."""
    return frozenset(_rail_options(settings))


def offered_rails(settings: Settings) -> frozenset[str]:
    """The rails that orders may name: those that are opened and call anybody."""
    return opened_rails(settings) - {RECORDED_RAIL}


@contextmanager
def rails_reported(settings: Settings, opened: Mapping[str, GuardedRail]) -> Iterator[None]:
    """Tells the other processes how rails are doing, for as long as the block lasts."""
    # Only here: it is the payment process alone that calls rails.
    from rails.reports import Reports

    with (
        closing(Reports(opened, lambda: connect(database(settings)))) as reports,
        beside(reports.run, "rail-reports"),
    ):
        yield


def _rail_options(settings: Settings) -> dict[str, dict[str, str]]:
    """By the name of each rail that can be opened, what it is opened with."""
    options: dict[str, dict[str, str]] = {"recorded": {}, "simulated": {"url": settings.simulator_url}}
    if settings.stripe_key is not None:
        key = settings.stripe_key.get_secret_value()
        options["stripe"] = {"key": key, "url": settings.stripe_url}
    if settings.bank_iban:
        options["sepa"] = {
            "url": settings.bank_url or settings.simulator_url,
            "creditor_name": settings.bank_creditor_name,
            "iban": settings.bank_iban,
            "bic": settings.bank_bic,
            "creditor_id": settings.bank_creditor_id,
        }
    for name, given in options.items():
        given |= {f"read_timeout.{o}": str(seconds) for o, seconds in settings.rail_timeouts_of(name).items()}
    return options


@contextmanager
def views_now_and_then(log: EventLog, wait_s: float | None = None) -> Iterator[Queries]:
    """The views as they are and as they were. `wait_s` is how long a question about the past may wait for what it needs
    to be folded; None for as long as it takes."""
    recorder = recorder_of(log)
    with closing(PastViews(recorder.database_url, recorder, log.log_mapper.decode, wait_s=wait_s)) as past:
        yield Queries(recorder.readers.read, past)


def view_machine(log: EventLog, names: Sequence[str] = ()) -> ViewMachine:
    """The machine over all views, or those named."""
    recorder = recorder_of(log)
    chosen = [view for name, view in views().items() if not names or name in names]
    return ViewMachine(recorder.database_url, recorder, recorder.horizon, log.log_mapper.decode, chosen)


class Paying(NamedTuple):
    """What makes payments happen: `process` lets rails do what orders ask for, `timers` do what has become due,
    `evidence` reads what rails tell by themselves."""

    process: PaymentProcess
    timers: DuePoller
    evidence: Evidence


@contextmanager
def paying(settings: Settings, rails: Mapping[str, GuardedRail], clock: Clock, calls: int = CALLS) -> Iterator[Paying]:
    """The parts of the payment process, for rails that stay the caller's to close; each is asked for so many orders
    at once. Nothing of it runs yet."""
    # Only here: nobody else calls rails, and so nobody else has to know who pays.
    from eventlog.sealing.seals import KeyedSeals

    with (
        event_log(settings, [PaymentOrder.TOPIC]) as log,
        closing(LedgerClient(settings.engine_socket, connect_timeout=TIMERS_CONNECT_TIMEOUT_S)) as ledger,
        closing(key_store(settings)) as keys,
    ):
        recorder = recorder_of(log)
        queries = Queries(recorder.readers.read)
        routes = Routes(rails, lambda name: rails[name].why_not(), settings.rail_costs)
        instruments = Instruments(log)
        told = {name: rail for name, rail in rails.items() if rail.capabilities.facts}
        evidence = Evidence(
            Orders(log, EVIDENCE, instruments), told, lambda name: _named(queries, name), recorder, clock
        )
        payer_of = Payers(KeyedSeals(keys)).for_call
        attempts = Attempts(log, rails, clock, routes, payer_of, instruments, evidence.complete)
        process = PaymentProcess(
            recorder, lambda after: Follower(recorder, recorder.horizon, after, topics=TOPICS), attempts, calls
        )
        timers = DuePoller(log, _due_entries(queries), clock, process.look, ledger)
        yield Paying(process, timers, evidence)


def _due_entries(queries: Queries) -> DueEntries:
    def read(now: datetime, limit: int, after: DueEntry | None = None) -> list[DueEntry]:
        place = after and (after.due_at, after.stream_id, after.kind, after.subject)
        rows = queries.due(now, limit, after=place)
        return [DueEntry(row["book"], row["stream_id"], row["kind"], row["key"], row["due_at"]) for row in rows]

    return read


def _named(queries: Queries, reference: str) -> list[Named]:
    rows = queries.named_attempts(reference)
    return [Named(row["book"], row["stream_id"], row["attempt"]) for row in rows]


@contextmanager
def api_services(settings: Settings) -> Iterator[Services]:
    """What the API works with; closed after the last answer."""
    # Only here: the web framework is a fifth of what every other process would load.
    from api.auth import PostgresApiKeys
    from api.payer_secrets import PayerSecrets
    from api.services import Services
    from api.waiters import Waiters
    from daybook.payer_key import payer_key
    from eventlog.sealing.seals import KeyedSeals

    with (
        closing(key_store(settings)) as keys,
        event_log(settings, [PaymentOrder.TOPIC]) as log,
        views_now_and_then(log, PAST_WAIT_S) as queries,
        ConnectionPool(database(settings), min_size=1, max_size=4, open=True) as pool,
        closing(Readers(database(settings), 1, patience_s=SCRAPE_WAIT_S)) as scraping,
    ):
        recorder = recorder_of(log)
        ledger = LedgerClient(settings.engine_socket)
        waiters = Waiters(Follower(recorder, recorder.horizon, recorder.max_notification_id() or 0))
        waiters.start()
        offered = offered_rails(settings)

        def views_run() -> str | None:
            return None if queries.position("payment_orders") or not recorder.max_notification_id() else "views wait"

        try:
            yield Services(
                log=log,
                reader=recorder,
                checkout=checkout(log, timedelta(seconds=settings.order_expiry_s), KeyedSeals(keys), offered),
                ledger=ledger,
                payer_secrets=PayerSecrets(payer_key(settings.payer_key_file)),
                queries=queries,
                keys=PostgresApiKeys(pool),
                clock=SystemClock(),
                waiters=waiters,
                checks={"views": views_run},
                scraped=Reader(scraping.read),
                opened_rails=opened_rails(settings),
            )
        finally:
            waiters.close()
            ledger.close()
