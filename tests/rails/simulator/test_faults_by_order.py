"""Every fault of the catalogue, ordered by a request for itself: what the client sees, and what was done."""

from __future__ import annotations

import json
import socket
from typing import Any

import httpx
import pytest

from rails.simulator.faults.kinds import KINDS, Manner
from tests.rails.simulator.desk import PAYMENT, Desk

ON_THE_WIRE = [name for name, kind in KINDS.items() if not kind.is_of_the_books]
BEFORE = [name for name in ON_THE_WIRE if not KINDS[name].after_effect]
AFTER = [name for name in ON_THE_WIRE if KINDS[name].after_effect]
LONGER_THAN_ANYBODY_WAITS = ";seconds=600"
IMPATIENCE_S = 0.15


def order(name: str) -> dict[str, str]:
    takes_time = KINDS[name].manner in (Manner.SILENCE, Manner.DRIP)
    return {"X-Fault": name + (LONGER_THAN_ANYBODY_WAITS if takes_time else "")}


def patience(name: str) -> float:
    """Only what never comes is not waited for."""
    return IMPATIENCE_S if LONGER_THAN_ANYBODY_WAITS in order(name)["X-Fault"] else 30.0


def is_answered(response: httpx.Response) -> bool:
    """Whether a client has learned from it what happened."""
    try:
        return response.status_code < 500 and isinstance(response.json(), dict)
    except ValueError:
        return False


def attempt(desk: Desk, key: str, fault: str, **changes: Any) -> httpx.Response | httpx.HTTPError:
    try:
        return desk.pay(key, headers=order(fault), timeout_s=patience(fault), **changes)
    except httpx.HTTPError as error:
        return error


@pytest.mark.parametrize("fault", ON_THE_WIRE)
@pytest.mark.parametrize("capture", [True, False])
def test_the_client_learns_nothing_and_an_inquiry_tells_what_was_done(desk: Desk, fault: str, capture: bool) -> None:
    got = attempt(desk, "lost", fault, capture=capture)
    assert isinstance(got, httpx.HTTPError) or not is_answered(got)
    told = desk.http.get("/v1/authorisations/by-key/lost")
    if KINDS[fault].after_effect:
        assert told.json()["status"] == ("captured" if capture else "authorised")
        assert desk.pay("lost", capture=capture).headers["Idempotent-Replayed"] == "true"
    else:
        assert (told.status_code, told.json()["code"]) == (404, "not_found")
        assert "Idempotent-Replayed" not in desk.pay("lost", capture=capture).headers
    assert desk.captured() == (10_000 if capture else 0)
    assert desk.played() == {"authorise": {fault: 1}}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("no_reply_before", httpx.ReadTimeout),
        ("no_reply_after", httpx.ReadTimeout),
        ("hang_up_before", httpx.RemoteProtocolError),
        ("hang_up_after", httpx.RemoteProtocolError),
        ("reset_before", httpx.ReadError),
        ("reset_after", httpx.ReadError),
        ("truncated_reply", httpx.RemoteProtocolError),
        ("slow_drip", httpx.ReadTimeout),
    ],
)
def test_each_fault_of_the_line_is_the_one_it_is_called(desk: Desk, fault: str, error: type[httpx.HTTPError]) -> None:
    assert isinstance(attempt(desk, "line", fault), error)


@pytest.mark.parametrize("fault", ["server_error_before", "server_error_after"])
def test_a_server_error_is_a_problem_of_the_status_that_was_ordered(desk: Desk, fault: str) -> None:
    usual = desk.pay("usual", headers={"X-Fault": fault})
    assert (usual.status_code, usual.json()["code"]) == (500, "server_error")
    assert "decline_class" not in usual.json()
    ordered = desk.pay("ordered", headers={"X-Fault": f"{fault};status=503"})
    assert (ordered.status_code, ordered.headers["Retry-After"]) == (503, "60")


def test_a_broken_reply_is_whole_on_the_wire_and_is_not_json(desk: Desk) -> None:
    broken = desk.pay(headers={"X-Fault": "broken_json"})
    assert broken.status_code == 201
    with pytest.raises(json.JSONDecodeError):
        broken.json()


def raw_request(desk: Desk, key: str, fault: str) -> socket.socket:
    url = desk.http.base_url
    line = socket.create_connection((url.host, url.port or 80), timeout=30)
    body = json.dumps(PAYMENT).encode()
    head = f"POST /v1/authorisations HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {key}\r\nX-Fault: {fault}\r\n"
    line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return line


