"""The API's listening socket: opened once, shared by every process that serves it.

The supervisor opens it and lets each API process inherit it, as a socket-activated service does. A process that dies
loses no connection that waits to be accepted: the others accept it, or its successor.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daybook.settings import Settings

BACKLOG = 1024
POLL_S = 0.1


def listen(host: str, port: int, patience_s: float = 0.0) -> socket.socket:
    """A listening TCP socket. Raises OSError naming the setting to change when the port is still taken after
    `patience_s`."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return _listen_now(host, port)
        except OSError as taken:
            if time.monotonic() >= deadline:
                message = f"port {port} of {host} is taken: stop the other server, or set DAYBOOK_API_PORT"
                raise OSError(taken.errno, message) from None
            time.sleep(POLL_S)


def _listen_now(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # What it accepts inherits this; an answer in two pieces would else wait 40 ms for the client to acknowledge one.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(BACKLOG)
    return listener


def api_listener(settings: Settings) -> socket.socket:
    """The socket that the supervisor left to this process, or one of its own. Raises what `listen` raises."""
    if settings.api_listener is not None:
        return socket.socket(fileno=settings.api_listener)
    return listen(settings.api_host, settings.api_port)
