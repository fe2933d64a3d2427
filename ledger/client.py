"""The engine's client: many threads of a process share one connection, and their requests travel without waiting for
each other's replies. After a lost connection the outcome of what was asked is unknown: ask again with the same key.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoReplyYet
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ledger.frames import Frames
from ledger.wire import (
    ENGINE_UNAVAILABLE,
    FrameTooLong,
    OpenWallet,
    Ping,
    ReadWallet,
    Reply,
    Request,
    Transfer,
    frame,
    read_reply,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from domain.conditions import Condition

PIECE = 1 << 16
CONNECT_POLL_SECONDS = 0.02


class EngineUnavailable(ConnectionError):
    """No reply from the engine: whether the request was carried out is unknown. Ask again with the same key."""


class _Connection:
    """One socket, its reader thread and the callers that wait on it."""

    def __init__(self, socket_path: str, connect_timeout: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(connect_timeout)
            self._socket.connect(socket_path)
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(None)
        self._guard = threading.Lock()
        self._sending = threading.Lock()
        self._waiting: dict[int, Future[Reply]] = {}
        self.lost = False
        self._reader = threading.Thread(target=self._read, name="ledger-client", daemon=True)
        self._reader.start()

    def send(self, request: Request) -> Future[Reply]:
        answer: Future[Reply] = Future()
        message = frame(request)
        with self._guard:
            if self.lost:
                raise EngineUnavailable("the connection to the posting engine was lost; nothing was sent")
            self._waiting[request.id] = answer
        try:
            with self._sending:
                self._socket.sendall(message)
        except OSError as error:
            self.fail(error)
        return answer

    def forget(self, request_id: int) -> None:
        with self._guard:
            self._waiting.pop(request_id, None)

    def _read(self) -> None:
        frames = Frames()
        try:
            while piece := self._socket.recv(PIECE):
                for body in frames.feed(piece):
                    reply = read_reply(body)
                    with self._guard:
                        answer = self._waiting.pop(reply.id, None)
                    if answer is not None:
                        answer.set_result(reply)
        except (OSError, FrameTooLong, msgspec.DecodeError) as error:
            self.fail(error)
        else:
            self.fail(None)

    def fail(self, cause: Exception | None) -> None:
        """Wake everybody who waits, and let the next request open a new connection."""
        with self._guard:
            self.lost = True
            waiting, self._waiting = list(self._waiting.values()), {}
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        reason = f": {cause}" if cause else ""
        for answer in waiting:
            answer.set_exception(
                EngineUnavailable(f"the posting engine hung up before it answered{reason}; ask again with the same key")
            )

    def close(self) -> None:
        self.fail(None)
        if self._reader is not threading.current_thread():
            self._reader.join()
        self._socket.close()


class LedgerClient:
    """Asks the posting engine; blocking, safe to share between threads, reconnects by itself.

    Every call raises EngineUnavailable when no reply came within `timeout` seconds or the connection was lost. Each
    order carries a key: asking again with it gives the recorded answer, never a second effect.
    """

    def __init__(self, socket_path: str | Path, timeout: float = 10.0, connect_timeout: float = 2.0) -> None:
        self._path = str(socket_path)
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._ids = itertools.count(1)
        self._opening = threading.Lock()
        self._connection: _Connection | None = None
        self._failed_at = 0.0
        self._closed = False

    def transfer(
        self,
        *,
        book: int,
        key: str,
        source: UUID,
        destination: UUID,
        amount_minor: int,
        currency: str,
        effective_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        reference: str | None = None,
        conditions: Sequence[Condition] = (),
        dry_run: bool = False,
    ) -> Reply:
        """Move money between two wallets of one book; the reply is `posted`, `refused` (final) or `error`."""
        return self.ask(
            Transfer(
                book=book,
                key=key,
                source=source,
                destination=destination,
                amount_minor=amount_minor,
                currency=currency,
                effective_at=effective_at,
                metadata=dict(metadata or {}),
                reference=reference,
                conditions=tuple(conditions),
                dry_run=dry_run,
            )
        )

    def open_wallet(
        self,
        *,
        book: int,
        key: str,
        address: str,
        currency: str,
        overdraft_limit_minor: int | None = 0,
        merchant_id: str | None = None,
    ) -> Reply:
        """Open an account of the chart; the reply is `opened` with `wallet_id`, `refused` or `error`."""
        return self.ask(
            OpenWallet(
                book=book,
                key=key,
                address=address,
                currency=currency,
                overdraft_limit_minor=overdraft_limit_minor,
                merchant_id=merchant_id,
            )
        )

    def wallet(self, *, book: int, wallet_id: UUID) -> Reply:
        """The wallet's numbers as last committed, in `wallet`; `error` with code `unknown_wallet` if there is none."""
        return self.ask(ReadWallet(book=book, wallet_id=wallet_id))

    def ping(self, *, book: int) -> Reply:
        """`found` when the engine is there and owns the book; raises EngineUnavailable while it does not write it."""
        return self.ask(Ping(book=book))

    def ask(self, request: Request) -> Reply:
        """Send one request (its `id` is given here) and wait for its reply. Raises EngineUnavailable, FrameTooLong."""
        request = msgspec.structs.replace(request, id=next(self._ids))
        connection = self._connected()
        answer = connection.send(request)
        try:
            reply = answer.result(self._timeout)
        except NoReplyYet:
            connection.forget(request.id)
            raise EngineUnavailable(
                f"no reply from the posting engine within {self._timeout} s; ask again with the same key"
            ) from None
        if reply.code == ENGINE_UNAVAILABLE:
            raise EngineUnavailable(reply.detail)
        return reply

    def close(self) -> None:
        """Hang up; callers that wait get EngineUnavailable, later calls too."""
        with self._opening:
            self._closed = True
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> _Connection:
        connection = self._connection
        if connection is not None and not connection.lost:
            return connection
        asked_at = time.monotonic()
        with self._opening:
            if self._closed:
                raise EngineUnavailable("this client is closed")
            if self._failed_at > asked_at:  # whoever opened meanwhile has waited for all of us
                raise EngineUnavailable(f"no posting engine listens on {self._path}")
            if self._connection is not None:
                if not self._connection.lost:
                    return self._connection
                self._connection.close()
                self._connection = None
            try:
                self._connection = self._open(asked_at + self._connect_timeout)
            except OSError as error:
                self._failed_at = time.monotonic()
                raise EngineUnavailable(f"no posting engine listens on {self._path}: {error}") from error
            return self._connection

    def _open(self, give_up_at: float) -> _Connection:
        """Connect, waiting for an engine that is just being started again."""
        while True:
            try:
                return _Connection(self._path, self._connect_timeout)
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() + CONNECT_POLL_SECONDS > give_up_at:
                    raise
                time.sleep(CONNECT_POLL_SECONDS)