def test_a_slow_reply_begins_at_once_and_comes_in_the_end(desk: Desk) -> None:
    with raw_request(desk, "slow", "slow_drip;seconds=600") as line:
        assert b"HTTP/1.1 201 Created".startswith(line.recv(10))
    assert desk.pay("whole", headers={"X-Fault": "slow_drip;seconds=0.05"}).json()["status"] == "captured"


def test_silence_ends_when_its_time_is_over(desk: Desk) -> None:
    with raw_request(desk, "silent", "no_reply_after;seconds=0.05") as line:
        try:
            ended = line.recv(1) == b""
        except ConnectionResetError:
            ended = True
    assert ended


def test_a_connection_can_be_used_again_after_a_reply_that_was_slow_or_wrong(desk: Desk) -> None:
    for fault in ("slow_drip;seconds=0.01", "server_error_after", "broken_json"):
        desk.pay(headers={"X-Fault": fault})
        assert desk.pay().json()["status"] == "captured"


@pytest.mark.parametrize("fault", BEFORE + AFTER)
def test_captures_and_voids_meet_the_same_faults(desk: Desk, fault: str) -> None:
    is_after = KINDS[fault].after_effect
    held = desk.hold(10_000)
    path = f"/v1/authorisations/{held['id']}"
    calls = (
        ("captures", {"amount_minor": 4_000, "currency": "EUR", "final": False}, {"Idempotency-Key": "c"}),
        ("voids", {}, {"Idempotency-Key": "v"}),
    )
    for end, body, key in calls:
        headers = {**key, **order(fault)}
        try:
            response = desk.http.post(f"{path}/{end}", json=body, headers=headers, timeout=patience(fault))
        except httpx.HTTPError:
            continue
        assert not is_answered(response)
    told = desk.http.get(path).json()
    assert (told["status"], told["captured_minor"], told["released_minor"]) == (
        ("voided", 4_000, 6_000) if is_after else ("authorised", 0, 0)
    )
    assert desk.played() == {"capture": {fault: 1}, "void": {fault: 1}}


@pytest.mark.parametrize("fault", ON_THE_WIRE)
def test_inquiries_and_the_bank_go_wrong_as_well(desk: Desk, fault: str) -> None:
    desk.pay("asked")
    desk.transfer(500)
    account = desk.http.get("/bank/v1/accounts").json()["accounts"][0]["iban"]
    paths = ("/v1/authorisations/by-key/asked", f"/bank/v1/accounts/{account}/notifications")
    for path in paths:
        try:
            response = desk.http.get(path, headers=order(fault), timeout=patience(fault))
        except httpx.HTTPError:
            continue
        assert not is_answered(response)
    assert desk.played() == {"inquiry": {fault: 1}, "notification": {fault: 1}}


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("gremlins", "gremlins"),
        ("", "names the fault ''"),
        ("no_reply_after;seconds=x", "seconds=x"),
        ("no_reply_after;seconds=601", "600"),
        ("no_reply_after;seconds=nan", "nan"),
        ("hang_up_after;seconds=1", "seconds"),
        ("server_error_after;status=404", "404"),
        ("wrong_amount;by=3", "by_minor"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_and_does_nothing(desk: Desk, header: str, says: str) -> None:
    refused = desk.pay("clear", headers={"X-Fault": header})
    assert (refused.status_code, refused.json()["field"]) == (400, "X-Fault")
    assert says in refused.json()["detail"]
    assert desk.http.get("/v1/authorisations/by-key/clear").status_code == 404


@pytest.mark.parametrize("fault", ["late_success", "wrong_amount"])
def test_a_fault_of_the_books_is_refused_where_no_amount_is_booked(desk: Desk, fault: str) -> None:
    held = desk.hold()
    headers = {"X-Fault": fault, "Idempotency-Key": "v"}
    refused = desk.http.post(f"/v1/authorisations/{held['id']}/voids", json={}, headers=headers)
    assert (refused.status_code, refused.json()["field"]) == (400, "X-Fault")


@pytest.mark.parametrize("path", ["/v1/totals", "/v1/payments", "/clock", "/faults", "/healthz"])
def test_nothing_goes_wrong_at_the_control_desk(desk: Desk, path: str) -> None:
    refused = desk.http.get(path, headers={"X-Fault": "reset_before"})
    assert (refused.status_code, refused.json()["field"]) == (400, "X-Fault")
