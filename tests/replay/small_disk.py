"""A PostgreSQL server with a tablespace on a file system of a few pages, which can be made larger while it runs.

The file system is mounted in a mount namespace of its own, so that no rights are needed and nothing is left behind; the
server runs in there, and is reached by its socket like any other.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Self

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from daybook.embedded_postgres import EmbeddedPostgres
from daybook.migrate import migrate

ROOT = Path(__file__).resolve().parents[2]
TABLESPACE = "small"
# Within a further user namespace of nobody: PostgreSQL does not run as root, not even as root of a namespace.
SERVE = """
set -e
mount -t tmpfs -o size=$2 tmpfs "$1"
mkdir "$1/tables"
unshare -U --map-user=1000 "$3" -c "$4" "$5" start
echo ready
while read -r size; do
  test $size != full || size=$(df --output=used -k "$1" | tail -1 | tr -d ' ')k
  mount -o remount,size=$size "$1"
  echo done
done
unshare -U --map-user=1000 "$3" -c "$4" "$5" stop
"""
SERVER = """
import sys
from pathlib import Path
from daybook.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
if sys.argv[2] == "stop":
    server.stop()
"""


class SmallDisk:
    """New tables of the database `daybook` go to a disk of `size`, such as 400k; use it as a context."""

    def __init__(self, directory: Path, size: str) -> None:
        self._mount, self._size = directory / "disk", size
        self._server = EmbeddedPostgres(directory / "server")
        self.database_url = self._server.conninfo("daybook")

    def __enter__(self) -> Self:
        """Skips the test where nothing may be mounted."""
        self._mount.mkdir()
        self._server.directory.mkdir(exist_ok=True)
        trial = subprocess.run(
            ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(self._mount)], capture_output=True, check=False
        )
        if trial.returncode != 0:
            pytest.skip(f"no disk can be filled here, mounting is not allowed: {trial.stderr.decode().strip()}")
        directories = (str(self._mount), self._size, sys.executable, SERVER, str(self._server.directory))
        self._process = subprocess.Popen(
            ["unshare", "-rm", "bash", "-c", SERVE, "-", *directories],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._said() == "ready"
        url = self._server.ensure_database("daybook")
        migrate(url)
        with psycopg.connect(url, autocommit=True) as owner:
            tables = sql.Literal(str(self._mount / "tables"))
            owner.execute(sql.SQL("create tablespace {} location {}").format(sql.Identifier(TABLESPACE), tables))
            owner.execute(f"grant create on tablespace {TABLESPACE} to daybook_app")
            owner.execute(f"alter database {conninfo_to_dict(url)['dbname']} set default_tablespace = {TABLESPACE}")
        return self

    def resize(self, size: str) -> None:
        """Another size, with what is there kept."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{size}\n")
        self._process.stdin.flush()
        assert self._said() == "done"

    def fill(self) -> None:
        """Just as large as what is on it."""
        with psycopg.connect(self.database_url, autocommit=True) as owner:
            owner.execute("checkpoint")
        self.resize("full")

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
