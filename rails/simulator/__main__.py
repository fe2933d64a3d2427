"""`python -m rails.simulator --port 8081 --database simulator.sqlite3`: serves until SIGTERM or Ctrl-C.

The first line on standard output is JSON with the address, so that whoever asked for port 0 learns the port.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Final

from rails.simulator.books import Books
from rails.simulator.server import Simulator

LOG: Final = logging.getLogger("rails.simulator")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 when asked to stop, 3 when the address cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m rails.simulator", description="A payment rail to practise on.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8081, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--database", type=Path, required=True, help="SQLite file of its books, created when missing")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    options.database.parent.mkdir(parents=True, exist_ok=True)
    books = Books(options.database)
    try:
        server = Simulator(options.host, options.port, books)
    except OSError as error:
        books.close()
        LOG.error("cannot listen on %s:%s: %s; choose another --port", options.host, options.port, error)
        return 3
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    # The interval is how long a stop may take to be noticed; connections are accepted at once whatever it is.
    threading.Thread(target=server.serve_forever, args=(0.05,), name="accept", daemon=True).start()
    sys.stdout.write(json.dumps({"url": server.url, "database": str(options.database)}) + "\n")
    sys.stdout.flush()
    stopping.wait()
    server.shutdown()
    server.server_close()
    books.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
