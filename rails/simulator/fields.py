"""Reads requests field by field: a rail that takes nonsense hides its caller's mistakes.

Every function raises `Problem` 400 that names the field.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from typing import Final

from rails.simulator.problem import Problem, invalid

GREATEST_AMOUNT: Final = 10**15
GREATEST_TEXT: Final = 255
CURRENCY: Final = re.compile(r"[A-Z]{3}")
VISIBLE: Final = re.compile(r"[!-~]+")
DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")

Body = dict[str, object]


def read_body(raw: bytes) -> Body:
    """The JSON object of a body."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "malformed_json", f"the body is not JSON in UTF-8: {error}") from error
    if not isinstance(body, dict):
        raise Problem(400, "malformed_json", "the body is not a JSON object")
    return body


def read_key(header: str | None) -> str:
    """The Idempotency-Key; what is too long, or cannot be put into an address again, cannot be asked for later."""
    if not header or len(header) > GREATEST_TEXT:
        detail = f"Idempotency-Key needs 1 to {GREATEST_TEXT} characters"
        raise Problem(400, "idempotency_key_missing", detail, field="Idempotency-Key")
    return header


def only(body: Body, *fields: str) -> None:
    """A member that nobody reads is a mistake of the caller's."""
    unknown = sorted(body.keys() - set(fields))
    if unknown:
        raise invalid(unknown[0], f"is unknown here: use {', '.join(fields) or 'an empty object'}")


def text(body: Body, field: str, longest: int = GREATEST_TEXT) -> str:
    """Text that is there; it must be sayable in UTF-8, which a lone surrogate is not."""
    value = body.get(field)
    if not isinstance(value, str) or not 1 <= len(value) <= longest or _unsayable(value):
        raise invalid(field, f"must be text of 1 to {longest} characters")
    return value


def optional_text(body: Body, field: str, longest: int = GREATEST_TEXT) -> str | None:
    """Text, or nothing when the member is missing or null."""
    return None if body.get(field) is None else text(body, field, longest)


def integer(body: Body, field: str, least: int = 1, greatest: int = GREATEST_AMOUNT) -> int:
    """A whole number; `true` is none."""
    value = body.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= greatest:
        raise invalid(field, f"must be an integer from {least} to {greatest}")
    return value


def number(body: Body, field: str, least: float, greatest: float) -> float:
    """A number, whole or not."""
    value = body.get(field)
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= greatest:
        raise invalid(field, f"must be a number from {least:g} to {greatest:g}")
    return float(value)


def currency(body: Body, field: str = "currency") -> str:
    """An ISO 4217 code by its form; which codes exist is not the rail's business."""
    value = body.get(field)
    if not isinstance(value, str) or CURRENCY.fullmatch(value) is None:
        raise invalid(field, "must be three capital letters")
    return value


def flag(body: Body, field: str) -> bool:
    """True or false, nothing that could be taken for them."""
    value = body.get(field)
    if not isinstance(value, bool):
        raise invalid(field, "must be true or false")
    return value


def choice(body: Body, field: str, allowed: tuple[str, ...]) -> str:
    """One of a few words."""
    value = body.get(field)
    if not isinstance(value, str) or value not in allowed:
        raise invalid(field, f"must be one of {', '.join(allowed)}")
    return value


def mapping(body: Body, field: str) -> Body:
    """An object within the object."""
    value = body.get(field)
    if not isinstance(value, dict):
        raise invalid(field, "must be an object")
    return value


def moment(body: Body, field: str) -> datetime:
    """A moment with its offset from UTC; without one it could be any of 26."""
    value = body.get(field)
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
        if read is not None and read.tzinfo is not None:
            return read.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise invalid(field, "must be a moment with its offset, such as 2026-03-01T09:00:00Z")


def day(value: str, field: str = "date") -> date:
    """A calendar day."""
    try:
        if DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise invalid(field, "must be a day such as 2026-03-01")


def query_integer(query: dict[str, str], field: str, least: int, greatest: int, default: int) -> int:
    """A whole number of the query string."""
    value = query.get(field)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 18 and least <= int(value) <= greatest):
        raise invalid(field, f"must be from {least} to {greatest}")
    return int(value)


def _unsayable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return "\0" in value
