"""The simulator as it listens: one thread, one loop, and one commit for all requests that arrived together.

A framework's server will not let go of a connection without answering, and going wrong on the wire is what a simulator
is for. Nothing here waits: a request is answered at once, a fault that takes its time is a timer.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sqlite3
import threading
from typing import TYPE_CHECKING, Any, Final

from rails.simulator.faults import kinds
from rails.simulator.faults.plan import OUTAGE, check_applies
from rails.simulator.problem import Problem, invalid
from rails.simulator.store import GroupLost
from rails.simulator.web.call import Call, key_for_faults
from rails.simulator.web.routes import find, greatest_body
from rails.simulator.web.wire import Connection, Reply, of_problem

if TYPE_CHECKING:
    from rails.simulator.books import Books
    from rails.simulator.faults.kinds import Fault
    from rails.simulator.web.http import Request
    from rails.simulator.web.routes import Route

LOG: Final = logging.getLogger("rails.simulator")
WAITING: Final = 1_024
NOTHING: Final = Reply(500, b"")


class Simulator:
    """Listens at once; `serve_forever` answers, `shutdown` from another thread stops it.

    `public_url` is where customers' browsers find it, when that is not where it listens. Raises `OSError` when the
    address cannot be had.
    """

    def __init__(self, host: str, port: int, books: Books, public_url: str | None = None) -> None:
        self.books = books
        self._socket = socket.create_server((host, port), backlog=WAITING)
        address, found = self._socket.getsockname()[:2]
        self.url = f"http://{address}:{found}"
        """Where clients reach it; tells the port that was found when 0 was asked for."""
        books.payments.public_url = (public_url or self.url).rstrip("/")
        books.store.deferred = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._started = False
        self._connections: set[Connection] = set()
        self._waiting: list[tuple[Connection, Reply, Fault | None]] = []

    def serve_forever(self) -> None:
        """Answer until `shutdown`. The calling thread is the one that uses the books."""
        self._started = True
        try:
            asyncio.run(self._serve())
        finally:
            self._ended.set()

    def shutdown(self) -> None:
        """Stop answering, and wait until that is so."""
        self._stop.set()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake)
        if self._started:
            self._ended.wait()

    def server_close(self) -> None:
        """Gives the address back."""
        self._socket.close()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._stopping = loop.create_future()
        self._loop = loop
        if self._stop.is_set():
            return
        server = await loop.create_server(
            lambda: Connection(self._take, greatest_body, self._connections), sock=self._socket, backlog=WAITING
        )
        async with server:
            await self._stopping
            self._flush()
            for connection in tuple(self._connections):
                connection.abort()

    def _wake(self) -> None:
        if not self._stopping.done():
            self._stopping.set_result(None)

    def _take(self, connection: Connection, request: Request) -> None:
        """Answer, but tell nobody before what was done is durable: the loop comes back to it once all requests that
        have arrived by now are worked off."""
        reply, fault = self._answer(request)
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append((connection, reply, fault))

    def _flush(self) -> None:
        told, self._waiting = self._waiting, []
        try:
            self.books.store.commit()
        except (sqlite3.Error, GroupLost):
            LOG.exception("%d requests could not be written down", len(told))
            self.books.reload()
            problem = of_problem(Problem(500, "server_error", "nothing was done: see the simulator's log"))
            told = [(connection, problem, None) for connection, _, _ in told]
        for connection, reply, fault in told:
            connection.deliver(reply, fault)

    def _answer(self, request: Request) -> tuple[Reply, Fault | None]:
        try:
            return self._answered(request)
        except Problem as problem:
            return of_problem(problem), None
        except Exception:
            LOG.exception("request failed: %s %s", request.method, request.path)
            return of_problem(Problem(500, "server_error", "see the simulator's log")), None

    def _answered(self, request: Request) -> tuple[Reply, Fault | None]:
        route, names = find(request.method, request.path)
        self.books.clock.hold()
        self.books.days.catch_up()
        fault = self._fault(route, request, names)
        if fault is not None and not fault.kind.after_effect:
            return NOTHING, fault
        of_books = fault if fault is not None and fault.kind.is_of_the_books else None
        try:
            answer = route.answer(Call(request, self.books, names, of_books))
        except Problem as problem:
            return of_problem(problem), None if of_books else self._played(route, fault)
        if of_books is not None:
            if answer.twisted:
                self._played(route, of_books)
            return answer.reply, None
        if fault is None and answer.failure is not None:
            fault = kinds.fault(answer.failure)
        return answer.reply, self._played(route, fault)

    def _fault(self, route: Route, request: Request, names: dict[str, str]) -> Fault | None:
        """An outage comes first, then what the request itself asks for, then the plan. Raises `Problem` 400."""
        header: Any = request.headers.get(kinds.HEADER.lower())
        operation, plan = route.operation, self.books.plan
        if operation is None:
            if header is not None:
                raise invalid(kinds.HEADER, f"cannot be played at {route.path}: nothing goes wrong there")
            return None
        ordered = kinds.from_header(header) if header is not None else None
        if ordered is not None:
            check_applies(operation, ordered, kinds.HEADER)
        down = plan.outage(operation, self.books.clock.now())
        if down is not None:
            plan.played(operation, OUTAGE)
            return down
        fault = ordered or plan.draw(operation, key_for_faults(request, names))
        if fault is not None and not fault.kind.after_effect:
            plan.played(operation, fault.kind.name)
        return fault

    def _played(self, route: Route, fault: Fault | None) -> Fault | None:
        if fault is not None and route.operation is not None:
            self.books.plan.played(route.operation, fault.kind.name)
        return fault
