"""Errors as RFC 9457 `application/problem+json`.

Why one place: a client handles every failure, from malformed JSON to a refused transfer, with one piece of code, and
no answer may ever carry the internals of a failure. Extra members: `code` (stable, for programs), `request_id` (to
quote to an operator), `retryable` (whether the same request can succeed later unchanged), `errors` (field and
message).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from flask import Response, g
from marshmallow import Schema, fields
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

PROBLEM_TYPE = "application/problem+json"
RETRYABLE_STATUSES = frozenset({429, 503, 504})

_DETAILS = {
    400: "The request could not be understood.",
    404: "There is no such address. The routes are listed at /docs.",
    405: "This address does not take that method; see the Allow header.",
    413: "The body is larger than 1 MB.",
    415: "Send the body as application/json.",
    500: "Something failed on our side; quote request_id to the operator. Repeating with the same key is safe.",
}
_TOO_LARGE = "at most 1,000,000 bytes; metadata takes up to 50 texts of 255 characters, a bulk up to 1,000 items"
_CODES = {
    400: "malformed_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    500: "internal_error",
    503: "unavailable",
}


class FieldError(NamedTuple):
    """One thing wrong with one field; `field` is a dotted path such as `splits.0.amount_minor`."""

    field: str
    message: str


class ProblemError(Exception):
    """A refusal with everything its problem document needs; raised anywhere below a view."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.retryable = status in RETRYABLE_STATUSES if retryable is None else retryable


class FieldErrorSchema(Schema):
    """Documents one member of `errors`."""

    field = fields.String(
        required=True, metadata={"description": "Dotted path of the field, e.g. splits.0.amount_minor"}
    )
    message = fields.String(required=True)


class ProblemSchema(Schema):
    """Documents the body of every error answer (RFC 9457 section 3)."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True, metadata={"description": "Stable name of the error, for programs"})
    request_id = fields.String(required=True)
    retryable = fields.Boolean(
        required=True, metadata={"description": "True when the same request may succeed later unchanged"}
    )
    errors = fields.List(fields.Nested(FieldErrorSchema), metadata={"description": "What is wrong, field by field"})


def unprocessable(field: str, message: str, *, code: str = "invalid_request") -> ProblemError:
    """The usual refusal of one field's value (422)."""
    return ProblemError(422, code, f"{field}: {message}", errors=(FieldError(field, message),))


def not_found(kind: str) -> ProblemError:
    """Absent and foreign look the same (404), so that nobody can probe another book or merchant."""
    return ProblemError(404, "not_found", f"There is no such {kind} in your book, or it is not yours to see.")


def problem_response(problem: ProblemError) -> Response:
    """Render a problem; the only way an error leaves this process."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTP_STATUS_CODES.get(problem.status, "Error"),
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": g.get("request_id", ""),
        "retryable": problem.retryable,
    }
    if problem.errors:
        document["errors"] = [{"field": e.field, "message": e.message} for e in problem.errors]
    response = Response(msgspec.json.encode(document), status=problem.status, content_type=PROBLEM_TYPE)
    response.headers.update(problem.headers)
    return response


def from_http_exception(error: HTTPException) -> ProblemError:
    """Translate Flask's and Werkzeug's own errors; their texts are dropped because some quote the request."""
    status = error.code or 500
    headers = {k: v for k, v in error.get_headers() if k not in ("Content-Type", "Content-Length")}
    data = getattr(error, "data", None) or {}
    headers.update(data.get("headers") or {})
    detail = _DETAILS.get(status, HTTP_STATUS_CODES.get(status, "Error"))
    errors: list[FieldError] = []
    if status == 413:
        errors.append(FieldError("body", _TOO_LARGE))
        headers["Connection"] = "close"  # the rest of the body is still on its way: a next request would be lost in it
    return ProblemError(status, _CODES.get(status, f"http_{status}"), detail, errors=errors, headers=headers)


def flatten_messages(messages: Any, path: str = "") -> list[FieldError]:
    """Marshmallow's nested messages as a flat list of paths; `_schema` names the object itself."""
    if isinstance(messages, dict):
        found: list[FieldError] = []
        for key, value in messages.items():
            if key in ("_schema", "value"):
                found += flatten_messages(value, path)
            elif key == "key":
                found += flatten_messages(value, f"{path} (a key)")
            else:
                found += flatten_messages(value, f"{path}.{key}" if path else str(key))
        return found
    texts = messages if isinstance(messages, list) else [messages]
    return [FieldError(path or "body", str(text)) for text in texts]
