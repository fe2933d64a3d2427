"""What a call can raise. All of it is a `DaybookError`, and says whether the same call may be made again."""

from __future__ import annotations

from typing import Any, NamedTuple


class FieldError(NamedTuple):
    """One thing wrong with one field; `field` is a dotted path such as `lines.0.amount_minor`."""

    field: str
    message: str


class DaybookError(Exception):
    """A call did not bring what was asked for. `key` is the Idempotency-Key it was made with, None without one."""

    retryable = False

    def __init__(self, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


class NoAnswer(DaybookError):
    """No answer came, however often it was asked: whether it happened is unknown. Call again with the same `key`."""

    retryable = True


class UnexpectedAnswer(DaybookError):
    """Something answered that does not speak this API: a proxy, another program, a version too far away."""


class Problem(DaybookError):
    """The API said no, as problem+json (RFC 9457).

    `code` is stable and for programs, `detail` for people, `errors` field by field; `request_id` is what to quote to an
    operator. After a `retryable` one the same call may succeed later, with the same key.
    """

    def __init__(self, status: int, document: dict[str, Any], key: str | None = None) -> None:
        self.status = status
        self.code = str(document.get("code", ""))
        self.detail = str(document.get("detail", ""))
        self.request_id = str(document.get("request_id", ""))
        self.retryable = bool(document.get("retryable", False))
        self.errors = tuple(FieldError(one["field"], one["message"]) for one in document.get("errors", ()))
        super().__init__(f"{status} {self.code}: {self.detail}", key)


class Unauthenticated(Problem):
    """401: no API key, or one that is unknown, revoked or over."""


class Forbidden(Problem):
    """403: the role of the API key may not do this."""


class NotFound(Problem):
    """404: there is no such thing in the book, or it is not this key's to see."""


class Conflict(Problem):
    """409: it exists already with other terms."""


class Refused(Problem):
    """400, 413, 415, 422: the request makes no sense, or a rule of the books says no. A rule's refusal is final for its
    key."""


class Unavailable(Problem):
    """429, 503, 504: not now. Repeated already as often as the client was told to."""


_BY_STATUS: dict[int, type[Problem]] = {
    400: Refused,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: Refused,
    415: Refused,
    422: Refused,
    429: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def problem(status: int, document: dict[str, Any], key: str | None = None) -> Problem:
    """The exception for a problem document; `Problem` itself for a status that has no class of its own."""
    return _BY_STATUS.get(status, Problem)(status, document, key)
