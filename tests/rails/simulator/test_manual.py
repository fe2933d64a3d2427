"""The manual is true: its commands run and print what it promises, and its tables are those of the code."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import rails.simulator
from rails.simulator import magic
from rails.simulator.__main__ import main
from rails.simulator.bank.fates import FATES, REASONS
from rails.simulator.faults.kinds import KINDS
from rails.simulator.faults.plan import OPERATIONS
from rails.simulator.process import running_simulator
from rails.simulator.psp.tokens import INSTRUMENTS
from rails.simulator.web.routes import ROUTES
from tests.docs.blocks import blocks, broken_links, broken_promise

FOLDER = Path(rails.simulator.__file__).parent
MANUAL = FOLDER / "README.md"
TEXT = MANUAL.read_text(encoding="utf-8")
USUAL_ADDRESS = "http://127.0.0.1:8081"


def first_cells(pattern: str) -> list[str]:
    """What stands in the first column of tables, where it is of a kind."""
    rows = re.findall(r"^\| (.+?) \|", TEXT, re.MULTILINE)
    return [name for row in rows for name in re.findall(pattern, row)]


def test_its_commands_do_what_it_says_one_after_the_other(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("THE MANUAL IS NOT TRIED: there is no curl here")
    with running_simulator(tmp_path / "books.sqlite3") as simulator:
        for block in blocks(MANUAL):
            done = subprocess.run(
                ["bash", "-euc", block.text.replace(USUAL_ADDRESS, simulator.url)],
                capture_output=True,
                text=True,
                cwd=tmp_path,
                env={"PATH": "/usr/bin:/bin:/usr/local/bin", "NO_PROXY": "*"},
                check=False,
            )
            assert done.returncode == 0, f"{block.place}: {done.stderr}"
            output = done.stdout.replace(simulator.url, USUAL_ADDRESS)
            missing = broken_promise(block, output)
            assert missing is None, f"{block.place} promises {missing!r} and printed:\n{output}"


def test_it_starts_as_the_quick_start_says(tmp_path: Path) -> None:
    found = re.search(r"```text\n(python -m rails\.simulator.*)\n```", TEXT)
    assert found
    command = [sys.executable, *shlex.split(found[1])[1:], "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=tmp_path, env={"PYTHONPATH": str(FOLDER.parents[1])}
    ) as it:
        assert it.stdout is not None
        assert b'"database": "simulator.sqlite3"' in it.stdout.readline()
        it.terminate()
    assert it.returncode == 0
    assert (tmp_path / "simulator.sqlite3").is_file()


def test_its_usual_address_is_the_programs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert "(default: 127.0.0.1)" in shown
    assert "(default: 8081)" in shown
    assert "(default: simulator.sqlite3)" in shown


def test_every_endpoint_stands_in_it_and_no_other() -> None:
    written = set(first_cells(r"`((?:GET|POST|PUT) /[^` ]*)`"))
    assert written == {f"{route.method} {route.path}" for route in ROUTES}


def test_every_token_stands_in_it_with_what_it_does() -> None:
    assert sorted(first_cells(r"`(tok_\w+)`")) == sorted(INSTRUMENTS)
    for token, one in INSTRUMENTS.items():
        row = next(line for line in TEXT.splitlines() if line.startswith("|") and f"`{token}`" in line)
        if one.decline:
            assert f"{one.decline.decline_class}: `{one.decline.code}`" in row


def test_every_fault_and_operation_stands_in_it() -> None:
    table = TEXT[TEXT.index("| fault |") : TEXT.index("### Magic amounts")]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(KINDS)
    for kind in KINDS.values():
        row = next(line for line in table.splitlines() if f"| `{kind.name}` |" in line)
        assert not kind.seconds or f"`seconds` ({kind.seconds:g})" in row
    assert all(f"`{operation}`" in TEXT for operation in OPERATIONS)


def test_every_magic_amount_stands_in_it_with_its_fault() -> None:
    for amount, name in magic.FAILURES.items():
        assert re.search(rf"^\| {amount} \| `{name}`", TEXT, re.MULTILINE)
    for amount, decline in magic.DECLINES.items():
        assert re.search(rf"^\| {amount} \| {decline.decline_class} decline, `{decline.code}`", TEXT, re.MULTILINE)


def test_every_debtor_with_a_fate_stands_in_it() -> None:
    assert sorted(first_cells(r"`(DE\d{20})`")) == sorted(FATES)
    for iban, fate in FATES.items():
        outcome = "rejected" if fate.days is None else f"returned after {fate.days} days"
        assert f"| `{iban}` | {outcome}, `{fate.reason}`" in TEXT
    assert all(words in TEXT for words in REASONS.values())


def test_every_error_code_stands_in_it() -> None:
    codes = set()
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_problem = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem"
            if is_problem and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
                codes.add(node.args[1].value)
    assert {code for code in codes if f"`{code}`" not in TEXT} == set()


def test_its_links_lead_somewhere() -> None:
    assert broken_links(MANUAL) == []


def test_the_members_it_shows_are_those_that_are_sent(tmp_path: Path) -> None:
    shown = [set(re.findall(r'"(\w+)":', block)) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
    with running_simulator(tmp_path / "b.sqlite3") as simulator, httpx.Client(base_url=simulator.url) as http:
        body = {"order_id": "o", "attempt": 1, "amount_minor": 500, "currency": "EUR", "payment_token": "t"}
        held = http.post("/v1/authorisations", json={**body, "capture": False}, headers={"Idempotency-Key": "a"}).json()
        capture = {"amount_minor": 5, "currency": "EUR", "final": False}
        path = f"/v1/authorisations/{held['id']}/captures"
        taken = http.post(path, json=capture, headers={"Idempotency-Key": "c"}).json()
        assert shown == [set(held), set(taken)]
        assert http.get("/v1/captures/by-key/c").json() == taken
