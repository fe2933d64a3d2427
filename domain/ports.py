"""What the domain asks of the world outside: interfaces only; use cases meet adapters without importing them."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable


@runtime_checkable
class Clock(Protocol):
    """Tells the time, so that nothing in the books depends on when a test runs or a replay is made."""

    def now(self) -> datetime:
        """The present moment, with a time zone."""
        ...
