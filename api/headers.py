"""The request headers that carry meaning: Idempotency-Key, Prefer and X-Request-Id."""

from __future__ import annotations

import random
import re

from flask import Request

from api.problem import FieldError, ProblemError

WAIT_LIMIT_S = 30
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?:[,;]|$)", re.IGNORECASE)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


def uuid_text(text: str) -> str | None:
    """The canonical lower-case form of 128 bits as text, or None; version and variant bits are not demanded."""
    return text.lower() if _UUID.fullmatch(text) else None


def idempotency_key(request: Request) -> str:
    """The key of a request that changes something: a bare UUID, or the same in double quotes (a Structured Fields
    string, as draft-ietf-httpapi-idempotency-key-header asks). Raises 400 when it is missing or is no UUID.
    """
    text = request.headers.get("Idempotency-Key", "").strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    key = uuid_text(text)
    if key is None:
        problem = "is missing" if not text else "is not a UUID"
        raise ProblemError(
            400,
            "idempotency_key_missing" if not text else "idempotency_key_malformed",
            f"Idempotency-Key {problem}: send a UUID of your own, the same one when you repeat the request.",
            errors=[FieldError("Idempotency-Key", problem)],
        )
    return key


def prefer_wait_s(request: Request) -> int:
    """Seconds the caller is ready to wait for the outcome (RFC 7240 `wait`), 0 to `WAIT_LIMIT_S`.

    A preference is never an error: one that cannot be read counts as none (RFC 7240 section 2).
    """
    text = request.headers.get("Prefer")
    if text is None:
        return 0
    found = _WAIT.search(text)
    return min(int(found.group(1)), WAIT_LIMIT_S) if found else 0


def request_id(request: Request) -> str:
    """The caller's X-Request-Id when it is harmless, else a new one; it appears in logs and in problem documents."""
    given = request.headers.get("X-Request-Id")
    if given is not None and _REQUEST_ID.fullmatch(given) and not given.isdigit():
        return given
    return f"{random.getrandbits(128):032x}"  # no secret, and asking the system for one lets other threads barge in
