"""One client connection: requests in, replies out, each in the manner that was ordered for it."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from rails.simulator.faults.kinds import Manner
from rails.simulator.problem import Problem
from rails.simulator.web.http import Reader, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rails.simulator.faults.kinds import Fault
    from rails.simulator.web.http import Request

JSON: Final = "application/json"
GREATEST_PIPELINE: Final = 4_000_000
"""Bytes of further requests that a client may send while it has not been answered."""
DRIPS: Final = 50
LINGER_NOT: Final = struct.pack("ii", 1, 0)
"""With this, closing sends a reset instead of a farewell."""
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it goes out."""

    status: int
    body: bytes
    kind: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def of_problem(problem: Problem) -> Reply:
    """A problem document."""
    return Reply(problem.status, problem.as_json().encode(), "application/problem+json")


class Connection(asyncio.Protocol):
    """Asks `answer` for what to say and is told by `deliver`, later, how to say it."""

    def __init__(
        self,
        answer: Callable[[Connection, Request], None],
        greatest_body: Callable[[str], int],
        open_ones: set[Connection],
    ) -> None:
        self._answer = answer
        self._reader = Reader(greatest_body)
        self._open_ones = open_ones
        self._transport: asyncio.Transport | None = None
        self._busy = False
        self._closing = False
        self._continued = False
        self._is_silent = False
        self._has_ended = False
        self._last_words: Reply | None = None
        self._unread = 0
        self._timers: list[asyncio.TimerHandle] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Named by asyncio."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  of a TCP server it is
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = transport
        self._open_ones.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Named by asyncio. Whoever is gone waits for nothing any more."""
        self._transport = None
        self._open_ones.discard(self)
        for timer in self._timers:
            timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Named by asyncio."""
        if self._last_words is not None:
            self._unread -= len(data)
            self._say_last_words()
            return
        if self._closing:
            return
        self._reader.feed(data)
        if self._busy and self._reader.pending > GREATEST_PIPELINE:
            self.abort()
        else:
            self._serve()

    def eof_received(self) -> bool:
        """Named by asyncio. A client may say that it sends no more and still wait for its answer."""
        self._has_ended = True
        return self._busy and not self._is_silent

    def abort(self) -> None:
        """The server stops: no more of anything."""
        if self._transport is not None:
            self._transport.abort()

    def _serve(self) -> None:
        """The next request, once the one before was answered: replies keep the order of requests."""
        if self._busy or self._transport is None:
            return
        try:
            request = self._reader.next()
        except Unreadable as unreadable:
            self._last_words, self._unread = of_problem(unreadable.problem), unreadable.unread
            self._say_last_words()
            return
        if request is not None:
            self._busy, self._continued = True, False
            self._closing = not request.keeps_alive
            self._answer(self, request)
        elif self._reader.waits_for_body and not self._continued:
            self._continued = True
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _say_last_words(self) -> None:
        if self._unread <= 0 and self._last_words is not None:
            self._closing = True
            self._send(self._last_words)
            self._last_words = None

    def deliver(self, reply: Reply, fault: Fault | None) -> None:
        """Send the answer to the request that was asked about last, or go wrong with it."""
        if self._transport is None:
            return
        if fault is None:
            self._send(reply)
            return
        manner = fault.kind.manner
        if manner is Manner.SERVER_ERROR:
            problem = Problem(fault.status, "server_error", "the rail has a bad moment")
            retry = (("Retry-After", "60"),) if fault.status == 503 else ()
            answer = of_problem(problem)
            self._send(Reply(answer.status, answer.body, answer.kind, retry))
        elif manner is Manner.BROKEN:
            self._send(Reply(reply.status, reply.body[: len(reply.body) // 2] or b"{", reply.kind, reply.headers))
        elif manner is Manner.DRIP:
            self._drip(_bytes(reply, closes=self._closing), fault.seconds)
        else:
            self._break_off(reply, fault)

    def _break_off(self, reply: Reply, fault: Fault) -> None:
        transport = self._transport
        if transport is None:
            return
        manner = fault.kind.manner
        if manner is Manner.SILENCE:
            self._is_silent = True
            self._later(fault.seconds, transport.abort)
        elif manner is Manner.RESET:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            transport.abort()
        else:
            if manner is Manner.TRUNCATED:
                content = _bytes(reply, closes=False)
                transport.write(content[: len(content) - max(len(reply.body) // 2, 1)])
            self._closing = True
            transport.close()

    def _drip(self, content: bytes, seconds: float) -> None:
        step = max(len(content) // DRIPS, 1)
        pieces = [content[place : place + step] for place in range(0, len(content), step)]
        for place, piece in enumerate(pieces[:-1]):
            self._later(seconds * place / len(pieces), self._write, piece)
        self._later(seconds, self._send_bytes, pieces[-1])

    def _later(self, seconds: float, function: Callable[..., object], *arguments: object) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, function, *arguments))

    def _write(self, content: bytes) -> None:
        if self._transport is not None:
            self._transport.write(content)

    def _send(self, reply: Reply) -> None:
        self._send_bytes(_bytes(reply, closes=self._closing))

    def _send_bytes(self, content: bytes) -> None:
        if self._transport is None:
            return
        self._transport.write(content)
        self._busy = False
        self._timers.clear()
        if self._closing:
            self._transport.close()
            return
        self._serve()
        if self._has_ended and not self._busy and self._transport is not None:
            self._transport.close()


def _bytes(reply: Reply, *, closes: bool) -> bytes:
    """Head and body in one piece, so that they leave in one packet."""
    lines = [
        f"HTTP/1.1 {reply.status} {_PHRASES.get(reply.status, 'Status')}",
        "Server: rails-simulator",
        f"Content-Type: {reply.kind}",
        f"Content-Length: {len(reply.body)}",
        *(f"{name}: {value}" for name, value in reply.headers),
    ]
    if closes:  # said aloud, or the client would send its next request into a closing connection
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + reply.body
