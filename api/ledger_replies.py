"""The posting engine's replies as HTTP answers."""

from __future__ import annotations

from api.problem import ProblemError
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


def refuse_unless(reply: Reply, wanted: str) -> None:
    """Raise `ProblemError` unless the reply has the wanted status: 422 with the rule's code for a refusal, 503 when the
    engine could not decide (nothing was recorded; the same key can be sent again).
    """
    if reply.status == wanted:
        return
    code = reply.code.replace("-", "_") or reply.status
    headers = {"Idempotent-Replayed": "true"} if reply.replayed else None
    if reply.status == "refused":
        raise ProblemError(422, code, reply.detail or "A rule of the books refused this.", headers=headers)
    if code in _UNAVAILABLE:
        raise ProblemError(503, code, reply.detail, headers={"Retry-After": "1"})
    status = _STATUS_OF_ERROR.get(code, 422)
    raise ProblemError(status, code, reply.detail or "The posting engine cannot do this.", headers=headers)
