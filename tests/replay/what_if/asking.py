"""What tests of what-if ask, and how they look at the answer."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from rich.console import Console

from eventlog.application import EventLog
from projections.registry import views
from replay.what_if import told
from replay.what_if.answer import Answer
from tests.replay.history import digest_of

CAPTURED = "payment-order.captured.v1"
Asking = Callable[..., Answer]
Writing = Callable[[str, str], str]


def captures(log: EventLog, until: int | None = None) -> list[Any]:
    """The captures in the log, up to a position."""
    rows = log.log_recorder.read(0, 10**6, topics=[CAPTURED], until=until or log.log_recorder.max_notification_id())
    return [log.log_mapper.decode(row) for row in rows]


def digests(database_url: str) -> dict[str, str]:
    """What readers see of every view."""
    return {name: digest_of(database_url, name, "live") for name in views()}


def shown(answer: Answer) -> str:
    """The answer as a terminal shows it."""
    text = io.StringIO()
    told.show(answer, Console(file=text, width=200))
    return text.getvalue()
