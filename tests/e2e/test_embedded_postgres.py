"""The embedded PostgreSQL keeps its promises: durable, shared, and back after being killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from daybook.embedded_postgres import SOCKET_PATH_LIMIT_BYTES, EmbeddedPostgres, socket_directory

ROOT = Path(__file__).resolve().parents[2]
# Adopts orphans as the first process of a container does, and like many of those never waits for them.
KILLED_UNDER_A_CARELESS_INIT = """
import ctypes, os, pathlib, psutil, signal, sys
from daybook.embedded_postgres import EmbeddedPostgres
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1) == 0
with EmbeddedPostgres(pathlib.Path(sys.argv[1])) as server:
    killed = int((server.data / "postmaster.pid").read_text().split()[0])
    assert server.is_alive()
    os.kill(killed, signal.SIGKILL)
    while psutil.Process(killed).status() != psutil.STATUS_ZOMBIE:
        pass
    assert not server.is_alive()
    server.start()
    assert server.is_alive()
"""


def _postmaster(server: EmbeddedPostgres) -> psutil.Process:
    return psutil.Process(int((server.data / "postmaster.pid").read_text().split("\n", 1)[0]))


def _start_and_leave(directory: str) -> None:
    with EmbeddedPostgres(Path(directory)) as server, psycopg.connect(server.conninfo()) as connection:
        connection.execute("SELECT 1")


def test_the_server_is_durable_and_reachable_only_through_its_socket(server_directory: Path) -> None:
    with EmbeddedPostgres(server_directory / "pg") as server, psycopg.connect(server.conninfo()) as connection:
        for name, value in {
            "fsync": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "listen_addresses": "",
            "max_connections": "200",
            "wal_compression": "off",
            "idle_in_transaction_session_timeout": "0",
            "transaction_timeout": "0",
        }.items():
            assert connection.execute("SELECT current_setting(%s)", (name,)).fetchone() == (value,), name
        assert connection.info.server_version // 10000 == 18


def test_a_server_killed_with_committed_rows_comes_back_with_them(server_directory: Path) -> None:
    server = EmbeddedPostgres(server_directory / "pg")
    with server:
        url = server.ensure_database("books")
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        postmaster = _postmaster(server)
        postmaster.send_signal(signal.SIGKILL)
        postmaster.wait(30)
        assert not server.is_running()
        server.start()
        with psycopg.connect(server.ensure_database("books")) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    assert not server.is_running()


def test_a_pid_file_that_names_a_stranger_does_not_keep_the_server_down(server_directory: Path) -> None:
    server = EmbeddedPostgres(server_directory / "pg")
    with server:
        text = (server.data / "postmaster.pid").read_text()
        (socket_lock,) = (server.directory / "run").glob(".s.PGSQL.*.lock")
    for path in (server.data / "postmaster.pid", socket_lock):
        path.write_text(text.replace(text.split("\n", 1)[0], str(os.getpid()), 1))
    with server:
        assert server.is_running()
    assert not server.is_running()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt orphans")
def test_a_dead_postmaster_that_nobody_waited_for_is_dead(server_directory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED_UNDER_A_CARELESS_INIT, str(server_directory / "pg")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_processes_that_start_at_once_share_one_server_and_the_last_one_stops_it(server_directory: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    starters = [spawn.Process(target=_start_and_leave, args=(str(server_directory / "pg"),)) for _ in range(3)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(120)
    assert [starter.exitcode for starter in starters] == [0, 0, 0]
    assert not EmbeddedPostgres(server_directory / "pg").is_running()


def test_leaving_a_server_that_another_still_uses_keeps_it_running(server_directory: Path) -> None:
    with EmbeddedPostgres(server_directory / "pg") as first:
        pid = _postmaster(first).pid
        with EmbeddedPostgres(server_directory / "pg") as second:
            assert _postmaster(second).pid == pid
        assert first.is_running()
    assert not first.is_running()


def test_an_interrupted_initdb_is_started_over(server_directory: Path) -> None:
    server = EmbeddedPostgres(server_directory / "pg")
    server.data.mkdir(parents=True)
    (server.data / "PG_VERSION").write_text("18\n")
    with server:
        assert server.is_running()


@pytest.mark.parametrize("depth", [1, 30])
def test_a_socket_path_always_fits_the_kernel(tmp_path: Path, depth: int) -> None:
    home = tmp_path.joinpath(*["directory"] * depth)
    found = socket_directory(home, "engine.sock")
    assert len(os.fsencode(found / "engine.sock")) <= SOCKET_PATH_LIMIT_BYTES
    assert found.is_dir()
    if depth == 30:
        assert home not in found.parents
        found.rmdir()
