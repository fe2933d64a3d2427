"""Whatever is sent, the answer is a problem document that says what to change, and the next request is answered."""

from __future__ import annotations

import json
import random
import re
import socket
from typing import Any

import pytest

from rails.simulator.bank.iban import account_of_currency
from rails.simulator.web.routes import ROUTES
from tests.rails.simulator.desk import CREDITOR, PAYMENT, Desk

TRANSFER: dict[str, Any] = {
    "creditor_iban": CREDITOR,
    "amount_minor": 100,
    "currency": "EUR",
    "debtor_name": "Ann Example",
}
LINE = b"POST /v1/authorisations HTTP/1.1\r\nHost: x\r\n"


def said(desk: Desk, sent: bytes) -> bytes:
    """What a connection answers to these bytes, until it is closed or has told one whole reply."""
    url = desk.http.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=30) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        got = b""
        while piece := line.recv(65_536):
            got += piece
        return got


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"creditor_iban": "DE00370400440532013000"}, "creditor_iban"),
        ({"creditor_iban": "DE89 3704 0044 0532 0130 00"}, "creditor_iban"),
        ({"creditor_iban": None}, "creditor_iban"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"currency": "euro"}, "currency"),
        ({"debtor_name": ""}, "debtor_name"),
        ({"debtor_name": "N" * 71}, "debtor_name"),
        ({"debtor_iban": "x"}, "debtor_iban"),
        ({"end_to_end_id": "E" * 36}, "end_to_end_id"),
        ({"remittance": "R" * 141}, "remittance"),
        ({"remittance": "\ud800"}, "remittance"),
        ({"purpose": "x"}, "purpose"),
    ],
)
def test_a_transfer_that_makes_no_sense_is_refused_by_its_field(desk: Desk, change: dict[str, Any], field: str) -> None:
    content = json.dumps({**TRANSFER, **change}).encode()
    refused = desk.http.post("/bank/v1/transfers", content=content, headers={"Idempotency-Key": "t"})
    assert (refused.status_code, refused.json()["field"]) == (400, field)
    assert desk.http.post("/bank/v1/transfers", json=TRANSFER, headers={"Idempotency-Key": "t"}).status_code == 201


def test_a_transfer_is_made_once_per_key(desk: Desk) -> None:
    headers = {"Idempotency-Key": "once"}
    first = desk.http.post("/bank/v1/transfers", json=TRANSFER, headers=headers)
    again = desk.http.post("/bank/v1/transfers", json=TRANSFER, headers=headers)
    other = desk.http.post("/bank/v1/transfers", json={**TRANSFER, "amount_minor": 101}, headers=headers)
    assert (again.content, other.status_code) == (first.content, 422)
    assert (other.json()["code"], other.json()["field"]) == ("idempotency_key_reused", "Idempotency-Key")
    assert desk.http.get(f"/bank/v1/accounts/{CREDITOR}").json()["balance_minor"] == 100


@pytest.mark.parametrize(
    ("iban", "body", "field"),
    [
        ("DE00", {"currency": "EUR"}, "iban"),
        (CREDITOR, {}, "currency"),
        (CREDITOR, {"currency": "EUR", "opening_minor": "1"}, "opening_minor"),
        (CREDITOR, {"currency": "EUR", "name": 5}, "name"),
        (CREDITOR, {"currency": "EUR", "owner": "me"}, "owner"),
    ],
)
def test_an_account_that_makes_no_sense_is_refused_by_its_field(
    desk: Desk, iban: str, body: dict[str, Any], field: str
) -> None:
    refused = desk.http.put(f"/bank/v1/accounts/{iban}", json=body)
    assert (refused.status_code, refused.json()["field"]) == (400, field)


