"""The application over real HTTP, served by granian in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from daybook.listener import listen

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_granian_serves_orders_refuses_a_big_body_and_stops_on_sigterm() -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.api.serving", str(port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        key = process.stdout.readline().strip()
        transport = httpx.HTTPTransport(retries=8)  # backs off until the port listens
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=20) as client:
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": str(uuid4())}
            made = client.post(
                "/v1/payment-orders",
                json={"amount_minor": 5, "currency": "EUR", "merchant_id": str(uuid4())},
                headers=headers,
            )
            assert made.status_code == 202, made.text
            read = client.get(made.headers["Location"], headers=headers)
            assert read.json() == made.json()
            big = client.post(
                "/v1/payment-orders", content=b'{"reference": "' + b"x" * 2_000_000 + b'"}',
                headers={**headers, "Content-Type": "application/json"},
            )  # fmt: skip
            assert big.status_code == 413
            assert (big.headers["Content-Type"], big.headers["Connection"]) == ("application/problem+json", "close")
            parts = iter([b'{"amount_minor": 5, "currency": "EUR", ', b'"nothing": 1}'])
            chunked = client.post(
                "/v1/payment-orders", content=parts, headers={**headers, "Content-Type": "application/json"}
            )
            assert (chunked.status_code, chunked.json()["errors"][0]["field"]) == (422, "nothing")
            assert client.get("/v1/nothing").headers["Content-Type"] == "application/problem+json"
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "closed" in rest


def test_a_second_server_does_not_share_a_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} of 127.0.0.1 is taken"):
            listen("127.0.0.1", port)
