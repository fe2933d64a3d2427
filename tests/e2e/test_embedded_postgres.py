"""The embedded PostgreSQL keeps its promises: durable, shared, and back after being killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import psutil
import psycopg
import pytest

from daybook.embedded_postgres import SOCKET_PATH_LIMIT_BYTES, EmbeddedPostgres, socket_directory


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
    (server.data / "postmaster.pid").write_text(text.replace(text.split("\n", 1)[0], str(os.getpid()), 1))
    with server:
        assert server.is_running()
    assert not server.is_running()


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
