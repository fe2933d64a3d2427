"""What stands between the adapter and a fake Stripe in tests: idempotency as Stripe documents it, and a bad network.

The first answer under a key is kept and given again, one under way is a 409, another request under the key is an error.
Faults come by amount: before the request reaches Stripe or after Stripe has done it, and only for its first arrival.
Source: docs.stripe.com/api/idempotent_requests and docs.stripe.com/error-low-level.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx

JSON = [("Content-Type", "application/json")]


@dataclass
class Seen:
    """One request: what came, and what was answered."""

    method: str
    path: str
    key: str | None
    fields: dict[str, str]
    status: int | None = None
    body: bytes = b""


@dataclass
class StripeFront:
    """A WSGI application."""

    upstream: str
    faults: Mapping[int, str] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._first: dict[str, Seen] = {}
        self._lock = threading.Lock()

    def forget_keys(self) -> None:
        """As Stripe may once they are a day old."""
        with self._lock:
            self._first.clear()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        fields = {name: values[0] for name, values in parse_qs(content.decode()).items()}
        key = environ.get("HTTP_IDEMPOTENCY_KEY")
        request = Seen(environ["REQUEST_METHOD"], environ["PATH_INFO"], key, fields)
        with self._lock:
            self.seen.append(request)
            first = self._first.setdefault(key, request) if key is not None else request
        if first is not request:
            return _again(first, request, start_response)
        fault = self.faults.get(int(fields.get("amount_to_capture", fields.get("amount", "0"))), "")
        if fault.endswith("_before"):
            with self._lock:
                self._first.pop(key or "", None)
        else:
            self._pass_on(environ, content, request)
        return _answer(request, fault, environ, start_response)

    def _pass_on(self, environ: Mapping[str, Any], content: bytes, request: Seen) -> None:
        headers = {"Authorization": environ["HTTP_AUTHORIZATION"], "Content-Type": "application/x-www-form-urlencoded"}
        url = f"{self.upstream}{request.path}?{environ.get('QUERY_STRING', '')}"
        reply = httpx.request(request.method, url, headers=headers, content=content, trust_env=False)
        request.body, request.status = reply.content, reply.status_code


def _again(first: Seen, request: Seen, start_response: Callable[..., Any]) -> Iterable[bytes]:
    if first.status is None:
        return _error(start_response, "409 Conflict", "idempotency_error", "idempotency_key_in_use")
    if (first.path, first.fields) != (request.path, request.fields):
        return _error(start_response, "400 Bad Request", "idempotency_error", None)
    start_response(f"{first.status} Again", [*JSON, ("Idempotent-Replayed", "true")])
    return [first.body]


def _answer(
    request: Seen, fault: str, environ: Mapping[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    if fault.startswith("server_error"):
        start_response("502 Bad Gateway", [("Content-Type", "text/html")])
        return [b"<html>bad gateway</html>"]
    if fault.startswith("no_reply"):
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return []
    body = request.body[:-9] if fault.startswith("broken_reply") else request.body
    start_response(f"{request.status} Answer", JSON)
    return [body]


def _error(start_response: Callable[..., Any], status: str, kind: str, code: str | None) -> Iterable[bytes]:
    start_response(status, JSON)
    return [json.dumps({"error": {"type": kind, "code": code, "message": "keys"}}).encode()]
