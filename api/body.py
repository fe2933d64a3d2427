"""Strict reading of request bodies and query strings.

Why not the framework's parser: `json.loads` keeps the last of two equal keys, accepts NaN and reads 10.00 as a float;
each of these is a different sum of money for another reader of the same bytes (RFC 8259 section 4 leaves duplicates
open). A body is read once, refused with the place of the fault, and searched for card numbers before anything else
sees it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from flask import Request
from marshmallow import RAISE, Schema, ValidationError
from webargs.flaskparser import FlaskParser

from api.problem import FieldError, ProblemError, flatten_messages, unprocessable
from domain.card_numbers import find_card_number
from payments.card_numbers import holds_card_number

BODY_LIMIT_BYTES = 1_000_000
DEPTH_LIMIT = 8

# Control characters and lone surrogates: PostgreSQL text cannot hold U+0000, and UTF-8 cannot carry a surrogate.
_UNSTORABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class _DuplicateKeyError(ValueError):
    """One JSON object names a key twice; readers disagree which one counts."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def _malformed(detail: str) -> ProblemError:
    return ProblemError(400, "malformed_json", detail)


def parse_json(raw: bytes) -> Any:
    """Decode one JSON text or raise `ProblemError` 400 that names the place of the fault, never the bytes."""
    if not raw:
        raise _malformed("The body is empty: send one JSON object.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"The body is not UTF-8: byte {error.start} cannot be decoded.") from None
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _malformed(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except _DuplicateKeyError as error:
        raise _malformed(f"The body names the key {_quotable(str(error))} twice in one object; keep one.") from None
    except RecursionError:
        raise _malformed(f"The body is nested too deeply: at most {DEPTH_LIMIT} levels.") from None
    except ValueError as error:
        # NaN and Infinity (our own text) or an integer of more digits than Python converts.
        text = str(error) if "JSON number" in str(error) else "a number has too many digits"
        raise _malformed(f"The body is not JSON: {text}.") from None


def _quotable(key: str) -> str:
    safe = len(key) <= 40 and not _UNSTORABLE.search(key) and not find_card_number(key)
    return f"'{key}'" if safe else "(not shown)"


def texts_of(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Every text in a decoded body with its path, keys included; raises 422 when nested deeper than `DEPTH_LIMIT`."""
    if isinstance(value, str):
        yield path or "body", value
    elif isinstance(value, dict):
        if depth >= DEPTH_LIMIT:
            raise unprocessable("body", f"nested deeper than {DEPTH_LIMIT} levels")
        for key, item in value.items():
            yield f"{path or 'body'} (a key)", key
            # A path may only name keys that are safe to repeat; the key itself was yielded just before.
            yield from texts_of(item, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list):
        if depth >= DEPTH_LIMIT:
            raise unprocessable("body", f"nested deeper than {DEPTH_LIMIT} levels")
        for index, item in enumerate(value):
            yield from texts_of(item, f"{path}.{index}" if path else str(index), depth + 1)


def refuse_unsafe_text(path: str, text: str) -> None:
    """Raise 422 naming only the path: a card number must not reach a log, an event or an error answer."""
    if _UNSTORABLE.search(text):
        raise unprocessable(path, "contains a control character or half a surrogate pair", code="unsafe_text")
    if holds_card_number(text, path):
        raise unprocessable(
            path, "looks like a card number; no card number may enter, send the rail's token", code="card_number"
        )


def refuse_unsafe_texts(value: Any) -> None:
    """Apply `refuse_unsafe_text` to every text and key of a decoded body."""
    for path, text in texts_of(value):
        refuse_unsafe_text(path, text)


class StrictParser(FlaskParser):
    """Webargs with our reader: unknown members are refused everywhere, errors are `ProblemError`s."""

    DEFAULT_VALIDATION_STATUS = 422
    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "json": RAISE, "query": RAISE}

    def load_json(self, req: Request, schema: Schema) -> Any:
        """Read the body once; 415 for another media type, 413 past the limit (raised by Werkzeug)."""
        if not req.is_json:
            raise ProblemError(415, "unsupported_media_type", "Send the body as application/json.")
        document = parse_json(req.get_data(cache=False))
        refuse_unsafe_texts(document)
        return document

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """The query string under the same rules of text; a parameter given twice is refused."""
        for name in req.args:
            values = req.args.getlist(name)
            refuse_unsafe_text("query (a name)", name)
            if len(values) > 1:
                raise unprocessable(name, "is given more than once")
            refuse_unsafe_text(name, values[0])
        return super().load_querystring(req, schema)

    def handle_error(
        self,
        error: ValidationError,
        req: Request,
        schema: Schema,
        *,
        error_status_code: int | None,
        error_headers: Any,
    ) -> NoReturn:
        """Turn marshmallow's nested messages into the flat list of our problem document."""
        messages = error.messages
        if isinstance(messages, dict) and len(messages) == 1:
            messages = next(iter(messages.values()))
        errors = flatten_messages(messages)
        detail = "; ".join(f"{e.field}: {e.message}" for e in errors[:3])
        raise ProblemError(422, "invalid_request", detail, errors=[FieldError(*e) for e in errors])
