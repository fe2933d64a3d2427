"""What the adapters do with a network and a peer that do not behave, and with settings that cannot be."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from rails.http_calls import ReadTimeouts, read_timeouts
from rails.port import OPERATIONS, AuthoriseRequest, CaptureRequest, InquiryRequest, NotSent, Unknown, VoidRequest
from rails.recorded import RecordedAmountNegative, RecordedRail
from rails.registry import FACTORIES, RailNotRegistered, open_rail
from rails.simulated import SimulatedRail, SimulatorSettingInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

AUTHORISE = AuthoriseRequest("order", 1, "attempt", 500, "EUR", "tok", capture=True)
AUTHORISATION: dict[str, Any] = {
    "id": "au_1",
    "attempt_key": "attempt",
    "amount_minor": 500,
    "currency": "EUR",
    "status": "captured",
    "captured_minor": 500,
    "cost_minor": 32,
    "released_minor": 0,
    "decline_code": None,
    "decline_class": None,
    "capture_before": None,
}


@contextmanager
def peer(reply: bytes | None, timeouts: ReadTimeouts | None = None) -> Iterator[SimulatedRail]:
    """A rail whose server reads one request per connection and sends `reply`; None keeps the line open in silence."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        finished = threading.Event()

        def serve() -> None:
            while not finished.is_set():
                connection, _ = listener.accept()
                with connection:
                    if finished.is_set():
                        return
                    connection.recv(65_536)
                    if reply is None:
                        finished.wait()
                    else:
                        connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        rail = SimulatedRail(url, timeouts or ReadTimeouts(5 if reply else 0.05))
        try:
            yield rail
        finally:
            rail.close()
            finished.set()
            socket.create_connection(listener.getsockname()).close()
            thread.join()


def http(status: int, body: object, kind: str = "application/json") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    return head.encode() + content


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(None, id="silence"),
        pytest.param(b"", id="hung up"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="not HTTP"),
        pytest.param(http(201, AUTHORISATION)[:-9], id="cut off"),
        pytest.param(http(201, b"\xff{"), id="not JSON"),
        pytest.param(http(201, {}), id="empty object"),
        pytest.param(http(201, {**AUTHORISATION, "captured_minor": "500"}), id="amount as text"),
        pytest.param(http(201, {**AUTHORISATION, "captured_minor": 500.5}), id="amount as fraction"),
        pytest.param(http(201, {**AUTHORISATION, "status": "pending"}), id="status never heard of"),
        pytest.param(http(201, {**AUTHORISATION, "status": "authorised"}), id="held instead of captured"),
        pytest.param(http(201, {**AUTHORISATION, "attempt_key": "other"}), id="another attempt"),
        pytest.param(http(201, {**AUTHORISATION, "currency": "USD"}), id="another currency"),
        pytest.param(http(200, AUTHORISATION), id="status not agreed"),
        pytest.param(http(402, {"code": "card_declined"}), id="decline without its class"),
        pytest.param(http(402, b"<html>pay the proxy</html>", "text/html"), id="decline of a proxy"),
        pytest.param(http(400, {"code": "invalid_request"}), id="bad request"),
        pytest.param(http(404, {"code": "no_such_path"}), id="wrong address"),
        pytest.param(http(408, {}), id="request time-out"),
        pytest.param(http(429, {}), id="too many requests"),
        pytest.param(http(502, b"<html>bad gateway</html>", "text/html"), id="bad gateway"),
        pytest.param(http(503, {"code": "x", "decline_class": "hard"}), id="5xx that talks like a decline"),
        pytest.param(http(302, {}), id="redirect"),
    ],
)
def test_whatever_is_not_an_agreed_answer_is_unknown_for_every_operation(reply: bytes | None) -> None:
    with peer(reply) as rail:
        for answer in (
            rail.authorise(AUTHORISE),
            rail.capture(CaptureRequest("capture", "au_1", 500, "EUR", final=True)),
            rail.void(VoidRequest("void", "au_1")),
        ):
            assert isinstance(answer, Unknown)
            assert answer.reason


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(http(404, b"<html>not here</html>", "text/html"), id="404 of a proxy"),
        pytest.param(http(404, {"code": "no_such_path"}), id="404 of a wrong address"),
        pytest.param(http(200, {**AUTHORISATION, "status": "declined"}), id="declined without saying why"),
        pytest.param(http(200, {**AUTHORISATION, "attempt_key": "other"}), id="another attempt"),
        pytest.param(http(500, {}), id="server error"),
        pytest.param(None, id="silence"),
    ],
)
def test_an_inquiry_that_is_not_answered_by_the_rail_leaves_the_outcome_unknown(reply: bytes | None) -> None:
    with peer(reply) as rail:
        assert isinstance(rail.inquire(InquiryRequest("attempt")), Unknown)
        assert isinstance(rail.inquire(InquiryRequest("attempt", "capture")), Unknown)


