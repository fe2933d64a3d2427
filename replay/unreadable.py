"""What reading the log tells of a row that cannot be read: which one, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eventlog.recorded import Recorded


class EventUnreadable(Exception):
    """A row of the log cannot be read, or what it says cannot follow what its stream says before. The message names its
    position and what to do."""

    def __init__(self, row: Recorded, problem: str) -> None:
        super().__init__(row, problem)
        self.position = row.position

    def __str__(self) -> str:
        row, problem = self.args
        return (
            f"{row.topic} at position {row.position}, version {row.version} of stream {row.stream_id}, {problem}; "
            "`daybook verify` names all such rows: restore them from a backup, or start the version that wrote them"
        )


def read(decode: Callable[[Recorded], Any], row: Recorded) -> Any:
    """The event of a row. Raises EventUnreadable."""
    try:
        return decode(row)
    except Exception as problem:
        cause = problem.__cause__ or problem  # the mapper's own words name the row again
        raise EventUnreadable(row, f"cannot be read: {cause}") from problem


def folded(aggregate: Any, row: Recorded, event: Any) -> Any:
    """What an aggregate (None before its first event) is after an event of its. Raises EventUnreadable."""
    try:
        return event.mutate(aggregate) or aggregate
    except Exception as problem:
        raise EventUnreadable(row, f"cannot be what came next: {type(problem).__name__}: {problem}") from problem
