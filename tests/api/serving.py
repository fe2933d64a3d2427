"""A process that serves an in-memory shop over granian: `python -m tests.api.serving PORT`, prints its admin key
first."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

from api.server import run
from api.services import Services
from daybook.listener import listen
from tests.api.support import Shop, close_shop, memory_shop


def main() -> None:
    """Serve until SIGTERM."""
    shop = memory_shop("/nonexistent/engine.sock")

    @contextlib.contextmanager
    def services() -> Iterator[Services]:
        yield shop.services
        _close(shop)

    sys.stdout.write(shop.keys["admin"] + "\n")
    sys.stdout.flush()
    with listen("127.0.0.1", int(sys.argv[1])) as listener:
        run(services, threading.Event(), listener, threads=8)
    sys.stdout.write("closed\n")


def _close(shop: Shop) -> None:
    close_shop(shop)


if __name__ == "__main__":
    main()
