"""`make bench` and `make bench ONLY=append`: runs the subjects one after the other on a server of its own."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

from daybook.embedded_postgres import EmbeddedPostgres
from daybook.garbage import calm_garbage_collection
from daybook.migrate import migrate
from tests.benchmarks.report import publish

SUBJECTS = ("append", "engine", "api", "ledger", "ledger_queries", "replay", "rails", "sealing", "simulator")


def main(wanted: list[str]) -> int:
    """Each subject gets a fresh cluster, so that none pays for another's vacuum."""
    unknown = set(wanted) - set(SUBJECTS)
    if unknown:
        print(f"Unknown benchmark {', '.join(sorted(unknown))}: choose from {', '.join(SUBJECTS)}.", file=sys.stderr)
        return 2
    calm_garbage_collection()
    for name in wanted or SUBJECTS:
        subject = importlib.import_module(f"tests.benchmarks.{name}")
        with tempfile.TemporaryDirectory(prefix="daybook-bench-") as home:
            server = EmbeddedPostgres(Path(home))
            server.start()
            try:
                migrate(server.conninfo())
                publish(name, subject.run(server.conninfo()))
            finally:
                server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
