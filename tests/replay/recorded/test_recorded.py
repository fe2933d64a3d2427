"""A history that was recorded is replayed against today's code: views and aggregates come to what they came to then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from domain.registry import AGGREGATES
from projections.registry import view, views
from replay.recorded import RecordedHistory
from replay.testing import Replayed
from tests.replay.recorded.writing import SMALL, write

Recorded = Callable[[str], Replayed]


@pytest.mark.parametrize("name", views())
def test_a_view_makes_of_the_recorded_history_what_it_made_then(name: str, recorded_history: Recorded) -> None:
    recorded_history("small.jsonl").assert_same_rows(view(name))


def test_every_stream_of_the_recorded_history_ends_in_the_state_that_it_ended_in_then(
    recorded_history: Recorded,
) -> None:
    recorded_history("small.jsonl").assert_same_states()


def test_the_recorded_history_is_small_and_has_every_kind_of_stream() -> None:
    history = RecordedHistory(SMALL)
    assert {row.topic.partition(".")[0] for row in history.rows} == set(AGGREGATES)
    assert len(history.rows) < 250


def test_what_writes_the_history_still_writes_the_same(tmp_path: Path) -> None:
    write(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == SMALL.read_bytes()
