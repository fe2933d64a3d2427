"""The adapter behind the rail of Stripe: one request for one call of the port. Its settings are in rails/stripe.py."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import stripe

from rails.port import (
    Capabilities,
    CapabilityNotDeclared,
    Captured,
    Declined,
    NotFound,
    NotSent,
    Unknown,
    Voided,
)
from rails.stripe import NAME, OPERATIONS, TAKES
from rails.stripe_amounts import AmountNotAtStripe, at_stripe
from rails.stripe_replies import (
    ATTEMPT_KEY,
    CAPTURE_KEY,
    NOTHING_TAKEN,
    Intent,
    Refusal,
    doubtful,
    read_intent,
    read_refusal,
    refused,
    told,
    voided,
)
from rails.stripe_transport import Transport, connections, retry_after_of, was_never_sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from stripe._payment_intent_service import PaymentIntentService
    from stripe.params import PaymentIntentCaptureParams, PaymentIntentCreateParams

    from rails.http_calls import ReadTimeouts
    from rails.port import (
        AuthoriseReply,
        AuthoriseRequest,
        CaptureReply,
        CaptureRequest,
        InquiryReply,
        InquiryRequest,
        VoidReply,
        VoidRequest,
    )

KEYS_KEPT_SECONDS: Final = 24 * 3600.0
EXPAND: Final = ["latest_charge.balance_transaction"]
"""Brings the fee and the end of the hold along with the reply."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """An error of Stripe's own, with what leads to it in Stripe's log."""

    refusal: Refusal
    status: int
    where: str
    retry_after_s: float | None = None

    def reply(self) -> Declined | NotSent | Unknown:
        reply = refused(self.refusal, self.status, self.where)
        if isinstance(reply, Declined) or self.retry_after_s is None:
            return reply
        return replace(reply, retry_after_s=self.retry_after_s)

    def doubt(self) -> Unknown:
        return replace(doubtful(self.refusal, self.status, self.where), retry_after_s=self.retry_after_s)


class StripeRail:
    """Takes cards by PaymentIntents. One pool of connections, shared by the calling threads; no retries of its own."""

    name: Final = NAME
    capabilities: Final = Capabilities(
        authorise=True,
        capture=True,
        partial_capture=True,
        # Stripe grants multicapture to some accounts, cards and schemes only.
        multiple_capture=False,
        void=True,
        inquiry=True,
        idempotency_keys=True,
        calls=True,
        action=True,
        pending=True,
        token_prefixes=TAKES.token_prefixes,
        inquiry_needs_reference=True,
        keys_kept_s=KEYS_KEPT_SECONDS,
    )

    def __init__(self, key: str, url: str, timeouts: ReadTimeouts, omit: frozenset[str] = frozenset()) -> None:
        self._connections = connections()
        self._omit = omit

        def intents(operation: str) -> PaymentIntentService:
            transport = Transport(self._connections, timeouts.of(operation))
            client = stripe.StripeClient(key, base_addresses={"api": url}, max_network_retries=0, http_client=transport)
            return client.v1.payment_intents

        self._intents = {operation: intents(operation) for operation in OPERATIONS}

    def close(self) -> None:
        """Closes the connections."""
        self._connections.close()

    def authorise(self, request: AuthoriseRequest) -> AuthoriseReply:
        """Creates and confirms a PaymentIntent in one request, under the attempt's key."""
        if request.method not in self.capabilities.methods:
            raise CapabilityNotDeclared(self.name, f"methods: {request.method}", "send it to a rail that declares it")
        try:
            amount = at_stripe(request.amount_minor, request.currency)
        except AmountNotAtStripe:
            return Declined("amount_not_representable", "hard", "rail")
        params = self._creation(request, amount)
        answer = _ask(lambda: self._intents["authorise"].create(params, {"idempotency_key": request.attempt_key}))
        if isinstance(answer, _Refused):
            intent = answer.refusal.payment_intent
            return answer.reply() if intent is None or intent.status in NOTHING_TAKEN else answer.doubt()
        if not isinstance(answer, Intent):
            return answer
        if answer.metadata.get(ATTEMPT_KEY) != request.attempt_key or answer.iso != request.currency:
            return Unknown("the reply is about another attempt or currency")
        reply = told(answer, amount)
        return Unknown("the payment was cancelled elsewhere") if isinstance(reply, Voided) else reply

    def capture(self, request: CaptureRequest) -> CaptureReply:
        """Takes the money, and leaves the capture's key with it. What is not taken, Stripe gives back: there is no
        second capture."""
        try:
            amount = at_stripe(request.amount_minor, request.currency)
        except AmountNotAtStripe:
            return Declined("amount_not_representable", "hard", "rail")
        params: PaymentIntentCaptureParams = {"amount_to_capture": amount, "expand": EXPAND}
        if "capture.metadata" not in self._omit:
            params["metadata"] = {CAPTURE_KEY: request.capture_key}
        options: stripe.RequestOptions = {"idempotency_key": request.capture_key}
        answer = _ask(lambda: self._intents["capture"].capture(request.rail_reference, params, options))
        if isinstance(answer, _Refused):
            # Keys are forgotten, metadata is not: a capture that was sent again much later finds its own work done.
            intent = answer.refusal.payment_intent
            if (
                intent is None
                or intent.status != "succeeded"
                or intent.metadata.get(CAPTURE_KEY) != request.capture_key
            ):
                return answer.reply()
            answer = intent
        if not isinstance(answer, Intent):
            return answer
        if answer.id != request.rail_reference or answer.iso != request.currency:
            return Unknown("the reply is about another payment or currency")
        reply = told(answer, amount)
        return reply if isinstance(reply, Captured) else Unknown(f"after a capture the payment is {answer.status!r}")

    def void(self, request: VoidRequest) -> VoidReply:
        """Cancels the PaymentIntent."""
        options: stripe.RequestOptions = {"idempotency_key": request.void_key}
        answer = _ask(lambda: self._intents["void"].cancel(request.rail_reference, {"expand": EXPAND}, options))
        if isinstance(answer, _Refused):
            intent = answer.refusal.payment_intent
            if intent is None or intent.status != "canceled":
                return answer.reply()
            answer = intent
        if not isinstance(answer, Intent):
            return answer
        if answer.id != request.rail_reference or answer.status != "canceled":
            return Unknown(f"after a void {answer.id!r} is {answer.status!r}")
        try:
            return voided(answer)
        except AmountNotAtStripe as error:
            return Unknown(str(error))

    def inquire(self, request: InquiryRequest) -> InquiryReply:
        """Reads the PaymentIntent of the reference; without one there is no sound way to ask."""
        reference = request.rail_reference
        if reference is None:
            return Unknown("Stripe finds a payment by its own reference only: send the attempt again under its key")
        answer = _ask(lambda: self._intents["inquire"].retrieve(reference, {"expand": EXPAND}))
        if isinstance(answer, _Refused):
            # A reference came from Stripe: where it is not known, the key is of another account or mode.
            reply = answer.reply()
            return answer.doubt() if isinstance(reply, Declined) else reply
        if not isinstance(answer, Intent):
            return answer
        if answer.id != reference or answer.metadata.get(ATTEMPT_KEY) != request.attempt_key:
            return Unknown("the reply is about another attempt")
        return told(answer) if request.capture_key is None else _told_of_capture(answer, request.capture_key)

    def _creation(self, request: AuthoriseRequest, amount: int) -> PaymentIntentCreateParams:
        params: PaymentIntentCreateParams = {
            "amount": amount,
            "currency": request.currency.lower(),
            "confirm": True,
            "capture_method": "automatic" if request.capture else "manual",
            "payment_method": request.payment_token,
            "metadata": {"order_id": request.order_id, ATTEMPT_KEY: request.attempt_key},
            "expand": EXPAND,
        }
        # Without it an account's settings decide what a token may be, and Stripe asks for a return address.
        if "create.allowed_payment_method_types" not in self._omit:
            params["allowed_payment_method_types"] = ["card"]
        if request.return_url is not None and "create.return_url" not in self._omit:
            params["return_url"] = request.return_url
        return params


