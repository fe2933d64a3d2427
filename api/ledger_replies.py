"""The posting engine's replies as HTTP answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import Response

from api.json_response import json_response
from api.problem import FieldError, ProblemError
from ledger.refusals import UNKNOWN_MONITOR, UNKNOWN_POSTING, UNKNOWN_WALLET
from ledger.wire import Reply

# Codes of replies that recorded nothing, and what they mean over HTTP; any other `error` is the engine's own trouble.
_STATUS_OF_ERROR = {
    "unknown_wallet": 404,
    "key_reused": 422,
    "invalid_request": 422,
    "bad_request": 422,
    "wallet_exists": 409,
    "unknown_book": 503,
}
_UNAVAILABLE = frozenset(
    {
        "not_owner",
        "not_ready",
        "stopping",
        "unavailable",
        "engine_unavailable",
        "fence_lost",
        "book_not_owned",
        "overloaded",
    }
)


# What is not there, or not in this book: refused for good, since the request has named it.
_ABSENT = frozenset({UNKNOWN_WALLET, UNKNOWN_POSTING, UNKNOWN_MONITOR})
_FIELD = re.compile(r"([a-z_]+(?:\.[a-z0-9_]+)*)(?:: | must )")


def refuse_unless(reply: Reply, wanted: str) -> None:
    """Raise `ProblemError` unless the reply has the wanted status: 422 with the rule's code for a refusal, 503 when the
    engine could not decide (nothing was recorded; the same key can be sent again).
    """
    if reply.status == wanted:
        return
    code = reply.code.replace("-", "_") or reply.status
    headers = {"Idempotent-Replayed": "true"} if reply.replayed else None
    errors = errors_of(reply.detail)
    if reply.status == "refused":
        detail = reply.detail or "A rule of the books refused this."
        raise ProblemError(404 if code in _ABSENT else 422, code, detail, errors=errors, headers=headers)
    if code in _UNAVAILABLE:
        raise ProblemError(503, code, reply.detail, headers={"Retry-After": "1"})
    status = _STATUS_OF_ERROR.get(code, 422)
    detail = reply.detail or "The posting engine cannot do this."
    raise ProblemError(status, code, detail, errors=errors, headers=headers)


def errors_of(detail: str) -> list[FieldError]:
    """The field that a refusal names before it says what is wrong with it, as in `lines.0: wallet ... is closed`."""
    found = _FIELD.match(detail)
    return [FieldError(found.group(1), detail[found.end() :])] if found else []


def decided(
    reply: Reply, wanted: str, more: Mapping[str, Any], location: str | None = None, made: int = 201
) -> Response:
    """Answer a decision: `made` when it was made now, 200 when it was made before or only tried.

    Only what the reply says is answered, so that the same key gets the same answer for ever. Raises as `refuse_unless`.
    """
    refuse_unless(reply, wanted)
    document = {"posting_id": reply.posting_id, "status": wanted, "position": str(reply.position), **more}
    headers = {"Location": location} if location is not None and not reply.dry_run else {}
    if reply.dry_run:
        document["dry_run"] = True
    if reply.replayed:
        headers["Idempotent-Replayed"] = "true"
    return json_response(document, 200 if reply.replayed or reply.dry_run else made, headers)
