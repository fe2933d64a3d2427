"""The simulator's own time: real until somebody sets it, moves it on or stops it. Everything here goes by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from rails.simulator import fields, moments
from rails.simulator.problem import Problem, invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from rails.simulator.store import Store

SETTING: Final = "clock"
FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LAST: Final = datetime(2100, 1, 1, tzinfo=UTC)
GREATEST_STEP: Final = timedelta(days=3_660)
"""Each day that is passed over is closed: ten years take a moment, a century would look like a hang."""


class Clock:
    """Tells aware moments in UTC. `real` is where real time comes from."""

    def __init__(self, store: Store, real: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._real = real
        self._offset = timedelta()
        self._frozen_at: datetime | None = None
        self._held: datetime | None = None
        self.load()

    def load(self) -> None:
        """What the file says; real time when it says nothing."""
        kept = self._store.setting(SETTING) or {}
        self._held = None
        self._offset = timedelta(seconds=kept.get("offset_s", 0.0))
        self._frozen_at = moments.read(kept["frozen_at"]) if kept.get("frozen_at") else None

    def now(self) -> datetime:
        """The present moment; the same for all of a request once `hold` has been called for it."""
        return self._held or self._frozen_at or self._real() + self._offset

    def hold(self) -> None:
        """Let no time pass within a request: midnight must not come between its parts."""
        self._held = None
        self._held = self.now()

    def state(self) -> dict[str, object]:
        """As GET /clock tells it."""
        real = self._real()
        now = self._frozen_at or real + self._offset
        return {
            "now": moments.written(now),
            "frozen": self._frozen_at is not None,
            "ahead_of_real_time_s": (now - real).total_seconds(),
        }

    def change(self, body: fields.Body, *, may_go_back: bool) -> None:
        """POST /clock: `set`, then `advance_s`, then `freeze`, each left out as one likes.

        Raises `Problem` 400 for what is no moment, 409 for going back once something is in the books: days that were
        closed, with their statements and batches, cannot be opened again.
        """
        fields.only(body, "set", "advance_s", "freeze")
        if not body:
            raise invalid("set", "is missing, and so are advance_s and freeze: give one of them")
        real = self._real()
        before = moment = self._frozen_at or real + self._offset
        if "set" in body:
            moment = fields.moment(body, "set")
        if "advance_s" in body:
            moment += timedelta(seconds=fields.number(body, "advance_s", 0, GREATEST_STEP.total_seconds()))
        freeze = fields.flag(body, "freeze") if "freeze" in body else self._frozen_at is not None
        self._check(before, moment, "set" if "set" in body else "advance_s", may_go_back=may_go_back)
        self._offset = moment - real
        self._frozen_at = moment if freeze else None
        self._held = None
        self._keep()

    def _check(self, before: datetime, moment: datetime, field: str, *, may_go_back: bool) -> None:
        if not FIRST <= moment < LAST:
            raise invalid(field, f"must lead to a moment from {FIRST.year} to {LAST.year - 1}")
        if may_go_back:
            return
        if moment < before:
            detail = f"it is {moments.written(before)}: the clock only goes forward, or POST /reset empties the books"
            raise Problem(409, "clock_goes_back", detail, field=field)
        if moment - before > GREATEST_STEP:
            raise invalid(field, f"must lead at most {GREATEST_STEP.days} days ahead at once")

    def _keep(self) -> None:
        kept = {
            "offset_s": self._offset.total_seconds(),
            "frozen_at": moments.written(self._frozen_at) if self._frozen_at else None,
        }
        with self._store.operation():
            self._store.keep_setting(SETTING, kept)
