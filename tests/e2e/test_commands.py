"""The commands as a person or a script meets them: started as processes, stopped by signals, read as JSON."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg

from daybook.api_key import ensure_test_key
from daybook.embedded_postgres import EmbeddedPostgres
from daybook.running import child_environment
from daybook.settings import Settings

PATIENCE_S = 120.0


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _daybook(settings: Settings, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "daybook", *arguments],
        env=child_environment(settings),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_run_prints_where_it_is_and_ctrl_c_stops_all_of_it(server_directory: Path) -> None:
    """SIGTERM does too: tests/faults/test_processes_killed.py ends that way."""
    api_port, simulator_port = _free_ports(2)
    settings = Settings(home=server_directory / "home", api_port=api_port, simulator_port=simulator_port)
    with subprocess.Popen(
        [sys.executable, "-m", "daybook", "run", "--json"],
        stdout=subprocess.PIPE,
        env=child_environment(settings),
        cwd=server_directory,
        text=True,
    ) as supervisor:
        assert supervisor.stdout is not None
        try:
            facts = json.loads(supervisor.stdout.readline())
            children = psutil.Process(supervisor.pid).children(recursive=True)
            supervisor.send_signal(signal.SIGINT)
            assert supervisor.wait(PATIENCE_S) == 0
        finally:
            supervisor.kill()
    assert facts["simulator"] == settings.simulator_url
    assert facts["api_key"].startswith("dbk_test_")
    assert children
    assert [child for child in children if child.is_running()] == []
    assert not EmbeddedPostgres(settings.postgres_directory).is_running()


def test_the_test_key_is_kept_and_made_anew_when_the_database_forgot_it(tmp_path: Path, database_url: str) -> None:
    settings = Settings(home=tmp_path, database_url=database_url)
    first = ensure_test_key(settings)
    assert ensure_test_key(settings) == first
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE api_keys SET revoked_at = now()")
    assert ensure_test_key(settings) != first
    assert os.stat(tmp_path / "test-api-key").st_mode & 0o077 == 0


def test_doctor_finds_nothing_wrong_with_a_migrated_database(tmp_path: Path, database_url: str) -> None:
    done = _daybook(Settings(home=tmp_path, database_url=database_url), "doctor", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert [finding for finding in report["findings"] if not finding["ok"]] == []
    assert {finding["check"] for finding in report["findings"]} == {
        "server_version",
        "fsync",
        "full_page_writes",
        "synchronous_commit",
        "data_checksums",
        "migrations",
        "horizon",
        "keys",
    }
    assert (report["verdict"], done.returncode) == ("healthy", 0)


def test_doctor_names_an_unsafe_setting_and_exits_with_1(tmp_path: Path, database_url: str) -> None:
    url = f"{database_url} options='-c synchronous_commit=off'"
    done = _daybook(Settings(home=tmp_path, database_url=url), "doctor", "--json", cwd=tmp_path)
    wrong = [finding for finding in json.loads(done.stdout)["findings"] if not finding["ok"]]
    assert [finding["check"] for finding in wrong] == ["synchronous_commit"]
    assert "set synchronous_commit = on" in wrong[0]["detail"]
    assert done.returncode == 1


def test_doctor_exits_with_3_when_there_is_no_database_to_reach(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=f"host={tmp_path} dbname=nowhere connect_timeout=2")
    done = _daybook(settings, "doctor", cwd=tmp_path)
    assert done.returncode == 3
    assert "connection" in done.stdout


def test_a_wrong_setting_is_named_instead_of_a_traceback(tmp_path: Path) -> None:
    environment = {**child_environment(Settings(home=tmp_path)), "DAYBOOK_API_PORT": "ninety"}
    done = subprocess.run(
        [sys.executable, "-m", "daybook", "doctor"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert "DAYBOOK_API_PORT" in done.stderr
    assert "Traceback" not in done.stderr
