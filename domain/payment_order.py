"""PaymentOrder: what someone owes and every try to collect it.

Amount counters and attempts decide; the status is derived from them and never stored (payments reference, section 1).
Requests may be refused; facts a rail reports never are: one that contradicts the books is kept as a late success.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from eventsourcing.domain import Aggregate

from domain import payment_events as events
from domain.attempts import Attempt, AttemptState, Capture
from domain.book import check_commission
from domain.ids import canonical_uuid, stream_id
from domain.money import check_amount, check_currency
from domain.payment_rules import (
    AttemptAlreadyDecided,
    AttemptExceedsOrder,
    AttemptInFlight,
    CaptureExceedsAuthorization,
    CaptureModeUnknown,
    ExpiryInPast,
    KeyReused,
    NothingAuthorized,
    OrderNotOpen,
    UnknownAttempt,
    UnknownCapture,
)
from domain.payment_states import derive_status
from domain.splitting import Split, divide, due_list

RECORDED_RAIL: Final = "recorded"
"""The rail of payments that already happened elsewhere: each of its attempts is a fact, so none is refused."""

CAPTURE_MODES: Final = ("automatic", "manual")


class PaymentOrder(Aggregate):
    """One payment order, from creation to the last capture. Amounts are minor units of `currency`."""

    TOPIC = "payment-order"

    Event = events.PaymentOrderEvent
    Created = events.Created
    AttemptStarted = events.AttemptStarted
    Authorized = events.Authorized
    CaptureRequested = events.CaptureRequested
    Captured = events.Captured
    CaptureFailed = events.CaptureFailed
    AttemptDeclined = events.AttemptDeclined
    AttemptOutcomeUnknown = events.AttemptOutcomeUnknown
    AttemptResolved = events.AttemptResolved
    VoidRequested = events.VoidRequested
    Voided = events.Voided
    AuthorizationExpired = events.AuthorizationExpired
    Cancelled = events.Cancelled
    Expired = events.Expired
    FundsReleased = events.FundsReleased
    LateSuccessDetected = events.LateSuccessDetected

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
        self.late_successes: list[tuple[int, str, str]] = []
        self.authorized_minor = self.captured_minor = self.released_minor = self.cost_minor = 0
        self.cancelled = self.expired = False

    @classmethod
    def create(
        cls,
        *,
        book: int,
        order_id: str,
        amount_minor: int,
        currency: str,
        at: datetime,
        merchant_id: str | None = None,
        splits: Sequence[Split] = (),
        commission_bps: int = 0,
        capture_mode: str = "automatic",
        rail: str | None = None,
        payment_token: str | None = None,
        reference: str | None = None,
        metadata: dict[str, str] | None = None,
        fingerprint: str = "",
        expires_at: datetime | None = None,
    ) -> PaymentOrder:
        """Create an order. Raises the refusals of `money`, `ids`, `splitting` and `book`, `ExpiryInPast`, `CaptureModeUnknown`."""
        if capture_mode not in CAPTURE_MODES:
            raise CaptureModeUnknown(f"capture_mode must be one of {', '.join(CAPTURE_MODES)}", "capture_mode")
        if expires_at is not None and expires_at <= at:
            raise ExpiryInPast("expires_at must lie in the future", "expires_at")
        key = canonical_uuid(order_id, "order_id")
        owner = None if merchant_id is None else canonical_uuid(merchant_id, "merchant_id")
        check_currency(currency)
        check_amount(amount_minor)
        due = due_list(amount_minor, splits, owner)
        return cls._create(
            cls.Created,
            id=stream_id(book, "payment-order", key),
            timestamp=at,
            order_id=key,
            merchant_id=owner,
            amount_minor=amount_minor,
            currency=currency,
            splits=due if splits else [],
            commission_bps=check_commission(commission_bps),
            capture_mode=capture_mode,
            rail=rail,
            payment_token=payment_token,
            reference=reference,
            metadata=dict(metadata or {}),
            fingerprint=fingerprint,
            expires_at=expires_at,
        )

    # -- what follows from the events -------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """Where the order stands; one of `payment_states.STATUSES`."""
        return derive_status(self)

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

    # -- requests: may be refused -----------------------------------------------------------------------------------

    def start_attempt(
        self,
        *,
        rail: str,
        method: str,
        amount_minor: int,
        attempt_key: str,
        at: datetime,
        details: dict[str, str] | None = None,
    ) -> int:
        """Record that a rail is about to be called; gives the attempt's number. Save it before the call.

        The recorded rail states facts, so it is never refused here and its amount may be zero or above what is due. Else raises
        `AttemptInFlight`, `OrderNotOpen`, `AttemptExceedsOrder` and the refusals of `check_amount`.
        """
        if rail != RECORDED_RAIL:
            self._check_attempt(amount_minor)
        number = len(self.attempts) + 1
        self.trigger_event(
            self.AttemptStarted,
            timestamp=at,
            attempt=number,
            rail=rail,
            method=method,
            amount_minor=amount_minor,
            attempt_key=attempt_key,
            details=dict(details or {}),
        )
        return number

    def _check_attempt(self, amount_minor: int) -> None:
        status = self.status
        if status in ("submitting", "unknown", "authorized", "partially_captured"):
            raise AttemptInFlight(f"order {self.order_id} is {status}: wait for the outcome of its last attempt")
        if status not in ("created", "declined"):
            raise OrderNotOpen(f"order {self.order_id} is {status}: create a new order")
        check_amount(amount_minor)
        if amount_minor > self.amount_minor:
            message = f"amount_minor {amount_minor} is more than the order's {self.amount_minor}"
            raise AttemptExceedsOrder(message, "amount_minor")

    def request_capture(
        self, *, capture_id: str, amount_minor: int, at: datetime, final: bool = True, fingerprint: str = ""
    ) -> bool:
        """Ask for authorised money to be taken; False when this very request is recorded already.

        `final` gives the rest of the authorisation back with this capture. Raises `KeyReused` (same id, other request),
        `NothingAuthorized`, `CaptureExceedsAuthorization`, `NotAUuid` and the refusals of `check_amount`.
        """
        key = canonical_uuid(capture_id, "capture_id")
        known = self.captures.get(key)
        if known is not None:
            if known.fingerprint != fingerprint:
                raise KeyReused("capture_id was used for another capture; take a new one", "capture_id")
            return False
        check_amount(amount_minor)
        attempt = self._holding_attempt()
        if amount_minor > self.capturable_minor:
            message = f"amount_minor must be at most {self.capturable_minor}, what is left of the authorisation"
            raise CaptureExceedsAuthorization(message, "amount_minor")
        self.trigger_event(
            self.CaptureRequested,
            timestamp=at,
            capture_id=key,
            attempt=attempt.number,
            amount_minor=amount_minor,
            final=final,
            fingerprint=fingerprint,
        )
        return True

    def request_void(self, *, reason: str, at: datetime) -> bool:
        """Ask for the rest of the authorisation back; False when that is asked already.

        Raises `NothingAuthorized`, and `AttemptInFlight` while a capture is under way or an outcome unknown.
        """
        attempt = self._holding_attempt()
        if attempt.void_requested:
            return False
        if any(capture.state == "requested" for capture in self.captures.values()):
            raise AttemptInFlight(f"order {self.order_id} has a capture under way: wait for its outcome")
        self.trigger_event(self.VoidRequested, timestamp=at, attempt=attempt.number, reason=reason)
        return True

    def _holding_attempt(self) -> Attempt:
        if self.status == "unknown":
            raise AttemptInFlight(f"order {self.order_id} has an attempt whose outcome is not known yet")
        for attempt in self.attempts:
            if attempt.held_minor > 0:
                return attempt
        raise NothingAuthorized(f"order {self.order_id} is {self.status}: nothing of it stands authorised")

    def cancel(self, *, reason: str, at: datetime) -> None:
        """Withdraw an order no rail is working on; raises `AttemptInFlight` (void an authorisation first) or `OrderNotOpen`."""
        status = self.status
        if status in ("submitting", "unknown", "authorized"):
            raise AttemptInFlight(f"order {self.order_id} is {status}: wait for the outcome, or void the authorisation")
        if status not in ("created", "declined"):
            raise OrderNotOpen(f"order {self.order_id} is {status} and cannot be cancelled")
        self.trigger_event(self.Cancelled, timestamp=at, reason=reason)

    def expire(self, *, at: datetime) -> bool:
        """Close an order nobody paid in time; False, changing nothing, when it is not open or not due (timers may fire late)."""
        if self.status not in ("created", "declined") or self.expires_at is None or at < self.expires_at:
            return False
        self.trigger_event(self.Expired, timestamp=at)
        return True

    def release_funds(self, *, capture_id: str, at: datetime, effective_at: datetime | None = None) -> bool:
        """Let the sellers have what a capture earned them; False when done before. Raises `UnknownCapture`."""
        capture = self.captures.get(capture_id)
        if capture is None or capture.state != "captured":
            raise UnknownCapture(f"order {self.order_id} has no completed capture {capture_id}", "capture_id")
        if capture.funds_released:
            return False
        self.trigger_event(
            self.FundsReleased,
            timestamp=at,
            capture_id=capture_id,
            currency=self.currency,
            shares=capture.shares,
            effective_at=effective_at or at,
        )
        return True

    # -- facts: never refused ---------------------------------------------------------------------------------------

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
        if known.state == "submitting" and fits and not (self.cancelled or self.expired):
            self.trigger_event(
                self.Authorized,
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
        if known is not None and known.state == "captured" and known.amount_minor == amount_minor and currency == self.currency:
            return False
        if not self._capture_fits(tried, known, amount_minor, currency):
            return self._detect_late(tried, "capture", amount_minor, currency, rail_reference, at)
        last = known.final if known is not None else final
        self.trigger_event(
            self.Captured,
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

    def _capture_fits(self, attempt: Attempt, known: Capture | None, amount_minor: int, currency: str) -> bool:
        if currency != self.currency or amount_minor < 0 or (known is not None and known.state == "captured"):
            return False
        if attempt.rail == RECORDED_RAIL:
            return True
        if self.cancelled or self.expired or amount_minor == 0:
            return False
        if attempt.state == "submitting":
            return amount_minor <= attempt.amount_minor
        return amount_minor <= attempt.held_minor

    def fail_capture(self, *, capture_id: str, code: str, at: datetime) -> bool:
        """The rail did not take the money; False when known. Raises `UnknownCapture`, `AttemptAlreadyDecided`."""
        known = self.captures.get(capture_id)
        if known is None:
            raise UnknownCapture(f"order {self.order_id} has no capture {capture_id}", "capture_id")
        if known.state == "failed":
            return False
        if known.state == "captured":
            raise AttemptAlreadyDecided(f"capture {capture_id} has succeeded and cannot fail", "capture_id")
        self.trigger_event(self.CaptureFailed, timestamp=at, capture_id=capture_id, attempt=known.attempt, code=code)
        return True

    def decline(self, *, attempt: int, code: str, decline_class: str, at: datetime) -> bool:
        """The rail said no ("hard" or "soft"); False when known. Raises `AttemptAlreadyDecided` after a success."""
        known = self.attempt(attempt)
        if known.state == "declined":
            return False
        if known.state != "submitting":
            raise AttemptAlreadyDecided(f"attempt {attempt} is {known.state} and cannot be declined", "attempt")
        self.trigger_event(
            self.AttemptDeclined, timestamp=at, attempt=attempt, code=code, decline_class=decline_class
        )
        return True

    def mark_unknown(self, *, attempt: int, operation: str, reason: str, at: datetime) -> bool:
        """No usable answer to "authorise", "capture" or "void" came; False when known or decided meanwhile."""
        known = self.attempt(attempt)
        undecided = known.state == "submitting" if operation == "authorise" else known.held_minor > 0
        if known.unknown_operation is not None or not undecided:
            return False
        self.trigger_event(
            self.AttemptOutcomeUnknown, timestamp=at, attempt=attempt, operation=operation, reason=reason
        )
        return True

    def resolve(self, *, attempt: int, source: str, evidence: dict[str, str], at: datetime) -> bool:
        """Evidence ended the doubt; record the outcome itself right after, in the same save. False when nothing is in doubt."""
        if self.attempt(attempt).unknown_operation is None:
            return False
        self.trigger_event(
            self.AttemptResolved, timestamp=at, attempt=attempt, source=source, evidence=dict(evidence)
        )
        return True

    def void(self, *, attempt: int, at: datetime) -> bool:
        """The rail gave the rest of the authorisation back; False when nothing was left."""
        return self._give_back(self.Voided, attempt, at)

    def expire_authorization(self, *, attempt: int, at: datetime) -> bool:
        """The authorisation ran out at the rail; False when nothing was left."""
        return self._give_back(self.AuthorizationExpired, attempt, at)

    def _give_back(
        self, event_class: type[events.Voided] | type[events.AuthorizationExpired], attempt: int, at: datetime
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
            self.LateSuccessDetected,
            timestamp=at,
            attempt=attempt.number,
            rail=attempt.rail,
            operation=operation,
            amount_minor=amount_minor,
            currency=currency,
            rail_reference=rail_reference,
        )
        return True
