"""``daybook worker``: one process of one role, in the foreground."""

from __future__ import annotations

import os
import signal
import threading

import click
from prometheus_client import start_http_server

from daybook.commands import read_settings
from daybook.database import open_database
from daybook.garbage import calm_garbage_collection
from daybook.logs import configure_logging
from daybook.roles import ROLES, run_role

MEASURED_ROLES = ("engine", "views", "payments")
"""Roles with a metrics address of their own, in the order of their ports; the API shows its own at /metrics."""


@click.command()
@click.option("--role", type=click.Choice(sorted(ROLES)), required=True, help="What this process does.")
@click.option(
    "--stop-with-parent", is_flag=True, help="Stop when standard input closes, as it does when a supervisor is killed."
)
def command(role: str, stop_with_parent: bool) -> None:
    """Run one role until SIGTERM or Ctrl-C.

    Without DAYBOOK_DATABASE_URL it uses the embedded PostgreSQL under DAYBOOK_HOME, starting it if need be.
    """
    settings = read_settings()
    configure_logging(settings.log_level, role)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if stop_with_parent:
        threading.Thread(target=_watch_parent, args=(stop,), name="parent-watch", daemon=True).start()
    calm_garbage_collection()
    if settings.metrics_port and role in MEASURED_ROLES:
        start_http_server(settings.metrics_port + MEASURED_ROLES.index(role), settings.api_host)
    with open_database(settings) as settings:
        run_role(role, settings, stop)


def _watch_parent(stop: threading.Event) -> None:
    # os.read and not sys.stdin: a buffered reader that still blocks at the interpreter's end brings the process down.
    while os.read(0, 4096):
        pass
    stop.set()
