"""What is set aside and taken later leaves no trace; what was given up stays so in every build that comes after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.recorded import Recorded
from projections.registry import view, views
from replay import parked
from replay.builds import find
from replay.machine import ViewMachine
from replay.rebuild import Wanted, rebuild
from tests.replay.history import MERCHANT, History, catch_up, digest_of


@pytest.fixture
def history(log: EventLog) -> History:
    made = History(log, seed=7)
    made.open_wallets(6)
    made.open_wallets(1, MERCHANT)
    made.write(60)
    made.write_each(4)
    return made


def refusing(log: EventLog, refused: Callable[[Recorded], bool]) -> Callable[[Recorded], Any]:
    """Reads the log, but for some of its events."""

    def decode(row: Recorded) -> Any:
        if refused(row):
            raise ValueError("cannot be read today")
        return log.log_mapper.decode(row)

    return decode


def fold(log: EventLog, database_url: str, decode: Callable[[Recorded], Any]) -> None:
    """Lets the machine take what there is, as `decode` reads it."""
    recorder = log.log_recorder
    machine = ViewMachine(database_url, recorder, recorder.horizon, decode, list(views().values()))
    machine.catch_up()
    machine.close()


@pytest.mark.usefixtures("history")
def test_every_view_that_took_parked_events_later_is_what_a_rebuild_makes(log: EventLog, database_url: str) -> None:
    """Every second event of a topic, so that each view has streams that wait while others flow."""
    seen: dict[str, int] = {}
    second = set()
    for row in log.log_recorder.read(0, 10**6):
        seen[row.topic] = seen.get(row.topic, 0) + 1
        if seen[row.topic] % 2 == 0:
            second.add(row.position)
    fold(log, database_url, refusing(log, lambda row: row.position in second))
    with connect(database_url) as connection:
        waiting = {(entry.view, entry.stream_id) for entry in parked.listed(connection)}
        assert {name for name, _ in waiting} == set(views())
        for name, stream_id in sorted(waiting):
            build = find(connection, name, "live")
            parked.retry(connection, build, stream_id, log.log_recorder, log.log_mapper.decode)
        assert parked.listed(connection) == []
    for name in views():
        rebuild(database_url, Wanted(view(name)))
        assert digest_of(database_url, name, "live") == digest_of(database_url, name, "shadow") != "empty", name
