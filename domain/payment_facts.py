"""What is known of a payment order, and the facts that rails report about it.

Facts are never refused: money that moved has moved. One that is known already changes nothing, and one that
contradicts the books is kept as a late success, so that it is not lost.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from eventsourcing.domain import Aggregate

from domain import payment_events as events
from domain.attempts import AUTO, ELSEWHERE, Attempt, AttemptState, Capture
from domain.ids import canonical_uuid
from domain.payment_rules import AttemptAlreadyDecided, UnknownAttempt, UnknownCapture
from domain.payment_status import derive_status
from domain.splitting import Split, divide, due_list

if TYPE_CHECKING:
    from domain.payer import MandateGiven, PayerGiven

RECORDED_RAIL: Final = "recorded"
"""The rail of payments that already happened elsewhere: each of its attempts is a fact, so none is refused."""


CARD: Final = "card"
"""How an order is paid that says nothing about it."""
BANK_TRANSFER: Final = "bank_transfer"
"""The one way in which payers decide themselves how much they pay, and how often."""
DIRECT_DEBIT: Final = "direct_debit"


class PaymentFacts(Aggregate):
    """Counters (minor units), attempts and captures of an order, and the reports of rails that change them."""

    Event = events.PaymentOrderEvent
    Created = events.Created

    def __init__(
        self,
        order_id: str,
        merchant_id: str | None,
        amount_minor: int,
        currency: str,
        splits: list[Split],
        commission_bps: int,
        capture_mode: str,
        rail: str | None,
        payment_token: str | None,
        reference: str | None,
        metadata: dict[str, str],
        fingerprint: str,
        expires_at: datetime | None,
    ) -> None:
        self.order_id = order_id
        self.merchant_id = merchant_id
        self.amount_minor = amount_minor
        self.currency = currency
        self.splits = splits
        self.commission_bps = commission_bps
        self.capture_mode = capture_mode
        self.rail = rail
        self.payment_token = payment_token
        self.reference = reference
        self.metadata = metadata
        self.fingerprint = fingerprint
        self.expires_at = expires_at
        self.attempts: list[Attempt] = []
        self.captures: dict[str, Capture] = {}
        self.payer: PayerGiven | None = None
        self.mandate: MandateGiven | None = None
        self.method = CARD
        self.return_url: str | None = None
        self.late_successes: list[tuple[int, str, str]] = []
        self.late_voided: list[str] = []
        self.deferred: str | None = None
        self.authorized_minor = self.captured_minor = self.released_minor = self.cost_minor = self.returned_minor = 0
        self.cancelled = self.expired = False

    @property
    def status(self) -> str:
        """Where the order stands; one of `payment_states.STATUSES`."""
        return derive_status(self)

    @property
    def going_elsewhere(self) -> bool:
        """Whether a rail has refused in a way that another may not, and it has not been found yet that none is left:
        nobody is to be told that the payment has failed."""
        last = self.attempts[-1] if self.attempts else None
        if self.rail != AUTO or last is None or self.deferred == AUTO or self.status != "declined":
            return False
        return last.decline_class == "soft" and last.decline_code in ELSEWHERE

    @property
    def due(self) -> list[Split]:
        """What is due to each seller, sorted by seller id."""
        return due_list(self.amount_minor, self.splits, self.merchant_id)

    @property
    def held_minor(self) -> int:
        """What stands authorised at rails, not yet captured or given back."""
        return sum(attempt.held_minor for attempt in self.attempts)

    @property
    def capturable_minor(self) -> int:
        """What a further capture may ask for: held, less what captures under way asked for."""
        if any(attempt.void_requested for attempt in self.attempts):
            return 0
        if any(capture.state == "requested" and capture.final for capture in self.captures.values()):
            return 0
        asked = sum(capture.amount_minor for capture in self.captures.values() if capture.state == "requested")
        return self.held_minor - asked

    def attempt(self, number: int) -> Attempt:
        """Attempt by its number, from 1; raises `UnknownAttempt`."""
        if not 1 <= number <= len(self.attempts):
            raise UnknownAttempt(f"order {self.order_id} has no attempt {number}", "attempt")
        return self.attempts[number - 1]

    def give_back(self, number: int, amount_minor: int, state: AttemptState) -> None:
        """Take what an attempt no longer holds off the counters; called by the events that say so."""
        attempt = self.attempt(number)
        attempt.held_minor -= amount_minor
        attempt.unknown_operation = None
        attempt.void_requested = False
        if attempt.state == "authorized":
            attempt.state = state
        self.released_minor += amount_minor

    def authorize(
        self,
        *,
        attempt: int,
        amount_minor: int,
        currency: str,
        rail_reference: str,
        at: datetime,
        capture_before: datetime | None = None,
    ) -> bool:
        """The rail holds the money. False when known; a success that contradicts the books is kept as a late one."""
        known = self.attempt(attempt)
        fits = currency == self.currency and 0 < amount_minor <= known.amount_minor
        if known.undecided and fits and not (self.cancelled or self.expired):
            self.trigger_event(
                events.Authorized,
                timestamp=at,
                attempt=attempt,
                rail=known.rail,
                amount_minor=amount_minor,
                currency=currency,
                capture_before=capture_before,
                rail_reference=rail_reference,
            )
            return True
        repeated = known.authorized_minor == amount_minor and known.authorized_minor > 0 and currency == self.currency
        if repeated:
            return False
        return self._detect_late(known, "authorise", amount_minor, currency, rail_reference, at)

    def capture(
        self,
        *,
        capture_id: str,
        attempt: int,
        amount_minor: int,
        currency: str,
        rail_reference: str,
        at: datetime,
        effective_at: datetime | None = None,
        cost_minor: int = 0,
        final: bool = True,
    ) -> bool:
        """Money was taken. False when known; a success that contradicts the books is kept as a late one.

        For a capture that was requested `final` is what the request said. `cost_minor` is what the rail charges us.
        """
        key = canonical_uuid(capture_id, "capture_id")
        tried = self.attempt(attempt)
        known = self.captures.get(key)
        if known is not None and known.taken and known.amount_minor == amount_minor and currency == self.currency:
            return False
        if not self.capture_fits(tried, known, amount_minor, currency):
            return self._detect_late(tried, "capture", amount_minor, currency, rail_reference, at)
        last = known.final if known is not None else final
        self.trigger_event(
            events.Captured,
            timestamp=at,
            capture_id=key,
            attempt=attempt,
            rail=tried.rail,
            amount_minor=amount_minor,
            currency=currency,
            shares=divide(amount_minor, self.due, self.commission_bps),
            released_minor=tried.held_minor if last else min(amount_minor, tried.held_minor),
            final=last,
            cost_minor=cost_minor,
            rail_reference=rail_reference,
            effective_at=effective_at or at,
        )
        return True

    def capture_fits(self, attempt: Attempt, known: Capture | None, amount_minor: int, currency: str) -> bool:
        """Whether a capture is one that the books expect; `known` is what is known of it already."""
        if currency != self.currency or amount_minor < 0 or (known is not None and known.taken):
            return False
        if attempt.rail == RECORDED_RAIL:
            return True
        if self.cancelled or self.expired or amount_minor == 0:
            return False
        if attempt.undecided:
            return amount_minor <= attempt.amount_minor
        if attempt.method == BANK_TRANSFER and attempt.state == "captured":  # who paid too little pays the rest
            return self.captured_minor + amount_minor <= self.amount_minor
        return amount_minor <= attempt.held_minor

    def fail_capture(self, *, capture_id: str, code: str, at: datetime) -> bool:
        """The rail did not take the money; False when known. Raises `UnknownCapture`, `AttemptAlreadyDecided`."""
        known = self.captures.get(capture_id)
        if known is None:
            raise UnknownCapture(f"order {self.order_id} has no capture {capture_id}", "capture_id")
        if known.state == "failed":
            return False
        if known.taken:
            raise AttemptAlreadyDecided(f"capture {capture_id} has succeeded and cannot fail", "capture_id")
        self.trigger_event(events.CaptureFailed, timestamp=at, capture_id=capture_id, attempt=known.attempt, code=code)
        return True

    def decline(self, *, attempt: int, code: str, decline_class: str, at: datetime) -> bool:
        """The rail said no ("hard" or "soft"); False when known. Raises `AttemptAlreadyDecided` after a success."""
        known = self.attempt(attempt)
        if known.state == "declined":
            return False
        if not known.undecided:
            raise AttemptAlreadyDecided(f"attempt {attempt} is {known.state} and cannot be declined", "attempt")
        self.trigger_event(
            events.AttemptDeclined, timestamp=at, attempt=attempt, code=code, decline_class=decline_class
        )
        return True

    def mark_unknown(self, *, attempt: int, operation: str, reason: str, at: datetime) -> bool:
        """No usable answer to "authorise", "capture" or "void" came; False when known or decided meanwhile."""
        known = self.attempt(attempt)
        undecided = known.state == "submitting" if operation == "authorise" else known.held_minor > 0
        if known.unknown_operation is not None or not undecided:
            return False
        self.trigger_event(
            events.AttemptOutcomeUnknown, timestamp=at, attempt=attempt, operation=operation, reason=reason
        )
        return True

    def resolve(self, *, attempt: int, source: str, evidence: dict[str, str], at: datetime) -> bool:
        """Evidence ended the doubt; record the outcome right after, in the same save. False when there is no doubt."""
        if self.attempt(attempt).unknown_operation is None:
            return False
        self.trigger_event(
            events.AttemptResolved, timestamp=at, attempt=attempt, source=source, evidence=dict(evidence)
        )
        return True

    def void(self, *, attempt: int, at: datetime) -> bool:
        """The rail gave the rest of the authorisation back; False when nothing was left."""
        return self._give_back(events.Voided, attempt, at)

    def expire_authorization(self, *, attempt: int, at: datetime) -> bool:
        """The authorisation ran out at the rail; False when nothing was left."""
        return self._give_back(events.AuthorizationExpired, attempt, at)

    def _give_back(
        self, event_class: type[events.Voided | events.AuthorizationExpired], attempt: int, at: datetime
    ) -> bool:
        known = self.attempt(attempt)
        if known.held_minor <= 0:
            return False
        self.trigger_event(
            event_class,
            timestamp=at,
            attempt=attempt,
            rail=known.rail,
            amount_minor=known.held_minor,
            currency=self.currency,
        )
        return True

    def _detect_late(
        self, attempt: Attempt, operation: str, amount_minor: int, currency: str, rail_reference: str, at: datetime
    ) -> bool:
        if (attempt.number, operation, rail_reference) in self.late_successes:
            return False
        self.trigger_event(
            events.LateSuccessDetected,
            timestamp=at,
            attempt=attempt.number,
            rail=attempt.rail,
            operation=operation,
            amount_minor=amount_minor,
            currency=currency,
            rail_reference=rail_reference,
        )
        return True
