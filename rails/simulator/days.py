"""What happens as time passes: holds end, challenges run out, declines turn, days are closed and money arrives.

Nothing runs in the background. Before anything is answered, all that was due by then is done in the order of time, so
that a clock moved on by a month and a month of waiting lead to the same books.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from rails.simulator import moments
from rails.simulator.psp.payments import reduce_hold
from rails.simulator.psp.rows import take

if TYPE_CHECKING:
    from rails.simulator.agenda import Agenda
    from rails.simulator.bank.bookings import Bookings
    from rails.simulator.clock import Clock
    from rails.simulator.psp.challenges import Challenges
    from rails.simulator.psp.settlement import Settlement
    from rails.simulator.psp.terms import Terms
    from rails.simulator.store import Store

SETTING: Final = "day"
ONE_DAY: Final = timedelta(days=1)
NEXT: Final = (
    "select min(capture_before) from authorisations where status = 'authorised'",
    "select min(action_expires_at) from authorisations where status = 'requires_action'",
    "select min(late_at) from authorisations where status = 'declined' and late_at is not null",
    "select min(late_at) from captures where status = 'declined' and late_at is not null",
)
EXPIRE_HOLDS: Final = (
    "update authorisations set status = 'expired', released_minor = amount_minor - captured_minor "
    "where status = 'authorised' and capture_before <= ?"
)


class Days:
    """Brings the books up to the clock's present."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        terms: Terms,
        challenges: Challenges,
        settlement: Settlement,
        bookings: Bookings,
        agenda: Agenda,
    ) -> None:
        self._store = store
        self._clock = clock
        self._terms = terms
        self._challenges = challenges
        self._settlement = settlement
        self._bookings = bookings
        self._agenda = agenda

    @property
    def today(self) -> date:
        """The day that the books are in."""
        return self._clock.now().date()

    def start_anew(self) -> None:
        """The books are empty: whatever the clock says now is their first day."""
        with self._store.operation():
            self._store.keep_setting(SETTING, self.today.isoformat())
        self._agenda.next = None

    def look_again(self) -> None:
        """Forget when something is due next."""
        self._agenda.next = None

    def catch_up(self) -> None:
        """Do what is due. Cheap while nothing is."""
        now = self._clock.now()
        if self._agenda.next is not None and now < self._agenda.next:
            return
        if self._store.setting(SETTING) is None:
            self.start_anew()
        day = date.fromisoformat(self._store.setting(SETTING))
        if self._is_due(now, day):
            with self._store.operation():
                while day < now.date():
                    following = day + ONE_DAY
                    self._within_a_day(moments.midnight(following))
                    self._settlement.close(day)
                    self._bookings.begin(following)
                    day = following
                self._within_a_day(now)
                self._store.keep_setting(SETTING, day.isoformat())
        self._agenda.next = self._first_after(day)

    def _is_due(self, now: datetime, day: date) -> bool:
        return now >= self._first_after(day)

    def _first_after(self, day: date) -> datetime:
        found = [self._store.value(statement) for statement in NEXT]
        return min([moments.midnight(day + ONE_DAY), *(moments.read(text) for text in found if text)])

    def _within_a_day(self, until: datetime) -> None:
        """Declines that turn come first: each happens at its own moment, to a hold that may end in the same breath."""
        moment = moments.written(until)
        late = "select * from authorisations where status = 'declined' and late_at <= ? order by late_at, id"
        for row in self._store.rows(late, moment):
            self._turn(row)
        late = "select * from captures where status = 'declined' and late_at <= ? order by late_at, capture_key"
        for row in self._store.rows(late, moment):
            self._turn_capture(row)
        self._challenges.expire(until)
        self._store.write(EXPIRE_HOLDS, moment)

    def _turn(self, row: dict[str, Any]) -> None:
        with self._store.operation() as connection:
            self._challenges.succeed(connection, row, moments.read(row["late_at"]))

    def _turn_capture(self, row: dict[str, Any]) -> None:
        """A capture that turns finds its hold as it is by then: gone, it stays declined."""
        held = self._store.row("select * from authorisations where id = ?", row["authorisation_id"])
        with self._store.operation() as connection:
            is_there = (
                held is not None
                and held["status"] == "authorised"
                and row["late_at"] < held["capture_before"]
                and row["amount_minor"] <= held["amount_minor"] - held["captured_minor"]
            )
            if not is_there or held is None:
                connection.execute("update captures set late_at = null where capture_key = ?", (row["capture_key"],))
                return
            amount = row["amount_minor"]
            cost = self._terms.fee(held["method"], amount)
            connection.execute(
                "update captures set status = 'captured', cost_minor = ?, decline_code = null, decline_class = null "
                "where capture_key = ?",
                (cost, row["capture_key"]),
            )
            told = {"currency": row["currency"], "created_at": row["late_at"]}
            take(connection, held["id"], row["capture_key"], told, amount, cost)
            reduce_hold(connection, held, amount, cost, final=bool(row["final"]))