def test_to_a_rail_that_is_not_there_nothing_was_sent_and_the_reply_says_how() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    rail = open_rail("simulated", {"url": url})
    answer = rail.authorise(AUTHORISE)
    assert isinstance(answer, NotSent)
    assert "ConnectError" in answer.reason
    rail.close()


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "url"),
        ({"url": "localhost:8081"}, "url"),
        ({"url": "http://localhost", "read_timeout": "soon"}, "read_timeout"),
        ({"url": "http://localhost", "read_timeout": "0"}, "read_timeout"),
        ({"url": "http://localhost", "read_timeout": "nan"}, "read_timeout"),
        ({"url": "http://localhost", "read_timeout": "9999"}, "read_timeout"),
        ({"url": "http://localhost", "read_timeout.void": "0"}, "read_timeout.void"),
    ],
)
def test_a_setting_that_cannot_be_is_named(settings: dict[str, str], field: str) -> None:
    with pytest.raises(SimulatorSettingInvalid, match=field):
        open_rail("simulated", settings)


def test_a_rail_nobody_wrote_is_refused_with_the_names_of_those_that_exist() -> None:
    with pytest.raises(RailNotRegistered, match=r"'carrier-pigeon'.*recorded.*simulated"):
        open_rail("carrier-pigeon", {})
    assert sorted(FACTORIES) == ["recorded", "sepa", "simulated", "stripe"]


def test_a_recorded_payment_is_a_fact_even_when_it_took_nothing() -> None:
    rail = RecordedRail()
    assert rail.fact("voucher-7", 0).amount_minor == 0
    assert (rail.fact("card-1", 995, 12).amount_minor, rail.fact("card-1", 995, 12).cost_minor) == (995, 12)
    for amount, cost, name in ((-1, 0, "amount_minor"), (1, -1, "cost_minor")):
        with pytest.raises(RecordedAmountNegative, match=name):
            rail.fact("card-1", amount, cost)


def test_each_operation_has_a_time_out_of_its_own_and_the_usual_one_without() -> None:
    settings = {"read_timeout": "7", "read_timeout.inquire": "0.05", "read_timeout.facts": "1"}
    timeouts = read_timeouts(settings, OPERATIONS, SimulatorSettingInvalid)
    assert [timeouts.of(operation).read for operation in OPERATIONS] == [7.0, 7.0, 7.0, 0.05, 1.0]
    assert {timeouts.of(operation).connect for operation in OPERATIONS} == {2.0}


@pytest.mark.parametrize("silent", OPERATIONS)
def test_a_rail_that_is_silent_is_waited_for_as_long_as_its_operation_may_take(silent: str) -> None:
    """With the usual time-out the test would hang: no other operation's is short."""
    timeouts = ReadTimeouts(300.0, {silent: 0.05})
    with peer(None, timeouts) as rail:
        calls = {
            "authorise": lambda: rail.authorise(AUTHORISE),
            "capture": lambda: rail.capture(CaptureRequest("capture", "au_1", 500, "EUR", final=True)),
            "void": lambda: rail.void(VoidRequest("void", "au_1")),
            "inquire": lambda: rail.inquire(InquiryRequest("attempt")),
            "facts": lambda: rail.facts(0),
        }
        assert isinstance(calls[silent](), Unknown)


@pytest.mark.parametrize("status", [429, 503])
def test_how_long_a_rail_asks_to_be_left_alone_comes_with_what_is_unknown(status: int) -> None:
    with peer(http(status, {}, "application/json\r\nRetry-After: 7")) as rail:
        for answer in (rail.authorise(AUTHORISE), rail.inquire(InquiryRequest("attempt"))):
            assert isinstance(answer, Unknown)
            assert answer.retry_after_s == 7.0
