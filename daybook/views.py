"""What commands read of views, and how they wait for them. Commands see their settings' book as a whole."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psycopg

from daybook.session import LOOK_S, Session
from eventlog.connections import connect
from projections.registry import views

VIEWS_TIMEOUT_S = 60.0
POSITIONS = "select view, position from views.builds where state = 'live'"


@dataclass(frozen=True)
class Whole:
    """Who works at the command line sees all of the settings' book."""

    book: int
    merchant_id: str | None = None


def lowest_position(connection: psycopg.Connection[Any]) -> int:
    """How far the view that is furthest behind has read the log; 0 while one has not started."""
    reached = dict(connection.execute(POSITIONS).fetchall())
    return min(int(reached.get(name, 0)) for name in views())


def wait_for_views(opened: Session, timeout_s: float) -> bool:
    """Wait until every view has read what is in the log now; False when `timeout_s` passed without any moving."""
    last = opened.recorder.max_notification_id() or 0
    seen, deadline = -1, time.monotonic() + timeout_s
    with connect(opened.database_url) as connection:
        while time.monotonic() < deadline:
            reached = lowest_position(connection)
            if reached >= last:
                return True
            if reached != seen:
                seen, deadline = reached, time.monotonic() + timeout_s
            time.sleep(LOOK_S)
    return False
