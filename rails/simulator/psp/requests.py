"""The bodies of the provider's operations, checked field by field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from rails.simulator import fields
from rails.simulator.problem import invalid

if TYPE_CHECKING:
    from rails.simulator.fields import Body

GREATEST_URL: Final = 2_000
HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]-]+")


@dataclass(frozen=True, slots=True)
class Authorisation:
    """Body of POST /v1/authorisations."""

    order_id: str
    attempt: int
    amount_minor: int
    currency: str
    payment_token: str
    capture: bool
    return_url: str | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """Body of POST /v1/authorisations/{id}/captures."""

    amount_minor: int
    currency: str
    final: bool


@dataclass(frozen=True, slots=True)
class Void:
    """Body of POST /v1/authorisations/{id}/voids: an empty object."""


def read_authorisation(body: Body) -> Authorisation:
    """Raises `Problem` 400 that names the field."""
    required = ("order_id", "attempt", "amount_minor", "currency", "payment_token", "capture")
    fields.only(body, *required, "return_url")
    return Authorisation(
        order_id=fields.text(body, "order_id"),
        attempt=fields.integer(body, "attempt"),
        amount_minor=fields.integer(body, "amount_minor"),
        currency=fields.currency(body),
        payment_token=fields.text(body, "payment_token"),
        capture=fields.flag(body, "capture"),
        return_url=_web_address(body, "return_url"),
    )


def read_capture(body: Body) -> Capture:
    """Raises `Problem` 400 that names the field."""
    fields.only(body, "amount_minor", "currency", "final")
    return Capture(fields.integer(body, "amount_minor"), fields.currency(body), fields.flag(body, "final"))


def read_void(body: Body) -> Void:
    """Raises `Problem` 400 when anything was sent: a void is always of all that is held."""
    fields.only(body)
    return Void()


def _web_address(body: Body, field: str) -> str | None:
    """It goes into a page and into a header, so it must be nothing but an address."""
    value = fields.optional_text(body, field, GREATEST_URL)
    if value is None:
        return None
    try:
        url = urlsplit(value)
        is_address = (
            url.scheme in ("http", "https")
            and HOST.fullmatch(url.netloc) is not None
            and fields.VISIBLE.fullmatch(value) is not None
            and (url.port is None or url.port > 0)
        )
    except ValueError:
        is_address = False
    if not is_address:
        raise invalid(field, "must be an http or https address")
    return value
