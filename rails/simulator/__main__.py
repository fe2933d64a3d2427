"""`python -m rails.simulator`: serves on port 8081 until SIGTERM or Ctrl-C.

The first line on standard output is JSON with the address, so that whoever asked for port 0 learns the port.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Final

from rails.simulator.books import Books
from rails.simulator.server import Simulator
from rails.simulator.store import BooksOfAnotherVersion

LOG: Final = logging.getLogger("rails.simulator")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 when asked to stop, 3 when the address cannot be had, 4 when the file cannot."""
    parser = argparse.ArgumentParser(prog="python -m rails.simulator", description="A payment rail to practise on.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8081, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--database",
        type=Path,
        default=Path("simulator.sqlite3"),
        help="SQLite file of its books, created when missing (default: %(default)s)",
    )
    parser.add_argument("--public-url", help="where customers' browsers find it (default: where it listens)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    options.database.parent.mkdir(parents=True, exist_ok=True)
    try:
        books = Books(options.database)
    except (BooksOfAnotherVersion, sqlite3.Error) as error:
        LOG.error("cannot use %s: %s; give another --database", options.database, error)
        return 4
    try:
        server = Simulator(options.host, options.port, books, options.public_url)
    except OSError as error:
        books.close()
        LOG.error("cannot listen on %s:%s: %s; choose another --port", options.host, options.port, error)
        return 3
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    threading.Thread(target=server.serve_forever, name="serve", daemon=True).start()
    sys.stdout.write(json.dumps({"url": server.url, "database": str(options.database)}) + "\n")
    sys.stdout.flush()
    stopping.wait()
    server.shutdown()
    server.server_close()
    books.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
