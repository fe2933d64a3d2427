"""The engine's Unix socket: one reader thread per connection, one writer thread that sends replies in batches.

Readers hand requests over and never wait for a commit, so one connection carries many requests at a time.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import structlog

from ledger.frames import Frames
from ledger.wire import FrameTooLong, Reply, Request, frame, read_request, request_id

if TYPE_CHECKING:
    from collections.abc import Callable

PIECE = 1 << 16
SEND_TIMEOUT = 5.0  # seconds; a peer that does not read its replies for so long is cut off, it would stall the others

log = structlog.get_logger(__name__)


class AnswersRequests(Protocol):
    """What the server needs of the engine: take a request, call back once with the reply, from any thread."""

    def submit(self, request: Request, answer: Callable[[Reply], None]) -> None: ...


class SocketInUse(RuntimeError):
    """Another engine answers on this socket path: stop it first, or give this one another path."""


class LedgerServer:
    """Serves one engine on a Unix socket that only this user can open."""

    def __init__(self, engine: AnswersRequests, socket_path: str | Path) -> None:
        self._engine = engine
        self.path = Path(socket_path)
        self._listener: socket.socket | None = None
        self._guard = threading.Condition()
        self._replies: dict[socket.socket, list[bytes]] = {}
        self._connections: set[socket.socket] = set()
        self._stopping = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Listen and serve in threads of its own. Raises SocketInUse, OSError when the path cannot be bound."""
        self._clear_stale_socket()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        previous = os.umask(0o177)
        try:
            listener.bind(str(self.path))
        finally:
            os.umask(previous)
        listener.listen(128)
        self._listener = listener
        for work, name in ((self._accept, "ledger-accept"), (self._write, "ledger-write")):
            thread = threading.Thread(target=work, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Send the replies that are ready, hang up and remove the socket. Call it after the engine has stopped."""
        with self._guard:
            self._stopping = True
            self._guard.notify_all()
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for thread in self._threads:
            thread.join()
        with self._guard:
            connections = list(self._connections)
        for connection in connections:
            _hang_up(connection)
        self.path.unlink(missing_ok=True)

    def _clear_stale_socket(self) -> None:
        if not self.path.exists():
            return
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            probe.connect(str(self.path))
        except OSError:
            self.path.unlink(missing_ok=True)  # left behind by a killed engine
        else:
            raise SocketInUse(f"a posting engine already answers on {self.path}; stop it or choose another socket path")
        finally:
            probe.close()

    def _accept(self) -> None:
        listener = self._listener
        while listener is not None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(SEND_TIMEOUT))
            with self._guard:
                self._connections.add(connection)
            threading.Thread(target=self._read, args=(connection,), name="ledger-read", daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        frames = Frames()
        try:
            while piece := connection.recv(PIECE):
                for body in frames.feed(piece):
                    self._take(connection, body)
        except FrameTooLong as error:
            log.warning("connection closed", reason=str(error))
        except OSError as error:
            log.info("connection lost", reason=str(error))
        finally:
            with self._guard:
                self._connections.discard(connection)
                self._replies.pop(connection, None)
                connection.close()

    def _take(self, connection: socket.socket, body: bytes) -> None:
        try:
            request = read_request(body)
        except msgspec.DecodeError as error:
            self._send(connection, Reply(id=request_id(body), status="error", code="bad_request", detail=str(error)))
            return
        number = request.id

        def answer(reply: Reply) -> None:
            self._send(connection, msgspec.structs.replace(reply, id=number))

        self._engine.submit(request, answer)

    def _send(self, connection: socket.socket, reply: Reply) -> None:
        message = _fitting(reply)
        with self._guard:
            if connection not in self._connections:
                return  # the asker is gone; it asks again with its key
            self._replies.setdefault(connection, []).append(message)
            self._guard.notify()

    def _write(self) -> None:
        while True:
            with self._guard:
                while not self._replies and not self._stopping:
                    self._guard.wait()
                if not self._replies:
                    return
                ready, self._replies = self._replies, {}
            for connection, messages in ready.items():
                try:
                    connection.sendall(b"".join(messages))
                except OSError as error:
                    log.warning("replies not delivered", count=len(messages), reason=str(error))
                    _hang_up(connection)


def _fitting(reply: Reply) -> bytes:
    """The frame of a reply, without the balances after each line where these are more than a frame can hold.

    Never an error: what is answered has been committed, and a reply that cannot be sent must not stop the engine.
    """
    try:
        return frame(reply)
    except FrameTooLong:
        items = tuple(msgspec.structs.replace(item, lines=()) for item in reply.items)
        return frame(msgspec.structs.replace(reply, lines=(), items=items))


def _hang_up(connection: socket.socket) -> None:
    """End both directions, so that the connection's reader thread wakes up and closes it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _timeval(seconds: float) -> bytes:
    """The kernel's `struct timeval`: a send time-out of its own, because Python's would also apply to recv."""
    whole = int(seconds)
    return whole.to_bytes(8, "little") + int((seconds - whole) * 1_000_000).to_bytes(8, "little")