def _told_of_capture(intent: Intent, key: str) -> InquiryReply:
    """What became of one capture. There is but one that can have succeeded, and it left its key."""
    if intent.status != "succeeded":
        return NotFound(key)
    taken_by = intent.metadata.get(CAPTURE_KEY)
    if taken_by is None:
        return Unknown("money was taken, and the payment does not say by which capture")
    return told(intent) if taken_by == key else NotFound(key)


def _ask(call: Callable[[], stripe.PaymentIntent]) -> Intent | _Refused | NotSent | Unknown:
    """The payment that came back, or why none did. Only an error that is Stripe's own word can decide anything."""
    try:
        told_of = call()
    except stripe.APIConnectionError as error:
        return NotSent(f"no connection: {error.user_message}") if was_never_sent(error) else Unknown(str(error))
    except stripe.StripeError as error:
        status = error.http_status or 0
        where = f", request {error.request_id}" if error.request_id else ""
        refusal = read_refusal(error.json_body)
        wait_s = retry_after_of(error)
        if refusal is None or status >= 500:
            return Unknown(f"status {status}{where}", wait_s)
        return _Refused(refusal, status, where, wait_s)
    if not isinstance(told_of, stripe.StripeObject):
        return Unknown("the reply is no object")
    return read_intent(told_of.to_dict())
