"""The port between payment processes and the rails that move money.

One rule shapes it: what a rail did is either *known* or *unknown*, and the difference is a type, not an exception. A
time-out, a 5xx, a reset connection or a reply that cannot be read is `Unknown`; treating it as declined charges people
twice, because the process would then try another rail.

All amounts are positive integers in minor units of an ISO 4217 currency. All moments are aware and in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from datetime import datetime

DeclineClass = Literal["hard", "soft"]


class CapabilityNotDeclared(RuntimeError):
    """A rail was asked for an operation its capabilities do not declare: a mistake of the caller, nothing was sent."""

    def __init__(self, rail: str, capability: str, remedy: str) -> None:
        super().__init__(f"rail {rail!r} does not declare the capability {capability!r}: {remedy}")
        self.rail = rail
        self.capability = capability


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


@dataclass(frozen=True, slots=True)
class AuthoriseRequest:
    """Hold `amount_minor` of the payer's money, and take it at once when `capture` is set.

    `attempt_key` names the attempt at the rail for ever: it is the rail's idempotency key and what an inquiry asks by.
    Rails see all keys of one caller as one namespace, so that no key may serve for two operations; visible ASCII only.
    `payment_token` stands for the payer's instrument; a card number never enters this program.
    """

    order_id: str
    attempt: int
    attempt_key: str
    amount_minor: int
    currency: str
    payment_token: str
    capture: bool


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
    """Ask what became of an attempt, or of one capture of it when `capture_key` is given."""

    attempt_key: str
    capture_key: str | None = None


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
    """The rail refused and nothing moved. A soft decline may succeed later or elsewhere, a hard one never will."""

    code: str
    decline_class: DeclineClass


@dataclass(frozen=True, slots=True)
class Voided:
    """The hold is gone; `amount_minor` was given back to the payer."""

    rail_reference: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody here knows whether money moved. Only evidence resolves it: an inquiry, a webhook, a report line."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """Only from `inquire`: the rail has no trace of the key *now*.

    A request still on its way may arrive after this answer. Before another rail is tried, ask twice with the rail's
    visibility lag between.
    """

    key: str


AuthoriseReply = Authorised | Captured | Declined | Unknown
CaptureReply = Captured | Declined | Unknown
VoidReply = Voided | Declined | Unknown
InquiryReply = Authorised | Captured | Declined | Voided | Unknown | NotFound
RailReply = Authorised | Captured | Declined | Voided | Unknown | NotFound


class Rail(Protocol):
    """What an adapter implements.

    Every method blocks, may be called from several threads, and sends at most one request: whether to send again is
    for the process to decide, which has written down that it asked. None raises for anything the rail or the network
    does; the only error is `CapabilityNotDeclared`. An adapter keeps no state about payments between calls.
    """

    @property
    def name(self) -> str:
        """The name in the registry, the one that events carry."""

    @property
    def capabilities(self) -> Capabilities:
        """Constant for the life of the adapter."""

    def authorise(self, request: AuthoriseRequest) -> AuthoriseReply:
        """Called once `attempt-started` is in the log, never before: a crash must leave a trace to inquire by.

        Answers `Captured` when `request.capture` is set, else `Authorised`. Forbidden: calling it for an attempt whose
        outcome is unknown, under any key but the attempt's own.
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
        a part was captured before; `Captured` with everything taken so far and its cost; else `Authorised`.
        With `capture_key` it tells of that capture alone: `Captured`, `Declined` or `NotFound`.
        """

    def close(self) -> None:
        """Called once, at the end of the process. Releases connections; says nothing to the rail."""
