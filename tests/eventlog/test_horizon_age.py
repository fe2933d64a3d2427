"""An operator sees that one open transaction holds every follower back, and that it is over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import uuid4

import pytest
from eventsourcing.persistence import StoredEvent

from eventlog import horizon
from eventlog.append import Command, append
from eventlog.connections import connect
from eventlog.horizon import HORIZON_AGE, HorizonReader


def _until(found: Callable[[], bool]) -> None:
    ticks = threading.Event()
    for _ in range(400):
        if found():
            return
        ticks.wait(0.02)
    pytest.fail("it never came to be so")


def _age() -> float:
    return float(HORIZON_AGE._value.get())


def test_the_age_of_the_horizon_grows_while_a_writer_stays_open(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(horizon, "LOOK_AT_AGE_SECONDS", 0.05)
    reader = HorizonReader(lambda: connect(database_url))
    try:
        with connect(database_url) as writer, connect(database_url) as other:
            with writer.transaction():
                writer.execute("select log.open()")
                append(other, [Command([StoredEvent(uuid4(), 1, "test.done.v1", b"{}")], 1)])  # readable to nobody yet
                _until(lambda: _age() > 0.1)
            _until(lambda: _age() == 0)
    finally:
        reader.close()
