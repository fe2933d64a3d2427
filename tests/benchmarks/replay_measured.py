"""Rebuilds and comparisons in processes of their own, as under the commands: how long they take, and what they hold.

What a process does is imported by itself, so that it has in memory what a command has, and nothing of the benchmark.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Measured(NamedTuple):
    """Seconds, peak megabytes of all processes together, and how many rows differ where builds were compared."""

    seconds: float
    megabytes: float
    differ: int = 0


def rebuilt(database_url: str, name: str, workers: int, archive: Path | None = None) -> Measured:
    """A rebuild from the beginning."""
    return _by_itself(_rebuild, database_url, name, workers, archive)


def looked_at(database_url: str) -> Measured:
    """What `daybook replay diff` does, with the kept build of wallet_entries and a newer one; the live one stands
    elsewhere."""
    return _by_itself(_look, database_url)


def _by_itself(work: Callable[..., None], *arguments: Any) -> Measured:
    spawn = multiprocessing.get_context("spawn")
    told, tell = spawn.Pipe(duplex=False)
    process = spawn.Process(target=work, args=(*arguments, tell))
    process.start()
    measured: Measured = told.recv()
    process.join()
    return measured


def _rebuild(database_url: str, name: str, workers: int, archive: Path | None, tell: Any) -> None:
    from daybook.garbage import calm_garbage_collection
    from projections.registry import view
    from replay.rebuild import Wanted, rebuild

    calm_garbage_collection()
    began = time.perf_counter()
    rebuild(database_url, Wanted(view(name), workers, fresh=True, archive=archive))
    seconds = time.perf_counter() - began
    # Of workers that are processes the largest counts, and as many of them as there were at once.
    own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    tell.send(Measured(seconds, (own + (workers - 1) * child) / 1024))


def _look(database_url: str, tell: Any) -> None:
    import json

    from daybook.garbage import calm_garbage_collection
    from eventlog.application import EventLog
    from eventlog.connections import connect
    from eventlog.postgres import PostgresRecorder
    from replay import builds, compare, report
    from replay.causes import add_causes

    calm_garbage_collection()
    log = EventLog(PostgresRecorder(database_url))
    recorder: Any = log.log_recorder
    with connect(database_url) as connection:
        first, second = (builds.find(connection, "wallet_entries", state) for state in ("kept", "shadow"))
    began = time.perf_counter()
    found = compare.compare(database_url, first, second)
    add_causes(found, [first.view, second.view], recorder, log.log_mapper.decode, recorder.read_streams)
    text = json.dumps(report.facts(found))
    seconds = time.perf_counter() - began
    log.close()
    assert text
    tell.send(Measured(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, found.total))
