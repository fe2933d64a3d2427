"""A load generator that costs less than what it measures: raw sockets, one thread, run as a process of its own.

`python -m tests.benchmarks.http_client` reads one JSON job from standard input and writes its result as JSON. Each of
`clients` connections sends its next request when the answer to the last one is complete.
"""

from __future__ import annotations

import json
import random
import re
import selectors
import socket
import sys
import time
import uuid
from dataclasses import asdict, dataclass, field

from tests.benchmarks.report import load

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
BULK_ITEMS = 100
DEBTOR = "DE89370400440532013000"
MERCHANT = "00000000-0000-0000-0000-00000000aaaa"


@dataclass
class Job:
    """What to send: `kind` is "order", "debit", "transfer", "bulk" or "read"; `ids` are wallets to move between, or
    orders to read; `hot` makes the first wallet the "source" or the "destination" of every transfer. An order names
    `rail`, if that is given, and is then paid by a card of the simulator's; a debit is collected by the bank rail.
    `limit` requests end the job before its time, and no more than `rate` are sent in a second; 0 sets no bound."""

    host: str
    port: int
    key: str
    kind: str
    clients: int
    seconds: float
    ids: list[str] = field(default_factory=list)
    hot: str = ""
    rail: str = ""
    limit: int = 0
    rate: float = 0.0


@dataclass
class Result:
    """Answers per second, latencies in milliseconds, and how many answers had which status."""

    per_second: float
    p50_ms: float
    p99_ms: float
    statuses: dict[int, int]


def request_of(job: Job, dice: random.Random) -> bytes:
    """The bytes of one request, with an idempotency key of its own."""
    head = f"Host: {job.host}\r\nAuthorization: Bearer {job.key}\r\n"
    if job.kind == "read":
        return f"GET /v1/payment-orders/{dice.choice(job.ids)} HTTP/1.1\r\n{head}\r\n".encode()
    key = uuid.UUID(int=dice.getrandbits(128))
    if job.kind == "order":
        path = "payment-orders"
        reference = f"bench-{dice.getrandbits(32)}"
        paid = f',"rail":"{job.rail}","payment_token":"tok_visa"' if job.rail else ""
        body = f'{{"amount_minor":1234,"currency":"EUR","merchant_id":"{MERCHANT}","reference":"{reference}"{paid}}}'
    elif job.kind == "debit":
        path = "payment-orders"
        payer = f'{{"name":"Ada Byron","iban":"{DEBTOR}","mandate":{{"reference":"M-1","signed_on":"2026-01-02"}}}}'
        paid = f'"rail":"sepa","method":"direct_debit","payer":{payer}'
        body = f'{{"amount_minor":1234,"currency":"EUR","merchant_id":"{MERCHANT}",{paid}}}'
    elif job.kind == "bulk":
        path = "bulk"
        items = ",".join('{"action":"transfer",' + _transfer(job, dice)[1:] for _ in range(BULK_ITEMS))
        body = f'{{"items":[{items}]}}'
    else:
        path = "transfers"
        body = _transfer(job, dice)
    lines = f"Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    return f"POST /v1/{path} HTTP/1.1\r\n{head}{lines}{body}".encode()


def _transfer(job: Job, dice: random.Random) -> str:
    source, destination = dice.sample(job.ids[1:], 2)
    if job.hot == "source":
        source = job.ids[0]
    elif job.hot == "destination":
        destination = job.ids[0]
    return f'{{"source":"{source}","destination":"{destination}","amount_minor":100,"currency":"EUR"}}'


def run(job: Job) -> Result:
    """Sends until the time is up, then takes the answers that are still to come."""
    dice = random.Random()  # idempotency keys must differ from those of an earlier run
    ready = selectors.DefaultSelector()
    sent: dict[int, float] = {}
    buffers: dict[int, bytes] = {}
    statuses: dict[int, int] = {}
    took: list[float] = []
    began = time.perf_counter()
    resting: list[socket.socket] = []
    for _ in range(job.clients):
        connection = socket.create_connection((job.host, job.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ready.register(connection, selectors.EVENT_READ, connection)
        buffers[connection.fileno()] = b""
        if job.rate:
            resting.append(connection)
        else:
            _send(connection, job, dice, sent)  # at once, as clients do: a busy process leaves the next one to another
    while sent or resting:
        begun = len(took) + len(sent)
        due = began + begun / job.rate if resting else began + job.seconds
        if resting and (_over(job, began, begun) or time.perf_counter() >= due):
            connection = resting.pop(0)
            if not _over(job, began, begun):
                _send(connection, job, dice, sent)
            continue
        for entry, _ in ready.select(max(0.0, due - time.perf_counter()) if resting else 30.0):
            number = entry.fd
            status = _answered(entry.data, number, buffers)
            if status is None:
                continue
            took.append(time.perf_counter() - sent.pop(number))
            statuses[status] = statuses.get(status, 0) + 1
            if job.rate:
                resting.append(entry.data)
            elif not _over(job, began, len(took) + len(sent)):
                _send(entry.data, job, dice, sent)
    total = load(sorted(took), time.perf_counter() - began)
    return Result(total.per_second, total.p50_ms, total.p99_ms, statuses)


def _over(job: Job, began: float, begun: int) -> bool:
    """Whether no further request is to be sent."""
    return time.perf_counter() - began >= job.seconds or (job.limit > 0 and begun >= job.limit)


def _send(connection: socket.socket, job: Job, dice: random.Random, sent: dict[int, float]) -> None:
    message = request_of(job, dice)
    sent[connection.fileno()] = time.perf_counter()
    connection.sendall(message)


def _answered(connection: socket.socket, number: int, buffers: dict[int, bytes]) -> int | None:
    """The status of the answer once it is complete, None until then."""
    piece = connection.recv(65_536)
    if not piece:
        message = "the server closed a connection"
        raise ConnectionError(message)
    buffers[number] += piece
    head, gap, body = buffers[number].partition(b"\r\n\r\n")
    found = LENGTH.search(head)
    if not gap or found is None or len(body) < int(found.group(1)):
        return None
    buffers[number] = b""
    return int(head[9:12])


if __name__ == "__main__":
    json.dump(asdict(run(Job(**json.load(sys.stdin)))), sys.stdout)
