"""Serves the application with granian: one process, blocking threads.

One process, because group commit gains from every concurrent command meeting in one queue; threads, because psycopg,
the engine's client and waiting requests block. granian's threaded server is asked for by name: the one it would
choose starts a second process, which outlives a killed first one and keeps its port.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.mt import MTServer

from api.app import create_app
from api.services import Services

if TYPE_CHECKING:
    from flask import Flask

THREADS = 64
"""Requests handled at once; `api.waiters` keeps waiting ones from taking them all."""


class _OneProcessServer(MTServer):
    """granian's threaded server with one worker, in this process.

    granian refuses it where there is a global interpreter lock, because further workers would gain nothing there; we
    want one. The version of granian is pinned, and a test serves real requests through this class.
    """

    def _check_gil(self) -> None:
        """One worker shares no interpreter with another."""


def run(
    services_factory: Callable[[], AbstractContextManager[Services]],
    stop: threading.Event,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    threads: int = THREADS,
) -> None:
    """Serve until `stop` is set or the process gets SIGINT or SIGTERM; call it from the main thread.

    The services are opened here and closed after the last answer is sent. Raises OSError when the port is taken.
    """
    _refuse_taken_port(host, port)
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with services_factory() as services:
        app = create_app(services)
        server = _OneProcessServer(
            "daybook",
            address=host,
            port=port,
            interface=Interfaces.WSGI,
            workers=1,
            blocking_threads=threads,
            backlog=1024,
            log_enabled=False,
            websockets=False,
            http1_settings=HTTP1Settings(keep_alive=True),
        )
        ended = threading.Event()
        watcher = threading.Thread(target=_stop_when, args=(stop, ended, server), name="api-stop", daemon=True)
        watcher.start()
        try:
            server.serve(target_loader=_loader(app), wrap_loader=False)
        finally:
            ended.set()
            for number, handler in kept.items():
                signal.signal(number, handler)
            watcher.join()


def _refuse_taken_port(host: str, port: int) -> None:
    """granian listens in a way that lets two servers share a port, and requests with it; ours never mean to."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as taken:
            message = f"port {port} of {host} is taken: stop the other server, or set DAYBOOK_API_PORT"
            raise OSError(taken.errno, message) from None


def _loader(app: Flask) -> Callable[[], Any]:
    return lambda: app


def _stop_when(stop: threading.Event, ended: threading.Event, server: MTServer) -> None:
    while not ended.is_set():
        if stop.wait(0.2):
            server.interrupt_signal = True
            server.main_loop_interrupt.set()
            return
