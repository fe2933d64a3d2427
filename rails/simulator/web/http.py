"""Reads HTTP/1.1 requests off a connection, one after the other, with no more of the protocol than a client needs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from rails.simulator.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

GREATEST_HEAD: Final = 32_768
GREATEST_DISCARDED: Final = 1_000_000
NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
END_OF_HEAD: Final = b"\r\n\r\n"


@dataclass(slots=True)
class Request:
    """One request; header names are in small letters."""

    method: str
    path: str
    raw_query: str
    headers: dict[str, str]
    body: bytes = b""
    keeps_alive: bool = True
    query: dict[str, str] = field(default_factory=dict)


class Unreadable(Exception):
    """What came is no request that can be answered and followed by another: `problem` is the last word.

    `unread` is how much of a body is still to come and should be let through first, or the answer could be lost.
    """

    def __init__(self, problem: Problem, unread: int = 0) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.unread = unread


@dataclass(slots=True)
class Reader:
    """Takes bytes as they come and gives requests as they are complete."""

    greatest_body: Callable[[str], int]
    _buffer: bytearray = field(default_factory=bytearray)
    _head: Request | None = None
    _length: int = 0

    def feed(self, data: bytes) -> None:
        """More bytes."""
        self._buffer += data

    @property
    def pending(self) -> int:
        """Bytes that have come and were not read yet."""
        return len(self._buffer)

    @property
    def waits_for_body(self) -> bool:
        """A head has come whose client wants to be told to go on before it sends the body."""
        return self._head is not None and self._head.headers.get("expect", "").lower() == "100-continue"

    def next(self) -> Request | None:
        """The next complete request. Raises `Unreadable`."""
        if self._head is None:
            end = self._buffer.find(END_OF_HEAD)
            if end < 0 or end > GREATEST_HEAD:
                if len(self._buffer) > GREATEST_HEAD:
                    raise Unreadable(Problem(431, "head_too_large", f"headers have at most {GREATEST_HEAD} bytes"))
                return None
            head = bytes(self._buffer[:end])
            del self._buffer[: end + len(END_OF_HEAD)]
            self._head = _head(head)
            self._length = self._body_length(self._head)
        if len(self._buffer) < self._length:
            return None
        request, self._head = self._head, None
        request.body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        return request

    def _body_length(self, request: Request) -> int:
        if "transfer-encoding" in request.headers:
            raise Unreadable(Problem(411, "length_required", "send a Content-Length: chunks are not taken"))
        text = request.headers.get("content-length", "0")
        greatest = self.greatest_body(request.path)
        if not (text.isascii() and text.isdigit() and len(text) <= 15) or int(text) > greatest:
            unread = int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0
            problem = Problem(413, "body_too_large", f"Content-Length must be a number, at most {greatest} bytes")
            raise Unreadable(problem, max(min(unread, GREATEST_DISCARDED) - len(self._buffer), 0))
        return int(text)


def _head(raw: bytes) -> Request:
    lines = raw.split(b"\r\n")
    while lines and not lines[0]:  # RFC 9112 lets clients send an empty line after a body
        lines.pop(0)
    parts = lines[0].split(b" ") if lines else []
    if len(parts) != 3 or NAME.fullmatch(parts[0]) is None or not parts[2].startswith(b"HTTP/1."):
        raise Unreadable(Problem(400, "request_refused", "the first line is no HTTP/1.1 request"))
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or NAME.fullmatch(name) is None:
            raise Unreadable(Problem(400, "request_refused", "a header is not of the form name: value"))
        key = name.decode("ascii").lower()
        text = value.strip(b" \t").decode("latin-1")
        if headers.setdefault(key, text) != text and key in ("content-length", "idempotency-key", "x-fault"):
            raise Unreadable(Problem(400, "request_refused", f"{key} came twice", field=key))
    try:
        url = urlsplit(parts[1].decode("ascii"))
    except ValueError as error:
        raise Unreadable(Problem(400, "request_refused", "the address is not an address")) from error
    connection = headers.get("connection", "").lower()
    keeps_alive = "close" not in connection if parts[2] == b"HTTP/1.1" else "keep-alive" in connection
    query = dict(parse_qsl(url.query, keep_blank_values=True)) if url.query else {}
    return Request(parts[0].decode("ascii"), url.path, url.query, headers, b"", keeps_alive, query)
