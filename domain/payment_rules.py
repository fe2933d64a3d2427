"""Refusals of payment-order commands, named after the rule each protects."""

from __future__ import annotations

from typing import ClassVar

from domain.errors import RuleViolation


class OrderNotOpen(RuleViolation):
    """The order takes no such command in the status it is in."""

    code: ClassVar[str] = "order_not_open"


class AttemptInFlight(RuleViolation):
    """A rail may be moving money for this order right now, so nothing else may start."""

    code: ClassVar[str] = "attempt_in_flight"


class UnknownAttempt(RuleViolation):
    """The order has no attempt of that number."""

    code: ClassVar[str] = "unknown_attempt"


class UnknownCapture(RuleViolation):
    """The order has no capture of that id in the state asked for."""

    code: ClassVar[str] = "unknown_capture"


class AttemptAlreadyDecided(RuleViolation):
    """The attempt's outcome is known and is another one."""

    code: ClassVar[str] = "attempt_already_decided"


class NothingAuthorized(RuleViolation):
    """No authorisation stands that could be captured or voided."""

    code: ClassVar[str] = "nothing_authorized"


class CaptureExceedsAuthorization(RuleViolation):
    """A capture may take at most what is authorised and not yet captured, released or asked for."""

    code: ClassVar[str] = "capture_exceeds_authorization"


class AttemptExceedsOrder(RuleViolation):
    """An attempt may ask for at most what is still unpaid."""

    code: ClassVar[str] = "attempt_exceeds_order"


class KeyReused(RuleViolation):
    """The same key was used before for another request."""

    code: ClassVar[str] = "key_reused"


class ExpiryInPast(RuleViolation):
    """An order cannot be created already expired."""

    code: ClassVar[str] = "expiry_in_past"


class CaptureModeUnknown(RuleViolation):
    """A capture mode is neither automatic nor manual."""

    code: ClassVar[str] = "capture_mode_unknown"


class PayerMissing(RuleViolation):
    """What is said of a payer needs one who is named."""

    code: ClassVar[str] = "payer_missing"
