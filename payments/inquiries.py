"""Asking a rail what became of an attempt that is not decided yet: in doubt, waiting for its payer, or at the rail.

A doubt is asked about by the ladder, and each answer that does not end it is kept, so that people see what was tried.
Waiting is no doubt: the rail is asked whenever the timer says so, and only a change is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from domain.attempts import Attempt
from domain.payment_order import PaymentOrder
from domain.ports import Clock
from payments import outcomes
from payments.calls import inquiry, void_request
from payments.ladder import STEPS, next_inquiry, used_up
from payments.outcomes import UNDECIDED
from rails.port import (
    ActionRequired,
    Authorised,
    Captured,
    Declined,
    NotFound,
    NotSent,
    Pending,
    Rail,
    RailReply,
    Unknown,
    Voided,
)

CUT_OFF = Unknown("the process ended before the rail's answer was written down")
NOT_ASKED = Unknown("the rail finds nothing without a reference of its own, and may no longer know the key")
ACTION_EXPIRED = Declined("action_expired", "soft", "rail")
KEYS_TRUSTED: Final = 0.9
"""How much of the time that a rail says it keeps keys is relied on."""


class Keeps(Protocol):
    """Writes an outcome onto an order; answers the order with it."""

    def __call__(
        self, book: int, order: PaymentOrder, outcome: Callable[[PaymentOrder], object], reply: RailReply | None = None
    ) -> PaymentOrder: ...


Complete = Callable[[str], datetime | None]
Authorise = Callable[[int, PaymentOrder, Attempt, Rail], RailReply]
Barred = Callable[[int, PaymentOrder], bool]


def due_inquiry(attempt: Attempt, now: datetime) -> bool:
    """Whether the ladder lets a doubt be asked about by now."""
    due = attempt.next_inquiry_at
    if due is None and attempt.doubted_at is not None:
        due = next_inquiry(0, attempt.doubted_at)
    return due is None or due <= now


def _has_lasted(attempt: Attempt, now: datetime) -> bool:
    """Whether a doubt is older than the whole ladder is long."""
    return attempt.doubted_at is not None and now - attempt.doubted_at > sum(STEPS, timedelta())


def can_be_asked(attempt: Attempt, rail: Rail) -> bool:
    """Whether the rail can find an attempt by what is known of it."""
    able = rail.capabilities
    return able.inquiry and (attempt.rail_reference is not None or not able.inquiry_needs_reference)


def may_send_again(first_sent: datetime | None, rail: Rail, now: datetime) -> bool:
    """Whether the same request under its key is sure to have one effect with the first one."""
    able = rail.capabilities
    if not able.idempotency_keys or able.keys_kept_s is None or first_sent is None:
        return able.idempotency_keys
    return (now - first_sent).total_seconds() <= KEYS_TRUSTED * able.keys_kept_s


class Inquiries:
    """One round of asking for one attempt. `authorise` sends its request again, under its key; `barred` says whether
    what the order is paid with must not be tried now; `complete` up to when a rail's facts are known."""

    def __init__(self, clock: Clock, keep: Keeps, authorise: Authorise, barred: Barred, complete: Complete) -> None:
        self._clock, self._keep, self._authorise, self._barred = clock, keep, authorise, barred
        self._complete = complete

    def ask(self, book: int, order: PaymentOrder, attempt: Attempt, rail: Rail) -> PaymentOrder | None:
        """Answers the order as it is then, None when it wants nothing else now."""
        if attempt.state != "submitting":
            return self._ask_waiting(book, order, attempt, rail)
        doubted = attempt.unknown_operation is not None
        if doubted and not due_inquiry(attempt, self._clock.now()):
            return None
        asked: RailReply = NOT_ASKED
        if can_be_asked(attempt, rail):
            asked = rail.inquire(inquiry(attempt))
        reply, source = asked, "inquiry"
        # where a rail can only be asked by sending again, that is no new try; where it never had the attempt, it is one
        untold = asked is NOT_ASKED or (isinstance(asked, NotFound) and not self._barred(book, order))
        if untold and may_send_again(attempt.started_at, rail, self._clock.now()):
            reply, source = self._authorise(book, order, attempt, rail), "reply"
        if not isinstance(reply, UNDECIDED):
            return self._record(book, order, attempt, reply, source)
        if not doubted:
            self._record(book, order, attempt, CUT_OFF, source)
        elif self._never_received(attempt, rail, reply):
            return self._close(book, order, attempt)
        else:
            self.undecided(book, order, attempt, reply)
        return None

    def recheck(self, book: int, order: PaymentOrder, attempt: Attempt, rail: Rail) -> PaymentOrder | None:
        """Ask once more about a decline that may have been none; a success that shows is a late one."""
        asked = can_be_asked(attempt, rail)
        reply: RailReply = rail.inquire(inquiry(attempt)) if asked else NOT_ASKED
        if isinstance(reply, (Authorised, Captured)):
            return self._record(book, order, attempt, reply, "inquiry")
        if asked and isinstance(reply, (Unknown, NotSent)):
            return None

        def outcome(fresh: PaymentOrder) -> None:
            fresh.confirm_decline(attempt=attempt.number, asked=asked, at=self._clock.now())

        return self._keep(book, order, outcome)

    def undecided(self, book: int, order: PaymentOrder, attempt: Attempt, reply: RailReply) -> None:
        """Keep that a doubt was asked about in vain, when it is asked again, and that people must know once it is the
        last step. A rail that could not be asked has not been: that is no step, however long it lasts."""
        if isinstance(reply, NotSent) and not _has_lasted(attempt, self._clock.now()):
            return

        def outcome(fresh: PaymentOrder) -> None:
            now, known = self._clock.now(), fresh.attempt(attempt.number)
            if isinstance(reply, NotSent):
                fresh.escalate(attempt=known.number, at=now)
                return
            answer = "not_found" if isinstance(reply, NotFound) else "unknown"
            at = next_inquiry(known.inquiries + 1, now)
            reason = outcomes.reason_of(reply)
            fresh.record_inquiry(attempt=known.number, answer=answer, reason=reason, next_at=at, at=now)
            if used_up(known.inquiries):
                fresh.escalate(attempt=known.number, at=now)

        self._keep(book, order, outcome)

    def _never_received(self, attempt: Attempt, rail: Rail, reply: RailReply) -> bool:
        """Not found twice, further apart than the rail needs to find what it has taken on."""
        if not isinstance(reply, NotFound) or not rail.capabilities.inquiry or attempt.not_found_at is None:
            return False
        return (self._clock.now() - attempt.not_found_at).total_seconds() > rail.capabilities.visibility_lag_s

    def _close(self, book: int, order: PaymentOrder, attempt: Attempt) -> PaymentOrder:
        first = attempt.not_found_at
        evidence = {"not_found": "twice", "first": "" if first is None else first.isoformat()}

        def outcome(fresh: PaymentOrder) -> None:
            now = self._clock.now()
            fresh.not_received(attempt=attempt.number, evidence={**evidence, "second": now.isoformat()}, at=now)

        return self._keep(book, order, outcome)

    def _ask_waiting(self, book: int, order: PaymentOrder, attempt: Attempt, rail: Rail) -> PaymentOrder | None:
        """A payer who does not act in time has not paid once the rail says that they cannot any more; where it does not
        close of itself what waits for them, it is asked to."""
        elsewhere = attempt.action_url is None and attempt.state == "requires_action" and rail.capabilities.facts
        if elsewhere:
            return self._end_of_time(book, order, attempt, rail)
        reply: RailReply = rail.inquire(inquiry(attempt))
        late = attempt.waits_until is not None and attempt.waits_until <= self._clock.now()
        if isinstance(reply, ActionRequired) and late and rail.capabilities.void:
            rail.void(void_request(attempt))
            reply = rail.inquire(inquiry(attempt))
        if isinstance(reply, (ActionRequired, *UNDECIDED)) or (
            isinstance(reply, Pending) and attempt.state == "pending"
        ):
            return None
        if isinstance(reply, Voided) and attempt.state == "requires_action":
            reply = ACTION_EXPIRED
        return self._record(book, order, attempt, reply, "inquiry")

    def _end_of_time(self, book: int, order: PaymentOrder, attempt: Attempt, rail: Rail) -> PaymentOrder | None:
        """A payer who pays by themselves, as by transfer, has paid when a booking says so: nobody is asked. Who has not
        by the end of their time has not once all bookings until then are known; what comes later is a late success."""
        known = self._complete(rail.name)
        if attempt.waits_until is None or known is None or known <= attempt.waits_until:
            return None
        return self._record(book, order, attempt, ACTION_EXPIRED, "booking")

    def _record(self, book: int, order: PaymentOrder, attempt: Attempt, reply: RailReply, source: str) -> PaymentOrder:
        def outcome(fresh: PaymentOrder) -> None:
            outcomes.record_authorisation(fresh, attempt.number, reply, source, self._clock.now())

        return self._keep(book, order, outcome, reply)
