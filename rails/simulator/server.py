"""The simulator's face: HTTP/1.1 with kept-alive connections over the standard library's threading server.

A framework's server will not let go of a connection without answering, and going wrong on the wire is what a simulator
is for. One thread serves one connection.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote, urlsplit

from rails.simulator.books import Outcome
from rails.simulator.magic import Fault
from rails.simulator.requests import Problem, read_authorisation, read_body, read_capture, read_key, read_void

if TYPE_CHECKING:
    from rails.simulator.books import Books

LOG: Final = logging.getLogger("rails.simulator")
GREATEST_BODY: Final = 65_536
GREATEST_DISCARDED: Final = 1_000_000
GREATEST_PAGE: Final = 500
AUTHORISATIONS: Final = "/v1/authorisations"
CAPTURES_OF: Final = re.compile(r"/v1/authorisations/([^/]+)/captures")
VOIDS_OF: Final = re.compile(r"/v1/authorisations/([^/]+)/voids")
AUTHORISATION_BY_KEY: Final = re.compile(r"/v1/authorisations/by-key/([^/]+)")
AUTHORISATION: Final = re.compile(r"/v1/authorisations/([^/]+)")
CAPTURE_BY_KEY: Final = re.compile(r"/v1/captures/by-key/([^/]+)")


def serve_post(books: Books, target: str, key: str | None, raw: bytes) -> Outcome:
    """The three operations. Raises `Problem`."""
    path = urlsplit(target).path
    if path == AUTHORISATIONS:
        return books.authorise(read_key(key), read_authorisation(read_body(raw)))
    if match := CAPTURES_OF.fullmatch(path):
        return books.capture(read_key(key), unquote(match[1]), read_capture(read_body(raw)))
    if match := VOIDS_OF.fullmatch(path):
        return books.void(read_key(key), unquote(match[1]), read_void(read_body(raw)))
    raise Problem(404, "no_such_path", f"there is nothing to post to at {path}")


def serve_get(books: Books, target: str) -> Outcome:
    """Inquiries and the books. They change nothing. Raises `Problem`."""
    url = urlsplit(target)
    if url.path == "/healthz":
        return _ok({"status": "ok"})
    if url.path == "/v1/totals":
        return _ok({"currencies": books.totals()})
    if url.path == AUTHORISATIONS:
        return _ok({"authorisations": _page(books, parse_qs(url.query))})
    if match := AUTHORISATION_BY_KEY.fullmatch(url.path):
        return _ok(books.authorisation("attempt_key", unquote(match[1])))
    if match := CAPTURE_BY_KEY.fullmatch(url.path):
        return _ok(books.capture_by_key(unquote(match[1])))
    if match := AUTHORISATION.fullmatch(url.path):
        return _ok(books.authorisation("id", unquote(match[1])))
    raise Problem(404, "no_such_path", f"there is nothing at {url.path}")


def _ok(body: object) -> Outcome:
    return Outcome(200, json.dumps(body))


def _page(books: Books, query: dict[str, list[str]]) -> list[dict[str, object]]:
    limit = query.get("limit", ["100"])[0]
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= GREATEST_PAGE):
        raise Problem(400, "invalid_request", f"limit must be from 1 to {GREATEST_PAGE}")
    return books.authorisations(query.get("order_id", [None])[0], query.get("after", [""])[0], int(limit))


class Connection(BaseHTTPRequestHandler):
    """One client connection, request by request."""

    server: Simulator
    protocol_version = "HTTP/1.1"
    server_version = "rails-simulator"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    """Buffered, so that head and body leave in one packet."""

    def do_GET(self) -> None:
        """Named by the standard library."""
        self._answer(b"")

    def do_POST(self) -> None:
        """Named by the standard library."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > GREATEST_BODY:
            self.close_connection = True
            # What is left unread would reset the connection, and could take the answer with it.
            if length.isascii() and length.isdigit():
                self.rfile.read(min(int(length), GREATEST_DISCARDED))
            problem = Problem(413, "body_too_large", f"Content-Length must be given, at most {GREATEST_BODY} bytes")
            self._send(problem.status, problem.as_json())
            return
        self._answer(self.rfile.read(int(length)))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's signature
        """A line per request is of use only to somebody who looks for one."""
        LOG.debug(format, *args)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses by itself (methods, request lines) is a problem document too."""
        self.close_connection = True
        self._send(code, Problem(code, "request_refused", explain or message or "the request is not HTTP").as_json())

    def _answer(self, raw: bytes) -> None:
        try:
            if self.command == "POST":
                outcome = serve_post(self.server.books, self.path, self.headers.get("Idempotency-Key"), raw)
            else:
                outcome = serve_get(self.server.books, self.path)
        except Problem as problem:
            outcome = Outcome(problem.status, problem.as_json())
        except Exception:
            LOG.exception("request failed: %s %s", self.command, self.path)
            outcome = Outcome(500, Problem(500, "server_error", "see the simulator's log").as_json())
        if outcome.failure is None:
            self._send(outcome.status, outcome.body, replayed=outcome.replayed)
        else:
            self._go_wrong(outcome.failure.fault, outcome)

    def _go_wrong(self, fault: Fault, outcome: Outcome) -> None:
        if fault is Fault.SERVER_ERROR:
            self._send(500, Problem(500, "server_error", "the rail has a bad moment").as_json())
            return
        if fault is Fault.BROKEN_REPLY:
            self._send(outcome.status, outcome.body, sent=len(outcome.body) // 2)
            self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, body: str, *, replayed: bool = False, sent: int | None = None) -> None:
        """`sent` cuts the body short of its Content-Length."""
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
        self.send_header("Content-Length", str(len(content)))
        if replayed:
            self.send_header("Idempotent-Replayed", "true")
        if self.close_connection:  # said aloud, or the client would send its next request into a closing connection
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content[:sent])


class Simulator(ThreadingHTTPServer):
    """Listens at once; `serve_forever` answers, `shutdown` from another thread stops it."""

    daemon_threads = True
    """Idle kept-alive connections must not hold up the end of the process: what was answered is in the books."""
    block_on_close = False
    request_queue_size = 256

    def __init__(self, host: str, port: int, books: Books) -> None:
        super().__init__((host, port), Connection)
        self.books = books

    @property
    def url(self) -> str:
        """Where clients reach it; tells the port that was found when 0 was asked for."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news; anything else is."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            LOG.error("connection of %s failed", client_address, exc_info=error)
