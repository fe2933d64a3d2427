"""The simulator by itself: its arithmetic, its manners on the wire, and that it forgets nothing."""

from __future__ import annotations

import ast
import re
import signal
import socket
import subprocess
import sys
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rails.simulator import magic
from rails.simulator.process import SimulatorDidNotStart, running_simulator
from rails.simulator.psp.fees import USUAL_FEE

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(magic.__file__).parent
PAYMENT = {
    "order_id": "order-1",
    "attempt": 1,
    "amount_minor": 2_500,
    "currency": "EUR",
    "payment_token": "tok_visa",
    "capture": True,
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    database = tmp_path_factory.mktemp("simulator") / "books.sqlite3"
    with running_simulator(database) as simulator, httpx.Client(base_url=simulator.url, trust_env=False) as http:
        yield http


def pay(client: httpx.Client, key: str, **changes: Any) -> httpx.Response:
    return client.post("/v1/authorisations", json={**PAYMENT, **changes}, headers={"Idempotency-Key": key})


@given(st.integers(min_value=1, max_value=10**15))
def test_a_capture_costs_one_point_four_per_cent_half_even_and_twenty_five(amount: int) -> None:
    exact = Decimal(amount) * Decimal("0.014")
    assert USUAL_FEE.of(amount) == int(exact.quantize(Decimal(1), ROUND_HALF_EVEN)) + 25


@pytest.mark.parametrize(("amount", "cost"), [(250, 29), (750, 35), (1_250, 43), (251, 29), (249, 28), (10_000, 165)])
def test_half_a_unit_of_cost_goes_to_the_even_side(amount: int, cost: int) -> None:
    assert USUAL_FEE.of(amount) == cost


def test_every_magic_amount_stands_in_the_readme_and_no_other() -> None:
    table = re.findall(r"^\| (\d+) \|", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    documented = {int(amount) for amount in table}
    assert documented == magic.DECLINES.keys() | magic.FAILURES.keys()


def test_the_simulator_imports_the_standard_library_and_itself_only() -> None:
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                own = name.startswith("rails.simulator")
                assert own or name.partition(".")[0] in sys.stdlib_module_names, f"{path.name} imports {name}"


def test_the_same_request_again_is_answered_with_the_same_bytes_and_says_so(client: httpx.Client) -> None:
    first, again = pay(client, "replayed"), pay(client, "replayed")
    assert (first.status_code, first.content) == (again.status_code, again.content) == (201, first.content)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("change", [{"amount_minor": 2_501}, {"currency": "USD"}, {"capture": False}, {"attempt": 2}])
def test_a_key_with_another_body_is_refused_as_a_problem(client: httpx.Client, change: dict[str, Any]) -> None:
    pay(client, "taken")
    refused = pay(client, "taken", **change)
    assert refused.status_code == 422
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "idempotency_key_reused"
    assert "decline_class" not in refused.json()


def test_a_key_of_an_authorisation_cannot_be_used_for_its_capture(client: httpx.Client) -> None:
    held = pay(client, "one-key", capture=False).json()
    body = {"amount_minor": 1, "currency": "EUR", "final": False}
    path = f"/v1/authorisations/{held['id']}/captures"
    assert client.post(path, json=body, headers={"Idempotency-Key": "one-key"}).json()["code"] == (
        "idempotency_key_reused"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_minor", 0),
        ("amount_minor", -5),
        ("amount_minor", 10.5),
        ("amount_minor", "100"),
        ("amount_minor", True),
        ("amount_minor", 10**15 + 1),
        ("currency", "eur"),
        ("currency", "EURO"),
        ("order_id", ""),
        ("payment_token", None),
        ("capture", 1),
        ("attempt", 0),
        ("colour", "red"),
    ],
)
def test_a_wrong_field_is_named_and_does_not_use_the_key_up(client: httpx.Client, field: str, value: object) -> None:
    key = f"corrected-{field}-{value!r}"
    refused = pay(client, key, **{field: value})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert field in refused.json()["detail"]
    assert pay(client, key).status_code == 201


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_a_body_that_is_no_json_object_is_a_problem(client: httpx.Client, body: bytes) -> None:
    refused = client.post("/v1/authorisations", content=body, headers={"Idempotency-Key": "malformed"})
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_json")


def test_every_error_is_a_problem_document(client: httpx.Client) -> None:
    for response in (
        client.get("/nothing"),
        client.delete("/v1/totals"),
        client.post("/v1/authorisations", json=PAYMENT),
        client.post("/v1/authorisations", content=b"x" * 70_000, headers={"Idempotency-Key": "big"}),
        client.post("/v1/authorisations/au_none/voids", json={}, headers={"Idempotency-Key": "none"}),
        client.get("/v1/authorisations", params={"limit": "0"}),
    ):
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == response.status_code >= 400


def test_the_books_can_be_read_page_by_page_and_order_by_order(client: httpx.Client) -> None:
    for number in range(5):
        pay(client, f"listed-{number}", order_id="listed", attempt=number + 1)
    first = client.get("/v1/authorisations", params={"order_id": "listed", "limit": 3}).json()["authorisations"]
    rest = client.get("/v1/authorisations", params={"order_id": "listed", "after": first[-1]["id"]}).json()
    assert len(first) == 3
    assert {row["attempt"] for row in first + rest["authorisations"]} == {1, 2, 3, 4, 5}
    assert client.get(f"/v1/authorisations/{first[0]['id']}").json() == first[0]
    assert all("payment_token" not in row for row in first)


def test_totals_are_kept_per_currency(client: httpx.Client) -> None:
    pay(client, "yen", currency="JPY", amount_minor=1_000)
    pay(client, "yen-held", currency="JPY", amount_minor=300, capture=False)
    pay(client, "yen-declined", currency="JPY", amount_minor=magic.HARD_DECLINE)
    assert client.get("/v1/totals").json()["currencies"]["JPY"] == {
        "authorisations": 2,
        "authorised_minor": 1_300,
        "captured_minor": 1_000,
        "cost_minor": 39,
        "released_minor": 0,
        "held_minor": 300,
    }


def test_it_is_healthy_and_keeps_the_connection(client: httpx.Client) -> None:
    responses = [client.get("/healthz") for _ in range(3)]
    assert [response.json() for response in responses] == [{"status": "ok"}] * 3
    streams = {response.extensions["network_stream"].get_extra_info("client_addr") for response in responses}
    assert len(streams) == 1


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    database = tmp_path / "books.sqlite3"
    with running_simulator(database) as simulator, httpx.Client(base_url=simulator.url, trust_env=False) as client:
        replies = [pay(client, f"kept-{number}").content for number in range(20)]
        simulator.process.send_signal(signal.SIGKILL)
        simulator.process.wait()
    with running_simulator(database) as simulator, httpx.Client(base_url=simulator.url, trust_env=False) as client:
        assert [pay(client, f"kept-{number}").content for number in range(20)] == replies
        assert client.get("/v1/totals").json()["currencies"]["EUR"]["captured_minor"] == 20 * 2_500


def test_it_stops_cleanly_when_asked(tmp_path: Path) -> None:
    database = tmp_path / "books.sqlite3"
    with running_simulator(database) as simulator, httpx.Client(base_url=simulator.url, trust_env=False) as client:
        pay(client, "last")
        simulator.process.send_signal(signal.SIGTERM)
        assert simulator.process.wait(10) == 0
    assert not (tmp_path / "books.sqlite3-wal").exists(), "the write-ahead log was not folded in"


def test_a_port_that_is_taken_is_said_and_ends_the_process(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "rails.simulator", "--port", str(port), "--database", str(tmp_path / "b.db")]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=FOLDER.parents[1], check=False)
        assert ended.returncode == 3
        assert f"127.0.0.1:{port}" in ended.stderr
        assert "choose another --port" in ended.stderr
        with pytest.raises(SimulatorDidNotStart), running_simulator(tmp_path / "c.db", port):
            pass
