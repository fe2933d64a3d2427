"""The simulator under many clients at once: it must never be what limits a measurement of anything else.

The load is made by this process and costs about as much as what it measures, so that on two cores the rate seen by
clients is what one core of the simulator gives. `per cpu second` takes only the simulator's own time.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from rails.simulator.process import running_simulator
from tests.benchmarks.report import Row

CLIENTS = 16
PAIRS = 500
"""Payments per client: an authorisation and its capture each."""


def run(_: str) -> list[Row]:
    """Requests per second, and what they cost the simulator; the database of the other subjects is not used."""
    rows = []
    with tempfile.TemporaryDirectory() as home, running_simulator(Path(home) / "books.sqlite3") as simulator:
        process = psutil.Process(simulator.process.pid)
        asyncio.run(_drive(simulator.url, "warm", PAIRS // 10))
        used, began = _used(process), time.perf_counter()
        took = asyncio.run(_drive(simulator.url, "timed", PAIRS))
        seconds, used = time.perf_counter() - began, _used(process) - used
        took.sort()
        rows.append(Row("simulator.requests", len(took) / seconds, f"requests/s, {CLIENTS} clients"))
        rows.append(Row("simulator.per_cpu_second", len(took) / used, "requests per second of its own processor time"))
        rows.append(Row("simulator.p99", took[len(took) * 99 // 100] * 1_000, "ms"))
    return rows


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


async def _drive(url: str, name: str, pairs: int) -> list[float]:
    parts = await asyncio.gather(*(_client(url, f"{name}-{number}", pairs) for number in range(CLIENTS)))
    return [seconds for part in parts for seconds in part]


async def _client(url: str, name: str, pairs: int) -> list[float]:
    """One connection: holds and captures, one after the other; how long each request took."""
    address = urlsplit(url)
    took = []
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    for number in range(pairs):
        order = f"{name}-{number}"
        body: dict[str, object] = {"order_id": order, "attempt": 1, "amount_minor": 1_000 + number, "currency": "EUR"}
        body |= {"payment_token": "tok_visa", "capture": False}
        began = time.perf_counter()
        held = await _post(reader, writer, "/v1/authorisations", f"{order}/1", body)
        between = time.perf_counter()
        body = {"amount_minor": 1_000 + number, "currency": "EUR", "final": True}
        await _post(reader, writer, f"/v1/authorisations/{held['id']}/captures", f"{order}/c", body)
        took += [between - began, time.perf_counter() - between]
    writer.close()
    await writer.wait_closed()
    return took


async def _post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, key: str, body: dict[str, object]
) -> dict[str, object]:
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {key}\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    reply: dict[str, object] = json.loads(
        await reader.readexactly(int(answer.split(b"content-length: ")[1].split(b"\r\n")[0]))
    )
    if not answer.startswith(b"http/1.1 201 "):
        raise RuntimeError(f"{path} answered {answer!r} {reply}")
    return reply
