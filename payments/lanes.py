"""A pool of threads for each rail, so that one that hangs keeps only its own orders waiting.

Which rail an order is at is not in every event that names it: where it is not, the order is folded first, in a lane of
its own that calls nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

CALLS: Final = 8
"""Calls of one rail at once."""
SORTING: Final = ""
"""The lane in which it is found out which lane an order belongs to."""


class Lanes:
    """Runs work in the lane of a rail; lanes come to be when they are first needed."""

    def __init__(self, calls: int = CALLS) -> None:
        self._calls = calls
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, lane: str, work: Callable[..., None], *arguments: object) -> None:
        """Work that is submitted after `close` is left undone."""
        with self._lock:
            if self._closed:
                return
            pool = self._pools.get(lane)
            if pool is None:
                name = f"rail-{lane}" if lane else "sorting"
                pool = self._pools[lane] = ThreadPoolExecutor(self._calls, thread_name_prefix=name)
            pool.submit(work, *arguments)

    def close(self) -> None:
        """Lets what is under way be finished, and nothing else begin."""
        with self._lock:
            self._closed = True
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
