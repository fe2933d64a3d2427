"""The port between payment processes and the rails that move money.

One rule shapes it: what a rail did is either *known* or *unknown*, and the difference is a type, not an exception. A
time-out, a 5xx, a reset connection or a reply that cannot be read is `Unknown`; treating it as declined charges people
twice, because the process would then try another rail. Only `NotSent` (nothing ever left this process), a decline, and
an attempt that was not found twice let another rail be tried.

All amounts are positive integers in minor units of an ISO 4217 currency. All moments are aware and in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from datetime import datetime

DeclineClass = Literal["hard", "soft"]
DeclinedBy = Literal["issuer", "rail"]
Now = Callable[[], "datetime"]
"""Tells the present, in UTC."""

OPERATIONS: Final = ("authorise", "capture", "void", "inquire", "facts")
"""The methods of a rail that ask it something."""
METHODS: Final = ("card", "bank_transfer", "direct_debit")
"""Ways to pay: a card or wallet behind a token, a transfer that the payer makes, a debit by the payer's mandate."""


class CapabilityNotDeclared(RuntimeError):
    """A rail was asked for an operation its capabilities do not declare: a mistake of the caller, nothing was sent."""

    def __init__(self, rail: str, capability: str, remedy: str) -> None:
        super().__init__(f"rail {rail!r} does not declare the capability {capability!r}: {remedy}")
        self.rail = rail
        self.capability = capability


