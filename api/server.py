"""Serves the application with granian: blocking threads in this process, on a socket that it may share with others.

Threads, because psycopg, the engine's client and waiting requests block. How many processes serve is the supervisor's
to say, not granian's: the server it would choose starts a process that outlives a killed parent and keeps its port.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from granian._granian import SocketHolder
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.mt import MTServer

from api.app import create_app
from api.services import Services

if TYPE_CHECKING:
    from flask import Flask

THREADS = 64
"""Requests handled at once; `api.waiters` keeps waiting ones from taking them all."""

_BACKLOG = 1024


class _OneProcessServer(MTServer):
    """granian's threaded server with one worker, in this process, on a socket that is already there.

    granian refuses it where there is a global interpreter lock, because further workers would gain nothing there; we
    want one. It would also open a socket of its own for each process, in a way that lets strangers share the port.
    The version of granian is pinned, and a test serves real requests through this class.
    """

    def __init__(self, listener: socket.socket, **options: Any) -> None:
        super().__init__("daybook", **options)
        self._listener = listener

    def _check_gil(self) -> None:
        """One worker shares no interpreter with another."""

    def _init_shared_socket(self) -> None:
        # granian's own annotations know neither the arguments nor that these attributes are set here.
        self._sfd: Any = os.dup(self._listener.fileno())  # it closes what it is given
        self._shd: Any = SocketHolder(self._sfd, False, _BACKLOG)  # type: ignore[call-arg]


def run(
    services_factory: Callable[[], AbstractContextManager[Services]],
    stop: threading.Event,
    listener: socket.socket,
    *,
    threads: int = THREADS,
) -> None:
    """Serve what `listener` accepts until `stop` is set or the process gets SIGINT or SIGTERM; call it from the main
    thread.

    The services are opened here and closed after the last answer is sent.
    """
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with services_factory() as services:
        app = create_app(services)
        server = _OneProcessServer(
            listener,
            interface=Interfaces.WSGI,
            workers=1,
            blocking_threads=threads,
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


def _loader(app: Flask) -> Callable[[], Any]:
    return lambda: app


def _stop_when(stop: threading.Event, ended: threading.Event, server: MTServer) -> None:
    while not ended.is_set():
        if stop.wait(0.2):
            server.interrupt_signal = True
            server.main_loop_interrupt.set()
            return