def test_an_account_set_aside_for_a_currency_takes_no_other(desk: Desk) -> None:
    refused = desk.http.put(f"/bank/v1/accounts/{account_of_currency('EUR')}", json={"currency": "USD"})
    assert (refused.status_code, refused.json()["code"]) == (409, "account_currency")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/payments?limit=1001", "limit"),
        ("/v1/payments?limit=x", "limit"),
        ("/v1/authorisations?limit=-1", "limit"),
        ("/v1/settlements?after=x", "after"),
        ("/v1/settlements/2026-13-01", "date"),
        ("/bank/v1/direct-debits?after=-1", "after"),
        (f"/bank/v1/direct-debits?limit={10**30}", "limit"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_by_its_field(desk: Desk, path: str, field: str) -> None:
    refused = desk.http.get(path)
    assert (refused.status_code, refused.json()["field"]) == (400, field)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method in ("POST", "PUT")], ids=lambda r: r.path)
@pytest.mark.parametrize("content", [b"\x00\xff", b"[1]", b'"text"', b"{" * 5_000, b"[" * 60_000])
def test_no_body_upsets_an_endpoint(desk: Desk, route: Any, content: bytes) -> None:
    path = route.path.replace("{id}", "au_1").replace("{iban}", CREDITOR).replace("{decision}", "approve")
    refused = desk.http.request(route.method, path, content=content, headers={"Idempotency-Key": "k"})
    assert 400 <= refused.status_code < 500
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["detail"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_another_method_is_told_which_there_are(desk: Desk, route: Any) -> None:
    path = route.path.replace("{decision}", "approve")
    refused = desk.http.request("PATCH", path)
    assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
    assert route.method in refused.json()["detail"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/3\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"GET //[ HTTP/1.1\r\n\r\n", 400),
        (LINE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (LINE + b"Content-Length: -1\r\n\r\n", 413),
        (LINE + b"Content-Length: 99999999999999999999\r\n\r\n", 413),
        (LINE + b"Content-Length: 70000\r\n\r\n" + b"x" * 70_000, 413),
        (LINE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 40_000, 431),
    ],
)
def test_what_is_no_request_is_told_so_and_the_connection_ends(desk: Desk, sent: bytes, status: int) -> None:
    head, _, body = said(desk, sent).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Connection: close" in head
    assert json.loads(body)["status"] == status


def test_requests_sent_together_are_answered_in_their_order(desk: Desk) -> None:
    paths = (b"/healthz", b"/nothing", b"/v1/totals")
    got = said(desk, b"".join(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths))
    assert re.findall(rb"HTTP/1.1 (\d+) ", got) == [b"200", b"404", b"200"]


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(desk: Desk) -> None:
    body = json.dumps(PAYMENT).encode()
    head = LINE + f"Idempotency-Key: e\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    url = desk.http.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=30) as line:
        line.sendall(head)
        assert line.recv(1_000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(body)
        assert line.recv(1_000).startswith(b"HTTP/1.1 201 ")


def test_a_client_of_the_old_protocol_gets_its_answer_and_the_end(desk: Desk) -> None:
    assert b'{"status": "ok"}' in said(desk, b"GET /healthz HTTP/1.0\r\n\r\n")


def test_a_request_may_come_byte_by_byte(desk: Desk) -> None:
    url = desk.http.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=30) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"\r\nGET /healthz HTTP/1.1\r\n\r\n":
            line.sendall(bytes([byte]))
        assert line.recv(1_000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("seed", range(5))
def test_noise_does_not_stop_the_simulator(desk: Desk, seed: int) -> None:
    noise = random.Random(seed)
    for _ in range(20):
        whole = bytearray(LINE + b"Idempotency-Key: n\r\nContent-Length: 2\r\n\r\n{}")
        for _ in range(noise.randint(1, 8)):
            whole[noise.randrange(len(whole))] = noise.randrange(256)
        said(desk, bytes(whole))
    assert desk.http.get("/healthz").json() == {"status": "ok"}


def test_a_key_may_hold_anything_that_an_address_can_carry(desk: Desk) -> None:
    key = "a/b?c=d&e%20f#g"
    desk.pay(key)
    escaped = "a%2Fb%3Fc%3Dd%26e%2520f%23g"
    assert desk.http.get(f"/v1/authorisations/by-key/{escaped}").json()["attempt_key"] == key
