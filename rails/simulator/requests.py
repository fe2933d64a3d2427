"""What the simulator accepts, checked field by field: a rail that takes nonsense hides its caller's mistakes."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Final

GREATEST_AMOUNT: Final = 10**15
GREATEST_KEY_LENGTH: Final = 255
CURRENCY: Final = re.compile(r"[A-Z]{3}")


class Problem(Exception):
    """An answer that is not a success, as RFC 9457 wants it.

    `decline_class` is set exactly when the rail has decided that nothing moves: it is what tells a client that the
    outcome is known.
    """

    def __init__(self, status: int, code: str, detail: str, decline_class: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.decline_class = decline_class

    def as_json(self) -> str:
        """The problem document; `type` is a URN because the simulator has no pages to link to."""
        members = {
            "type": f"urn:daybook:simulator:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.decline_class is not None:
            members["decline_class"] = self.decline_class
        return json.dumps(members)


@dataclass(frozen=True, slots=True)
class Authorisation:
    """Body of POST /v1/authorisations."""

    order_id: str
    attempt: int
    amount_minor: int
    currency: str
    payment_token: str
    capture: bool


@dataclass(frozen=True, slots=True)
class Capture:
    """Body of POST /v1/authorisations/{id}/captures."""

    amount_minor: int
    currency: str
    final: bool


@dataclass(frozen=True, slots=True)
class Void:
    """Body of POST /v1/authorisations/{id}/voids: an empty object."""


def read_body(raw: bytes) -> dict[str, object]:
    """The JSON object of a body. Raises `Problem` 400 for anything else."""
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Problem(400, "malformed_json", f"the body is not JSON in UTF-8: {error}") from error
    if not isinstance(body, dict):
        raise Problem(400, "malformed_json", "the body is not a JSON object")
    return body


def read_key(header: str | None) -> str:
    """The Idempotency-Key. Raises `Problem` 400 when it is missing or too long to be kept for ever."""
    if not header or len(header) > GREATEST_KEY_LENGTH:
        raise Problem(400, "idempotency_key_missing", f"Idempotency-Key needs 1 to {GREATEST_KEY_LENGTH} characters")
    return header


def read_authorisation(body: dict[str, object]) -> Authorisation:
    """Raises `Problem` 400 that names the field."""
    _only(body, "order_id", "attempt", "amount_minor", "currency", "payment_token", "capture")
    return Authorisation(
        order_id=_text(body, "order_id"),
        attempt=_amount(body, "attempt"),
        amount_minor=_amount(body, "amount_minor"),
        currency=_currency(body),
        payment_token=_text(body, "payment_token"),
        capture=_flag(body, "capture"),
    )


def read_capture(body: dict[str, object]) -> Capture:
    """Raises `Problem` 400 that names the field."""
    _only(body, "amount_minor", "currency", "final")
    return Capture(_amount(body, "amount_minor"), _currency(body), _flag(body, "final"))


def read_void(body: dict[str, object]) -> Void:
    """Raises `Problem` 400 when anything was sent: a void is always of all that is held."""
    _only(body)
    return Void()


def fingerprint(target: str, request: Authorisation | Capture | Void) -> bytes:
    """Tells two requests apart that came with one key; the target is part of it, the order of the members is not."""
    return hashlib.sha256(f"{target}\n{json.dumps(asdict(request), sort_keys=True)}".encode()).digest()


def _only(body: dict[str, object], *fields: str) -> None:
    unknown = sorted(body.keys() - set(fields))
    if unknown:
        raise Problem(400, "invalid_request", f"unknown fields: {', '.join(unknown)}")


def _text(body: dict[str, object], field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not 1 <= len(value) <= GREATEST_KEY_LENGTH:
        raise Problem(400, "invalid_request", f"{field} must be text of 1 to {GREATEST_KEY_LENGTH} characters")
    return value


def _amount(body: dict[str, object], field: str) -> int:
    value = body.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= GREATEST_AMOUNT:
        raise Problem(400, "invalid_request", f"{field} must be an integer from 1 to {GREATEST_AMOUNT}")
    return value


def _currency(body: dict[str, object]) -> str:
    value = body.get("currency")
    if not isinstance(value, str) or CURRENCY.fullmatch(value) is None:
        raise Problem(400, "invalid_request", "currency must be three capital letters")
    return value


def _flag(body: dict[str, object], field: str) -> bool:
    value = body.get(field)
    if not isinstance(value, bool):
        raise Problem(400, "invalid_request", f"{field} must be true or false")
    return value
