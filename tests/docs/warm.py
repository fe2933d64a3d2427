"""`daybook` without the half second that Python takes to import it, for pages that call it a dozen times.

A process imports everything once and forks for each call; the child takes over the caller's standard streams, folder
and environment, and runs the command line as `python -m daybook` does. The caller is a few lines without imports.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

CALLER = """\
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({path!r})
asked = dict(words=sys.argv[1:], folder=os.getcwd(), environment=dict(os.environ))
socket.send_fds(connection, [json.dumps(asked).encode()], [0, 1, 2])
connection.shutdown(socket.SHUT_WR)
sys.exit(connection.recv(1)[0])
"""
GREATEST_REQUEST = 1 << 20


def serve(path: str) -> None:
    """Answer calls until killed."""
    from daybook.commands import main
    from daybook.reference.markdown import import_everything

    import_everything()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                _run(connection, main)
            connection.close()


def _run(connection: socket.socket, main: Any) -> None:
    """The child's whole life."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, *_ = socket.recv_fds(connection, GREATEST_REQUEST, 3)
    while part := connection.recv(GREATEST_REQUEST):
        message += part
    asked = json.loads(message)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    folders = map(os.path.abspath, filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    sys.path[1:1] = [folder for folder in folders if folder not in sys.path]
    status = 1
    try:
        main(asked["words"], prog_name="daybook")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        connection.sendall(bytes([status]))
        os._exit(status)


def write_caller(program: Path, server: Path) -> None:
    """Make `program` a command that calls the server at that socket."""
    text = program.with_suffix(".py")
    text.write_text(CALLER.format(path=str(server)), encoding="utf-8")
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -ISs "{text}" "$@"\n', encoding="utf-8")


if __name__ == "__main__":
    serve(sys.argv[1])
