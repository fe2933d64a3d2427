"""A server on loopback that gives a scripted answer to every request, and keeps what it was asked."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs


@dataclass
class Scripted:
    """Where it listens, what it answers next, and each request as it came: its first line, its headers, its form."""

    url: str
    reply: bytes | None
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)


def answer(status: int, body: object, *headers: str, kind: str = "application/json") -> bytes:
    """A whole HTTP answer. `body` is sent as it is when it is bytes, else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(content)}", "Connection: close"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + content


@contextmanager
def scripted(reply: bytes | None) -> Iterator[Scripted]:
    """None keeps the line open in silence."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Scripted(f"http://127.0.0.1:{listener.getsockname()[1]}", reply)
        finished = threading.Event()

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if finished.is_set():
                        return
                    _read(connection, server)
                    if server.reply is None:
                        finished.wait()
                    with contextlib.suppress(OSError):
                        connection.sendall(server.reply or b"")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            finished.set()
            socket.create_connection(listener.getsockname()).close()
            thread.join()


def _read(connection: socket.socket, server: Scripted) -> None:
    """The whole request: to hang up on one that is still coming would reset the line before the answer is read."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65_536)
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    server.asked.append((first, headers, form))
