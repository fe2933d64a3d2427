"""What a benchmark reports, and how it is shown and kept: a table, and build/bench/NAME.json."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

OUTPUT = Path("build/bench")


@dataclass(frozen=True)
class Row:
    """One figure. `ratio` is ours against `peer`, measured in the same run; None where there is no peer."""

    id: str
    value: float
    unit: str
    peer: str = ""
    ratio: float | None = None


@dataclass(frozen=True)
class Load:
    """What many callers saw together; latencies in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float


def machine() -> str:
    """Enough to know whether two reports may be compared."""
    return f"{os.cpu_count()} cpus, {platform.machine()}, Python {platform.python_version()}"


def drive(callers: int, seconds: float, call: Callable[[int], None]) -> Load:
    """Calls from `callers` threads at once for `seconds`; each call gets its caller's number."""
    took: list[list[float]] = [[] for _ in range(callers)]
    stop_at = time.perf_counter() + seconds

    def loop(number: int) -> None:
        mine = took[number]
        while (began := time.perf_counter()) < stop_at:
            call(number)
            mine.append(time.perf_counter() - began)

    began = time.perf_counter()
    threads = [threading.Thread(target=loop, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return load(sorted(t for mine in took for t in mine), time.perf_counter() - began)


def load(latencies: Sequence[float], elapsed: float) -> Load:
    """Sums up sorted latencies in seconds."""
    at = [latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000 for share in (0.5, 0.99)]
    return Load(len(latencies) / elapsed, *at)


def publish(name: str, rows: Sequence[Row]) -> None:
    """Prints the table and writes the JSON that later runs are compared with."""
    table = Table("id", "value", "unit", "peer", "ratio", title=f"{name} ({machine()})")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
        value = f"{row.value:,.2f}" if row.value < 100 else f"{row.value:,.0f}"
        table.add_row(row.id, value, row.unit, row.peer, ratio)
    Console().print(table)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine(), "rows": [asdict(row) for row in rows]}
    (OUTPUT / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
