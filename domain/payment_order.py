"""PaymentOrder: what someone owes, and what may be asked of it.

Amount counters and attempts decide; the status is derived from them and never stored (payments reference, section 1).
Here are the requests, which may be refused; the facts that rails report are in `payment_facts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from domain import evidence_events as evidence
from domain import payment_events as events
from domain import waiting_events as waiting
from domain.attempts import Attempt
from domain.book import check_commission
from domain.ids import canonical_uuid, stream_id
from domain.money import check_amount, check_currency
from domain.payer import MandateGiven, MethodChosen, PayerGiven
from domain.payment_evidence import PaymentEvidence
from domain.payment_facts import RECORDED_RAIL
from domain.payment_rules import (
    AttemptExceedsOrder,
    AttemptInFlight,
    CaptureExceedsAuthorization,
    CaptureModeUnknown,
    ExpiryInPast,
    KeyReused,
    NothingAuthorized,
    OrderNotOpen,
    PayerMissing,
    UnknownCapture,
)
from domain.sealed import Sealed
from domain.splitting import Split, due_list

CAPTURE_MODES: Final = ("automatic", "manual")
_WAITING: Final = ("submitting", "requires_action", "processing", "unknown")

__all__ = ["CAPTURE_MODES", "RECORDED_RAIL", "PaymentOrder"]


class PaymentOrder(PaymentEvidence):
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
    ActionRequired = waiting.ActionRequired
    AttemptPending = waiting.AttemptPending
    AttemptInquired = waiting.AttemptInquired
    AttemptNotReceived = waiting.AttemptNotReceived
    AttemptDeferred = waiting.AttemptDeferred
    DoubtEscalated = waiting.DoubtEscalated
    LateSuccessVoided = waiting.LateSuccessVoided
    PaymentReturned = evidence.PaymentReturned
    DeclineConfirmed = evidence.DeclineConfirmed
    PayerGiven = PayerGiven
    MandateGiven = MandateGiven
    MethodChosen = MethodChosen

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
        """Create an order. Raises the refusals of `money`, `ids`, `splitting` and `book`, `ExpiryInPast`,
        `CaptureModeUnknown`."""
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

    def give_payer(
        self,
        *,
        subject: str,
        name: Sealed | None,
        email: Sealed | None,
        iban: Sealed | None,
        fingerprint: str,
        at: datetime,
    ) -> None:
        """Say who pays, right after creation. Each field is sealed for version `version + 1` of this stream."""
        self.trigger_event(
            self.PayerGiven,
            timestamp=at,
            subject=canonical_uuid(subject, "payer.subject"),
            name=name,
            email=email,
            iban=iban,
            fingerprint=fingerprint,
        )

    def give_mandate(self, *, reference: Sealed, signed_on: Sealed, at: datetime) -> None:
        """Say what the payer has signed, right after who that is; sealed as the payer is. Raises `PayerMissing`."""
        if self.payer is None:
            raise PayerMissing("a mandate is somebody's: say who pays", "payer")
        self.trigger_event(
            self.MandateGiven, timestamp=at, subject=self.payer.subject, reference=reference, signed_on=signed_on
        )

    def choose_method(self, *, method: str, return_url: str | None, at: datetime) -> bool:
        """Say how the order is paid, right after creation; False when that goes without saying."""
        if (method, return_url) == (self.method, self.return_url):
            return False
        self.trigger_event(self.MethodChosen, timestamp=at, method=method, return_url=return_url)
        return True

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

        The recorded rail states facts, so it is never refused here and its amount may be zero or above what is due.
        Else raises `AttemptInFlight`, `OrderNotOpen`, `AttemptExceedsOrder` and the refusals of `check_amount`.
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
        if status in (*_WAITING, "authorized", "partially_captured"):
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
        """Withdraw an order no rail is working on; raises `AttemptInFlight` (void an authorisation first) or
        `OrderNotOpen`."""
        status = self.status
        if status in (*_WAITING, "authorized"):
            raise AttemptInFlight(f"order {self.order_id} is {status}: wait for the outcome, or void the authorisation")
        if status not in ("created", "declined"):
            raise OrderNotOpen(f"order {self.order_id} is {status} and cannot be cancelled")
        self.trigger_event(self.Cancelled, timestamp=at, reason=reason)

    def expire(self, *, at: datetime) -> bool:
        """Close an order nobody paid in time; False when it is not open or not due, since timers may fire late."""
        if self.status not in ("created", "declined") or self.expires_at is None or at < self.expires_at:
            return False
        self.trigger_event(self.Expired, timestamp=at)
        return True

    def release_funds(self, *, capture_id: str, at: datetime, effective_at: datetime | None = None) -> bool:
        """Let the sellers have what a capture earned them; False when done before, or when it earned nothing or went
        back.

        Raises `UnknownCapture`.
        """
        capture = self.captures.get(capture_id)
        if capture is None or not capture.taken:
            raise UnknownCapture(f"order {self.order_id} has no completed capture {capture_id}", "capture_id")
        if capture.funds_released or not capture.shares or capture.state == "returned":
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
