"""What the simulator answers, and what it means for the money."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import msgspec

from rails.facts import MoneyIn
from rails.port import ActionRequired, Authorised, Captured, Declined, Unknown, Voided

if TYPE_CHECKING:
    import httpx

    from rails.port import CaptureReply, DeclinedBy, InquiryReply


class Authorisation(msgspec.Struct, frozen=True):
    """An attempt as the simulator knows it; amounts in minor units."""

    id: str
    attempt_key: str
    amount_minor: int
    currency: str
    status: Literal["requires_action", "authorised", "captured", "declined", "voided", "expired"]
    captured_minor: int
    cost_minor: int
    released_minor: int
    decline_code: str | None
    decline_class: Literal["hard", "soft"] | None
    capture_before: datetime | None
    action_url: str | None = None
    action_expires_at: datetime | None = None


class Capture(msgspec.Struct, frozen=True):
    """One capture of an attempt."""

    authorisation_id: str
    capture_key: str
    amount_minor: int
    currency: str
    cost_minor: int
    status: Literal["captured", "declined"]
    decline_code: str | None
    decline_class: Literal["hard", "soft"] | None


class Refusal(msgspec.Struct, frozen=True):
    """A problem that says that nothing moved."""

    code: str
    decline_class: Literal["hard", "soft"]


class Day(msgspec.Struct, frozen=True):
    """A day of which there is a report."""

    date: date


class Days(msgspec.Struct, frozen=True):
    """The days that were settled."""

    settlements: tuple[Day, ...]


class Line(msgspec.Struct, frozen=True):
    """One capture in a settlement."""

    psp_reference: str
    capture_key: str
    attempt_key: str
    gross_minor: int
    fee_minor: int
    captured_at: datetime


class Batch(msgspec.Struct, frozen=True):
    """What was settled in one currency."""

    batch_id: str
    currency: str
    lines: tuple[Line, ...]


class Report(msgspec.Struct, frozen=True):
    """The settlement of a day."""

    batches: tuple[Batch, ...]


ASKED_NOBODY: Final = frozenset({"authentication_failed", "authentication_expired"})
"""Codes of declines that came before any bank was asked: the customer did not confirm the payment."""

Reply = TypeVar("Reply", Authorisation, Capture)
Told = TypeVar("Told", Authorisation, Capture, Days, Report)


def after_day(number: int) -> str:
    """The part of a query that asks for what follows a day, by its ordinal number."""
    return f"&after={date.fromordinal(number).isoformat()}" if number else ""


def settled(line: Line, batch: Batch) -> MoneyIn:
    """A capture that came with its authorisation has the attempt's key for its own."""
    asked = line.capture_key != line.attempt_key
    return MoneyIn(
        payment=line.attempt_key,
        amount_minor=line.gross_minor,
        currency=batch.currency,
        booking_key=f"{batch.batch_id}/{line.capture_key}",
        capture_key=line.capture_key if asked else None,
        cost_minor=line.fee_minor,
        effective_on=line.captured_at.date(),
        rail_reference=line.psp_reference,
    )


def decoded(response: httpx.Response, kind: type[Told]) -> Told | Unknown:
    """A reply that cannot be read tells nothing, whatever its status."""
    try:
        return msgspec.json.decode(response.content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return Unknown(f"the reply cannot be read: {error}")


def decoded_refusal(response: httpx.Response, operation: str) -> Declined | None:
    """A refusal says how hard it is; a problem that does not has not decided anything about the money. The payer's bank
    is asked to authorise alone, and its word is a 402."""
    try:
        refusal = msgspec.json.decode(response.content, type=Refusal)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return Declined(
        refusal.code,
        refusal.decline_class,
        "issuer" if (operation, response.status_code) == ("authorise", 402) else "rail",
    )


def told_of_attempt(attempt: Authorisation) -> InquiryReply:
    """What an attempt has come to."""
    if attempt.status == "declined":
        return decline_of(attempt)
    if attempt.status == "requires_action":
        return action_of(attempt)
    if attempt.status in ("voided", "expired"):
        return Voided(attempt.id, attempt.released_minor)
    if attempt.captured_minor > 0:
        return Captured(attempt.id, attempt.captured_minor, attempt.cost_minor)
    return Authorised(attempt.id, attempt.amount_minor, attempt.capture_before)


def action_of(attempt: Authorisation) -> ActionRequired:
    """What its payer must do."""
    return ActionRequired(attempt.id, attempt.action_url, attempt.action_expires_at)


def told_of_capture(capture: Capture) -> CaptureReply:
    """What a capture has come to."""
    if capture.status == "declined":
        return decline_of(capture)
    return Captured(capture.authorisation_id, capture.amount_minor, capture.cost_minor)


def decline_of(told: Authorisation | Capture) -> Declined | Unknown:
    """A refusal without a reason is none to rely on."""
    if told.decline_code is None or told.decline_class is None:
        return Unknown("the rail says declined without saying why")
    asked = isinstance(told, Authorisation) and told.decline_code not in ASKED_NOBODY
    by: DeclinedBy = "issuer" if asked else "rail"
    return Declined(told.decline_code, told.decline_class, by)