@dataclass(frozen=True, slots=True)
class Takes:
    """What can be paid through a rail, as far as it is known without opening the rail; as in `Capabilities`."""

    methods: frozenset[str] = frozenset({"card"})
    currencies: frozenset[str] | None = None
    token_prefixes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a rail can do. Processes and the contract tests read these flags; nobody asks a rail for its type."""

    authorise: bool
    """Takes `authorise`."""
    capture: bool
    """Can hold first and take `capture` later; without it every authorisation captures at once."""
    partial_capture: bool
    """A capture may take less than what is held."""
    multiple_capture: bool
    """Several captures may follow one authorisation, until one is `final`."""
    void: bool
    """Takes `void`."""
    inquiry: bool
    """Takes `inquire`, so that an unknown outcome can be resolved by asking."""
    idempotency_keys: bool
    """The rail itself makes one effect of two requests with one key, so that sending again is safe."""
    calls: bool
    """Anything is sent at all; False where payments have already happened elsewhere and arrive as facts."""
    action: bool = False
    """The payer may have to do something (3-D Secure, a redirect, a transfer) before the outcome is decided."""
    pending: bool = False
    """It may take a payment on and tell the outcome days later, by a booking or a return."""
    methods: frozenset[str] = frozenset({"card"})
    """Of `METHODS`, what can be paid by."""
    currencies: frozenset[str] | None = None
    """ISO 4217 codes that can be paid in; None for all."""
    token_prefixes: tuple[str, ...] | None = None
    """How the payment tokens begin that it knows; None for any."""
    facts: bool = False
    """It tells of money that moved by itself, by bookings or settlement files: takes `facts` (see `rails.facts`)."""
    visibility_lag_s: float = 0.0
    """How long the rail may take to find what it has just taken on: two inquiries must lie further apart than this
    before an attempt that is not found counts as not received."""
    inquiry_needs_reference: bool = False
    """It finds a payment by the reference of its own reply alone, never by the attempt's key: an attempt whose reply
    was lost is resolved by sending it again under the same key, while the rail keeps keys, or by evidence from
    elsewhere."""
    keys_kept_s: float | None = None
    """For how long the rail is sure to know a key again; None for ever. Sent again later, an attempt is a new one: it
    is paid twice."""


@dataclass(frozen=True, slots=True, repr=False)
class Payer:
    """Who pays, in plain text, for a rail that must be told: never logged, never kept, never printed.

    The mandate is that of a direct debit: its reference, and the day (ISO 8601) on which it was signed.
    """

    name: str | None = None
    email: str | None = None
    iban: str | None = None
    mandate_reference: str | None = None
    mandate_signed_on: str | None = None


@dataclass(frozen=True, slots=True)
class AuthoriseRequest:
    """Hold `amount_minor` of the payer's money, and take it at once when `capture` is set.

    `attempt_key` names the attempt at the rail for ever: it is the rail's idempotency key and what an inquiry asks by.
    Rails see all keys of one caller as one namespace, so that no key may serve for two operations; visible ASCII only.
    `payment_token` stands for the payer's instrument; a card number never enters this program. `return_url` is where a
    payer comes back to who was sent elsewhere.
    """

    order_id: str
    attempt: int
    attempt_key: str
    amount_minor: int
    currency: str
    payment_token: str
    capture: bool
    method: str = "card"
    return_url: str | None = None
    payer: Payer | None = None


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """Take `amount_minor` of what `rail_reference` holds; `final` gives what is left back to the payer."""

    capture_key: str
    rail_reference: str
    amount_minor: int
    currency: str
    final: bool


@dataclass(frozen=True, slots=True)
class VoidRequest:
    """Give back to the payer all that `rail_reference` still holds."""

    void_key: str
    rail_reference: str


@dataclass(frozen=True, slots=True)
class InquiryRequest:
    """Ask what became of an attempt, or of one capture of it when `capture_key` is given. `rail_reference` is what the
    rail called it, once it has said so: some rails find it by nothing else. `method` is how it was to be paid, which
    spares a rail looking where it cannot be."""

    attempt_key: str
    capture_key: str | None = None
    rail_reference: str | None = None
    method: str | None = None


@dataclass(frozen=True, slots=True)
class Authorised:
    """Money is held, until `capture_before`: windows differ per rail and scheme, None when the rail does not say."""

    rail_reference: str
    amount_minor: int
    capture_before: datetime | None


@dataclass(frozen=True, slots=True)
class Captured:
    """Money was taken. `cost_minor` is what the rail says it keeps for this, 0 when it only says so at settlement."""

    rail_reference: str
    amount_minor: int
    cost_minor: int


@dataclass(frozen=True, slots=True)
class Declined:
    """The rail refused and nothing moved. A soft decline may succeed later or elsewhere, a hard one never will.

    `by` says whose word it is: that of the bank of whoever pays, which card schemes count, or the rail's own about the
    request, before any bank was asked.
    """

    code: str
    decline_class: DeclineClass
    by: DeclinedBy = "issuer"


@dataclass(frozen=True, slots=True)
class Voided:
    """The hold is gone; `amount_minor` was given back to the payer."""

    rail_reference: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class ActionRequired:
    """Nothing moved yet: the payer must do something until `expires_at`. `url` is where to send them; `instructions`
    are what to show where they act elsewhere, such as account and reference of a transfer."""

    rail_reference: str
    url: str | None
    expires_at: datetime | None
    instructions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """The rail has taken the payment on and will tell later, by itself or when asked, how it ended. That is no doubt:
    nothing is to be sent again. `expected_by` is when the rail means to know."""

    rail_reference: str
    expected_by: datetime | None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing left this process: the rail was not reachable at all, is held to be down, or has too many calls already.
    As good as never asked: another rail may be tried, or this one later. `retry_after_s` is as of `Unknown`."""

    reason: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody here knows whether money moved. Only evidence resolves it: an inquiry, a webhook, a report line.

    `retry_after_s` is for how long the rail asks to be left alone, where it says so; infinite where it says that
    asking again would bring the same.
    """

    reason: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class NotFound:
    """Only from `inquire`: the rail has no trace of the key *now*.

    A request still on its way may arrive after this answer. Before another rail is tried, ask twice with the rail's
    visibility lag between.
    """

    key: str


AuthoriseReply = Authorised | Captured | Declined | ActionRequired | Pending | NotSent | Unknown
CaptureReply = Captured | Declined | Pending | NotSent | Unknown
VoidReply = Voided | Declined | NotSent | Unknown
InquiryReply = Authorised | Captured | Declined | Voided | ActionRequired | Pending | NotSent | Unknown | NotFound
RailReply = InquiryReply


class Rail(Protocol):
    """What an adapter implements.

    Every method blocks, may be called from several threads, and sends at most one request. The guard before an adapter
    may repeat a call once, where that is safe (`rails.retries`); all else is for the process to decide, which has
    written down that it asked. None raises for anything the rail or the network does; the only error is
    `CapabilityNotDeclared`. An adapter keeps no state about payments between calls.
    """

    @property
    def name(self) -> str:
        """The name in the registry, the one that events carry."""

    @property
    def capabilities(self) -> Capabilities:
        """Constant for the life of the adapter."""

    def authorise(self, request: AuthoriseRequest) -> AuthoriseReply:
        """Called once `attempt-started` is in the log, never before: a crash must leave a trace to inquire by.

        Answers `ActionRequired` or `Pending` where the outcome waits for the payer or the rail; else `Captured` when
        `request.capture` is set, and `Authorised` when not. Forbidden: calling it for an attempt whose outcome is
        unknown, under any key but the attempt's own.
        """

    def capture(self, request: CaptureRequest) -> CaptureReply:
        """Called once `capture-requested` is in the log, at most once at a time per authorisation.

        Asking for more than is held is the rail's to refuse: `Declined`, and nothing is taken.
        """

    def void(self, request: VoidRequest) -> VoidReply:
        """Called once `void-requested` is in the log. Takes nothing back: captured money is refunded, never voided."""

    def inquire(self, request: InquiryRequest) -> InquiryReply:
        """Called to resolve an unknown outcome. It changes nothing at the rail and may be called at any time.

        Without `capture_key` it tells the attempt's state: `Declined`; `Voided` once the hold was given back, even if
        a part was captured before; `Captured` with everything taken so far and its cost; `ActionRequired` while the
        payer must act, `Pending` while the rail is at it; else `Authorised`.
        With `capture_key` it tells of that capture alone: `Captured`, `Declined` or `NotFound`.
        """

    def close(self) -> None:
        """Called once, at the end of the process. Releases connections; says nothing to the rail."""
