"""All the books of the simulator, opened together: the provider's, the bank's, the clock, the terms and the plan."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rails.simulator import clock as clocks
from rails.simulator.agenda import Agenda
from rails.simulator.bank.accounts import Accounts
from rails.simulator.bank.bookings import Bookings
from rails.simulator.bank.camt import Statements
from rails.simulator.bank.direct_debits import DirectDebits
from rails.simulator.clock import Clock
from rails.simulator.days import Days
from rails.simulator.faults import plan as plans
from rails.simulator.faults.plan import Plan
from rails.simulator.psp import terms as all_terms
from rails.simulator.psp.challenges import Challenges
from rails.simulator.psp.payments import Payments
from rails.simulator.psp.settlement import Settlement
from rails.simulator.psp.terms import Terms
from rails.simulator.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEPT: Final = {"clock": clocks.SETTING, "faults": plans.SETTING, "terms": all_terms.SETTING}
"""What a reset can leave as it is, and under which setting it is kept."""


class Books:
    """Opens or creates the books at `database`; for one thread at a time. `real` is where real time comes from.

    Raises `BooksOfAnotherVersion`.
    """

    def __init__(self, database: Path, real: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        agenda = Agenda()
        self.store = Store(database)
        self.clock = Clock(self.store, real)
        self.terms = Terms(self.store)
        self.plan = Plan(self.store)
        self.payments = Payments(self.store, self.clock, self.terms, agenda)
        self.challenges = Challenges(self.store, self.clock, self.terms, agenda)
        self.settlement = Settlement(self.store, self.terms)
        self.accounts = Accounts(self.store)
        self.bookings = Bookings(self.store, self.clock, self.accounts)
        self.direct_debits = DirectDebits(self.store, self.clock, self.accounts, self.plan)
        self.statements = Statements(self.store)
        self.days = Days(self.store, self.clock, self.terms, self.challenges, self.settlement, self.bookings, agenda)

    def close(self) -> None:
        """Folds the write-ahead log into the file."""
        self.store.close()

    @property
    def are_empty(self) -> bool:
        """No payment, no account, no file: the clock may still be set to any day."""
        return not any(
            self.store.value(f"select exists (select 1 from {table})")  # noqa: S608  names of our own schema
            for table in ("authorisations", "accounts", "direct_debits", "messages")
        )

    def change_clock(self, body: dict[str, object]) -> None:
        """POST /clock. Empty books begin on whatever day is set. Raises `Problem`."""
        is_first_day = self.are_empty
        self.clock.change(body, may_go_back=is_first_day)
        if is_first_day:
            self.days.start_anew()
        else:
            self.days.catch_up()

    def reset(self, keep: list[str]) -> None:
        """POST /reset: nothing has ever happened. Clock, plan and terms are as new too, unless they are to be kept."""
        kept = {KEPT[name]: self.store.setting(KEPT[name]) for name in keep}
        with self.store.operation():
            self.store.empty()
            for setting, body in kept.items():
                if body is not None:
                    self.store.keep_setting(setting, body)
        self.reload()
        self.days.start_anew()

    def reload(self) -> None:
        """Know again what the file says: something that was set has not been written down after all."""
        self.clock.load()
        self.terms.load()
        self.plan.load()
        self.days.look_again()
