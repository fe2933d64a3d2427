"""The engine's socket: frames in any pieces, many callers on one connection, and plain words when things go wrong."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from ledger.client import EngineUnavailable, LedgerClient
from ledger.frames import Frames
from ledger.server import LedgerServer, SocketInUse
from ledger.wire import MAX_FRAME, FrameTooLong, Ping, Reply, Request, frame, read_reply


class Echo:
    """Answers with the book as position, in pairs and in reverse: replies must find their askers all the same."""

    def __init__(self) -> None:
        self._held: list[tuple[Request, Callable[[Reply], None]]] = []
        self._guard = threading.Lock()

    def submit(self, request: Request, answer: Callable[[Reply], None]) -> None:
        with self._guard:
            self._held.append((request, answer))
            ready = self._held[::-1] if len(self._held) == 2 else []
            if ready:
                self._held = []
        for asked, reply in ready:
            reply(Reply(status="found", position=asked.book))


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A socket with the echo behind it."""
    server = LedgerServer(Echo(), tmp_path / "s.sock")
    server.start()
    yield server.path
    server.stop()


def test_callers_of_one_connection_each_get_their_own_reply(path: Path) -> None:
    client = LedgerClient(path)
    got: dict[int, int] = {}

    def ask(book: int) -> None:
        got[book] = client.ping(book=book).position

    threads = [threading.Thread(target=ask, args=[book]) for book in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert got == {book: book for book in range(40)}


def test_frames_are_found_in_whatever_pieces_they_arrive() -> None:
    sent = frame(Ping(id=1, book=1)) + frame(Ping(id=2, book=2))
    frames = Frames()
    cut = [body for index in range(len(sent)) for body in frames.feed(sent[index : index + 1])]
    assert cut == Frames().feed(sent)
    assert len(cut) == 2


def test_a_frame_that_announces_too_much_is_not_awaited() -> None:
    with pytest.raises(FrameTooLong):
        Frames().feed((MAX_FRAME + 1).to_bytes(4, "big"))


def test_a_request_with_a_wrong_field_is_told_which(path: Path) -> None:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.connect(str(path))
    body = b"\x83\xa2id\x07\xa2op\xa4ping\xa4book\xa1x"
    peer.sendall(len(body).to_bytes(4, "big") + body)
    reply = read_reply(Frames().feed(peer.recv(4096))[0])
    peer.close()
    assert (reply.id, reply.status, reply.code) == (7, "error", "bad_request")
    assert "$.book" in reply.detail


def test_no_engine_is_a_clear_error(tmp_path: Path) -> None:
    client = LedgerClient(tmp_path / "nobody.sock", connect_timeout=0.05)
    with pytest.raises(EngineUnavailable, match="no posting engine listens"):
        client.wallet(book=1, wallet_id=uuid4())


def test_no_reply_in_time_says_that_the_outcome_is_unknown(path: Path) -> None:
    client = LedgerClient(path, timeout=0.05)
    with pytest.raises(EngineUnavailable, match="same key"):
        client.ping(book=1)
    client.close()


def test_a_second_engine_on_one_socket_is_refused_and_a_stale_socket_is_replaced(path: Path, tmp_path: Path) -> None:
    with pytest.raises(SocketInUse):
        LedgerServer(Echo(), path).start()
    stale = tmp_path / "stale.sock"
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(stale))
    left.close()
    server = LedgerServer(Echo(), stale)
    server.start()
    server.stop()
    assert not stale.exists()
