"""The workers of a rebuild: each fills one part of a build, side by side.

Where Python folds every event, workers are processes. Where the server leaves out what is superseded and few events of
a hundred are folded, it is the server that works: then workers are threads, each with sessions of its own, and none of
the time goes into starting interpreters (docs/adr/0006).
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

import domain  # noqa: F401 - a worker process reads events of topics that only this names
from eventlog.connections import connect
from eventlog.mapper import LogMapper
from replay.archive.errors import ArchiveDamaged
from replay.fill import EventRefused, PartFill, PartGone
from replay.pages import LogPages, Pages
from replay.part import FillOptions, Part

LOCK_PART = "select pg_advisory_lock(hashtextextended('daybook replay part ' || %s, 0))"
WORKER_REFUSED = 4
WORKER_GONE = 5
GARBAGE_THRESHOLD = 100_000
"""Rows in memory are no cycles: looking for some at every 700th object takes a fifth of the time."""


class WorkerLost(RuntimeError):
    """A worker ended without a word (killed, or out of memory): run the rebuild again, it goes on where it was."""


def fill(url: str, parts: Sequence[Part], until: int, options: FillOptions, *, side_by_side: bool) -> None:
    """Fills every part up to a position. Raises EventRefused, PartGone, WorkerLost, ArchiveDamaged, and what the
    database raises: a worker that finds the disk full says so."""
    if not side_by_side:
        for part in parts:
            _fill_part(url, part, until, options)
    elif parts[0].build.view.supersedes:
        _in_threads(url, parts, until, options)
    else:
        with _in_processes(url, parts[1:], until, options):
            _fill_part(url, parts[0], until, options)


def _fill_part(
    url: str, part: Part, until: int, options: FillOptions, alive: Callable[[], bool] = lambda: True
) -> None:
    """Fills a part with two sessions of its own, once a worker whose coordinator was killed has let go of it."""
    with connect(url) as read, connect(url) as write, _pages(read, part, options) as pages:
        write.execute(LOCK_PART, [f"{part.replay_id}/{part.number}"])
        PartFill(pages, write, part, LogMapper().decode, options).run(until, alive)


@contextlib.contextmanager
def _pages(read: psycopg.Connection[Any], part: Part, options: FillOptions) -> Iterator[Pages]:
    """Of the log, or of an archive with the log before and behind it."""
    log = LogPages(read, part.share, options.page_of(part.build.view))
    if options.archive is None:
        yield log
        return
    from replay.archive.pages import ArchivePages
    from replay.archive.reader import ArchiveReader

    with contextlib.closing(ArchiveReader(options.archive)) as archive:
        yield ArchivePages(archive, log, part.share)


def _in_threads(url: str, parts: Sequence[Part], until: int, options: FillOptions) -> None:
    """One that fails ends the others at their next page; what it met is raised."""
    failed = threading.Event()

    def work(part: Part) -> Exception | None:
        try:
            _fill_part(url, part, until, options, lambda: not failed.is_set())
        except Exception as problem:  # noqa: BLE001 - raised below, once all have ended
            failed.set()
            return problem
        return None

    with ThreadPoolExecutor(len(parts), thread_name_prefix="replay") as threads:
        problems = [problem for problem in threads.map(work, parts) if problem is not None]
    if problems:  # those that were ended are gone because of another
        raise min(problems, key=lambda problem: isinstance(problem, PartGone))


@contextlib.contextmanager
def _in_processes(url: str, parts: Sequence[Part], until: int, options: FillOptions) -> Iterator[None]:
    """Workers that fill `parts` while a block does its own share; none outlives the block.

    Raises what a worker met, once the block is through; ends the workers when the block fails.
    """
    spawn = multiprocessing.get_context("spawn")
    told, refusals = spawn.Pipe(duplex=False)
    workers = [
        spawn.Process(target=_work, args=(url, part, until, options, refusals), name=f"replay-{part.number}")
        for part in parts
    ]
    for worker in workers:
        worker.start()
    try:
        yield
        for worker in workers:
            worker.join()
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()
    if told.poll():
        raise told.recv()
    lost = [f"{worker.name} ({worker.exitcode})" for worker in workers if worker.exitcode]
    if lost:
        raise WorkerLost(f"{', '.join(lost)} ended early; run the rebuild again, it goes on where it was")


def _work(url: str, part: Part, until: int, options: FillOptions, refusals: Any) -> None:
    """The whole life of a worker process; it ends with its coordinator."""
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    coordinator = multiprocessing.parent_process()
    try:
        _fill_part(url, part, until, options, lambda: coordinator is None or coordinator.is_alive())
    except EventRefused as refused:
        refusals.send(EventRefused(str(refused), refused.position))
        raise SystemExit(WORKER_REFUSED) from None
    except psycopg.errors.DiskFull as full:
        refusals.send(psycopg.errors.DiskFull(str(full)))
        raise SystemExit(WORKER_REFUSED) from None
    except ArchiveDamaged as damaged:
        refusals.send(damaged)
        raise SystemExit(WORKER_REFUSED) from None
    except PartGone:  # the coordinator is gone too, or will say so
        raise SystemExit(WORKER_GONE) from None
