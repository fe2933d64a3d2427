"""What Stripe's replies mean in the words of the port.

Replies are read into types of our own before anything is concluded from them: what does not fit is an unknown outcome.
No text of Stripe's own goes into a reason, since messages may tell of the payer or of a key; the request's id leads to
them in Stripe's own log.

Statuses: docs.stripe.com/payments/paymentintents/lifecycle. Errors: docs.stripe.com/api/errors and
docs.stripe.com/error-low-level, which says what a repeated key brings back.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

import msgspec

from rails.port import ActionRequired, Authorised, Captured, Declined, DeclinedBy, NotSent, Pending, Unknown, Voided
from rails.stripe_amounts import AmountNotAtStripe, at_home
from rails.stripe_declines import ASKED_NOBODY, decline_class

CAPTURE_KEY: Final = "capture_key"
"""Under this name a payment's metadata tells which capture took its money."""
ATTEMPT_KEY: Final = "attempt_key"

NOTHING_TAKEN: Final = frozenset({"requires_payment_method", "requires_confirmation", "canceled"})
"""Statuses in which a payment has taken and holds nothing, and will not by itself."""


class BalanceTransaction(msgspec.Struct, frozen=True):
    """What a charge did to the balance at Stripe, in the currency of that balance."""

    fee: int
    currency: str


class Card(msgspec.Struct, frozen=True):
    """What a charge says of the card."""

    capture_before: int | None = None


class MethodDetails(msgspec.Struct, frozen=True):
    """What a charge says of the instrument."""

    card: Card | None = None


class Charge(msgspec.Struct, frozen=True):
    """A try at the card network that held or took money."""

    status: str
    balance_transaction: BalanceTransaction | str | None = None
    payment_method_details: MethodDetails | None = None


class Redirect(msgspec.Struct, frozen=True):
    """Where the payer is to go."""

    url: str


class NextAction(msgspec.Struct, frozen=True):
    """What the payer is to do."""

    type: str
    redirect_to_url: Redirect | None = None


class Failure(msgspec.Struct, frozen=True):
    """Why the last try failed."""

    code: str | None = None
    decline_code: str | None = None
    advice_code: str | None = None

    def declined(self) -> Declined | None:
        """The decline, if it says what it was."""
        code = self.decline_code or self.code
        by: DeclinedBy = "rail" if code in ASKED_NOBODY else "issuer"
        return Declined(code, decline_class(code, self.advice_code), by) if code else None


class Intent(msgspec.Struct, frozen=True):
    """A PaymentIntent, as far as it is read here."""

    id: str
    status: str
    amount: int
    currency: str
    capture_method: str
    metadata: dict[str, str]
    amount_received: int | None = None
    latest_charge: Charge | str | None = None
    next_action: NextAction | None = None
    last_payment_error: Failure | None = None

    @property
    def iso(self) -> str:
        """The currency's code as ISO 4217 writes it."""
        return self.currency.upper()

    @property
    def charge(self) -> Charge | None:
        """The charge, where the reply brought it along."""
        return self.latest_charge if isinstance(self.latest_charge, Charge) else None


class Refusal(Failure, frozen=True):
    """The body of an error."""

    type: str = ""
    payment_intent: Intent | None = None


class _Refused(msgspec.Struct, frozen=True):
    error: Refusal


IntentReply = Authorised | Captured | Declined | ActionRequired | Pending | Unknown | Voided


def read_intent(body: object) -> Intent | Unknown:
    """The payment of a reply."""
    try:
        return msgspec.convert(body, Intent)
    except msgspec.ValidationError as error:
        return Unknown(f"the reply cannot be read: {error}")


def read_refusal(body: object) -> Refusal | None:
    """The error of a reply; None where it is not one of Stripe's."""
    try:
        return msgspec.convert(body, _Refused).error
    except msgspec.ValidationError:
        return None


def told(intent: Intent, asked: int | None = None) -> IntentReply:
    """What a payment's status says. `asked` is what the request just answered asked for, in Stripe's units, for a
    server that does not say how much was taken."""
    try:
        match intent.status:
            case "succeeded":
                return _captured(intent, asked)
            case "requires_capture":
                return Authorised(intent.id, at_home(intent.amount, intent.iso), _capture_before(intent))
            case "requires_action":
                return _action(intent)
            case "processing":
                return Pending(intent.id, None)
            case "canceled":
                return voided(intent) if _was_held(intent) else Declined("canceled", "soft", "rail")
            case "requires_payment_method":
                failed = intent.last_payment_error.declined() if intent.last_payment_error else None
                return failed or Declined("requires_payment_method", "soft", "rail")
    except AmountNotAtStripe as error:
        return Unknown(str(error))
    return Unknown(f"the payment is {intent.status!r}, which was not asked for")


def voided(intent: Intent) -> Voided:
    """A cancelled payment gives back what it held: all that it has not taken. Raises `AmountNotAtStripe`."""
    left = intent.amount - (intent.amount_received or 0) if _was_held(intent) else 0
    return Voided(intent.id, at_home(left, intent.iso))


def refused(refusal: Refusal, status: int, where: str) -> Declined | NotSent | Unknown:
    """What an error says of the request it answers, `where` naming that request in Stripe's log.

    Limits of the rate, keys that are not valid and faulty parameters are found before anything is made or kept under
    the idempotency key. Locks (also a 429) and keys in use (a 409) are found later: something else is at work on the
    money.
    """
    if status == 429 and refusal.code in (None, "rate_limit"):
        return NotSent(f"Stripe takes no more requests for now{where}")
    if status == 401:
        return NotSent(f"Stripe does not accept the key{where}", math.inf)
    if status == 402 and (declined := refusal.declined()):
        return declined
    if status in (400, 404) and refusal.type == "invalid_request_error" and refusal.code not in _UNDECIDED:
        return Declined(refusal.code or "invalid_request", "hard", "rail")
    return doubtful(refusal, status, where)


def doubtful(refusal: Refusal, status: int, where: str) -> Unknown:
    """An error that decides nothing."""
    return Unknown(f"status {status}, {refusal.type or 'no type'}, code {refusal.code!r}{where}")


_UNDECIDED: Final = frozenset({"idempotency_key_in_use", "lock_timeout", "rate_limit"})


def _captured(intent: Intent, asked: int | None) -> Captured | Unknown:
    received = intent.amount_received
    if received is None:
        received = intent.amount if intent.capture_method == "automatic" else asked
    if received is None:
        return Unknown("money was taken, and the reply does not say how much")
    return Captured(intent.id, at_home(received, intent.iso), _cost(intent))


def _cost(intent: Intent) -> int:
    """The fee, where it is told in the payment's currency: one in another waits for the settlement."""
    entry = intent.charge.balance_transaction if intent.charge else None
    if isinstance(entry, BalanceTransaction) and entry.currency == intent.currency:
        return at_home(entry.fee, intent.iso)
    return 0


def _capture_before(intent: Intent) -> datetime | None:
    details = intent.charge.payment_method_details if intent.charge else None
    until = details.card.capture_before if details and details.card else None
    return datetime.fromtimestamp(until, UTC) if until is not None else None


def _action(intent: Intent) -> ActionRequired:
    action = intent.next_action
    if action is not None and action.redirect_to_url is not None:
        return ActionRequired(intent.id, action.redirect_to_url.url, None)
    return ActionRequired(intent.id, None, None, (("type", action.type if action else "unknown"),))


def _was_held(intent: Intent) -> bool:
    return intent.charge is not None and intent.charge.status == "succeeded"
