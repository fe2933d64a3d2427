"""Puts a simulation together: a copy of Daybook of its own, the rails with their faults, and the verdict in the end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import psycopg

from daybook.bootstrap import database, event_log, key_store, open_rails, paying, recorder_of
from daybook.running import running
from daybook.settings import Settings
from daybook.simulation.agreement import Agreement, Disagreement, compare
from daybook.simulation.bank_and_provider import OtherSide
from daybook.simulation.drill import START, Drill, DrivenClock, Seen
from daybook.simulation.faults import plan
from daybook.simulation.our_books import Orders
from daybook.simulation.sales import Sale
from domain.payment_order import RECORDED_RAIL
from eventlog.application import EventLog
from eventlog.sealing.seals import KeyedSeals
from payments.checkout import Checkout
from payments.offered import Offered
from projections.queries import Queries
from rails.formats.identifiers import creditor_reference, end_to_end_id
from rails.guarded import GuardedRail
from rails.registry import TAKES
from rails.retries import Budget
from replay.verify import chosen_checks, scope_of, verify

ROLES: Final = ("simulator", "engine", "views")
IBAN: Final = "DE89370400440532013000"
BANK: Final = {
    "bank_iban": IBAN,
    "bank_creditor_name": "Daybook",
    "bank_bic": "COBADEFFXXX",
    "bank_creditor_id": "DE98ZZZ09999999999",
}
CALLS: Final = 128
NEVER: Final = 1_000_000_000
ORDER_EXPIRY: Final = timedelta(days=2)


class _NoSecondTry(Budget):
    """When a second try within a call is made is chance: here only the steps of the process decide."""

    def spend(self) -> bool:
        """There is none."""
        return False


@dataclass(frozen=True)
class Outcome:
    """How a simulation ended. `digest` is of every order's end: the same seed gives the same. `statuses` counts orders,
    `played` faults by operation, `calls` what our side asked, `findings` what the audit of our books found."""

    agreement: Agreement
    statuses: dict[str, int]
    played: dict[str, dict[str, int]]
    calls: dict[str, int]
    findings: int
    digest: str

    @property
    def right(self) -> bool:
        """Both books agree, and ours are sound."""
        return self.agreement.agrees and not self.findings


def simulate(
    settings: Settings, sales: Sequence[Sale], level: str, seed: int, watch: Callable[[Seen], None] = lambda _: None
) -> Outcome:
    """Runs all of it under a home of its own, which must be empty, and lays the books side by side.

    Raises what `running` raises, and SimulationStuck.
    """
    clock = DrivenClock()
    with ExitStack() as stack:
        settings = stack.enter_context(running(settings.model_copy(update=BANK), ROLES, exclusive=True)).settings
        other_side = stack.enter_context(closing(OtherSide(settings.simulator_url, IBAN)))
        other_side.begin(plan(level, seed, START), START)
        rails = {
            name: GuardedRail(rail, calls=NEVER, failures=NEVER, budget=_NoSecondTry())
            for name, rail in open_rails(settings, clock).items()
        }
        for rail in rails.values():
            stack.callback(rail.close)
        log = stack.enter_context(event_log(settings))
        seals = KeyedSeals(stack.enter_context(closing(key_store(settings))))
        offered = Offered(set(rails) - {RECORDED_RAIL}, TAKES)
        drill = Drill(
            stack.enter_context(paying(settings, rails, clock, CALLS)),
            Checkout(log, clock, offered, ORDER_EXPIRY, seals),
            Queries(recorder_of(log).readers.read),
            stack.enter_context(psycopg.connect(database(settings), autocommit=True)),
            other_side,
            clock,
            settings.book,
            watch,
        )
        drill.run(sales)
        calls = {f"{name} {told.operation}": told.calls for name, rail in rails.items() for told in rail.health()}
        return _outcome(log, other_side, drill.people.paid_twice, calls)


def _outcome(log: EventLog, other_side: OtherSide, paid_twice: set[str], calls: dict[str, int]) -> Outcome:
    books = Orders(log)
    attempts_of = {
        name(attempt.attempt_key): (order.order_id, attempt.attempt_key)
        for order in books.orders.values()
        for attempt in order.attempts
        if attempt.rail == "sepa"
        for name in (end_to_end_id, creditor_reference)
    }
    at_bank = list(other_side.at_bank(attempts_of))
    agreement = compare(books.standings(), [*other_side.at_provider(), *at_bank], paid_twice)
    known, balance = sum(one.captured_minor for one in at_bank), other_side.balance_minor()
    if known != balance:
        agreement.disagreements.append(Disagreement("on the account", "", IBAN, str(known), str(balance)))
    recorder = recorder_of(log)
    report = verify(recorder, log.log_mapper, scope_of(recorder, log.log_mapper), chosen_checks())
    statuses: dict[str, int] = {}
    digest = hashlib.sha256()
    for order in sorted(books.orders.values(), key=lambda order: order.order_id):
        statuses[order.status] = statuses.get(order.status, 0) + 1
        said = (order.order_id, order.status, order.captured_minor, order.returned_minor, len(order.late_successes))
        digest.update(f"{said}\n".encode())
    findings = sum(result.count for result in report.results)
    return Outcome(agreement, dict(sorted(statuses.items())), other_side.played(), calls, findings, digest.hexdigest())
