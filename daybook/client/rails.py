"""Rails: what moves money, and how it is doing."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from daybook.client.answer import Answer
from daybook.client.connection import Connection


class RailOperation(Answer):
    """One operation of one rail: its calls since `counted_from`, and how long the latest took."""

    operation: str
    state: Literal["up", "trial", "down"]
    since: datetime
    calls: int
    failures: int
    retries: int
    p50_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    timeout_ms: float | None
    counted_from: datetime


class Rail(Answer):
    """A rail. Its report is `stale` when nobody reports any more, and null where nothing was ever reported."""

    rail: str
    enabled: bool
    capabilities: tuple[str, ...] | None
    methods: tuple[str, ...] | None
    currencies: tuple[str, ...] | None
    reported_at: datetime | None
    stale: bool | None
    operations: tuple[RailOperation, ...]


class RailsList(Answer):
    """All rails there are, by name."""

    items: tuple[Rail, ...]


class Rails:
    """Rails, for those who operate the books. Each call raises a `Problem` or NoAnswer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> tuple[Rail, ...]:
        """Every rail with its capabilities, and how its operations have done lately."""
        return self._connection.ask(RailsList, "GET", "/v1/rails").items
