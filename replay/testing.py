"""For tests: recorded histories replayed against new code, failing on a difference.

A plugin of pytest, by `pytest_plugins = ["replay.testing"]` in the conftest at the top: it brings the fixture
`recorded_history` and the option `--record-golden`, which writes what was expected anew instead of comparing. Without
pytest's fixture, the functions do the same to files. Nothing here opens a database.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import domain  # noqa: F401 - events are read by topics that only this names
from projections.view import Row, View
from replay import golden_rows, golden_states
from replay.fill import EventRefused
from replay.recorded import RecordedHistory, record

__all__ = ["HistoryDiffers", "Replayed", "assert_same_rows", "assert_same_states", "record", "replayed_rows"]

OPTION = "--record-golden"


class HistoryDiffers(AssertionError):
    """New code makes something else of an old history; the message says what, in money, and by which events."""


def replayed_rows(path: Path, view: View) -> list[Row]:
    """What the view makes of a recorded history now. Raises EventRefused for an event that it cannot take."""
    found = golden_rows.replay(RecordedHistory(path), view)
    for problem in found.problems.values():
        raise EventRefused(problem)
    return found.rows


def assert_same_rows(path: Path, view: View, golden: Path) -> None:
    """The view makes of the history what the golden file says. Raises HistoryDiffers."""
    Replayed(RecordedHistory(path)).assert_same_rows(view, golden)


def assert_same_states(path: Path, golden: Path) -> None:
    """Every stream of the history folds, and ends as the golden file says. Raises HistoryDiffers."""
    Replayed(RecordedHistory(path)).assert_same_states(golden)


@dataclass(frozen=True)
class Replayed:
    """A history to be held against golden files, which lie beside it unless named. With `recording` these are written
    anew, and nothing fails. A stream that a view, or its aggregate, cannot take is part of what is expected too."""

    history: RecordedHistory
    recording: bool = False

    def assert_same_rows(self, view: View, golden: Path | None = None) -> None:
        """The view makes the rows that it made when the file was written, and takes what it took. Raises
        HistoryDiffers."""
        path = golden or self._beside(view.name)
        try:
            outcome = golden_rows.replay(self.history, view)
        except EventRefused as refused:
            raise HistoryDiffers(str(refused)) from None
        if self.recording:
            golden_rows.write_outcome(path, view, outcome)
            return
        told = golden_rows.told(self.history, view, golden_rows.read_outcome(_there(path), view), outcome)
        if told is not None:
            raise HistoryDiffers(f"{told}\n{_meant(path)}")

    def assert_same_states(self, golden: Path | None = None) -> None:
        """Every stream folds that folded, and ends in the same state. Raises HistoryDiffers."""
        path = golden or self._beside("states")
        states, problems = golden_states.replayed_states(self.history)
        if self.recording:
            golden_states.write_states(path, states)
            return
        told = golden_states.told(golden_states.read_states(_there(path)), states, problems)
        if told is not None:
            raise HistoryDiffers(f"{told}\n{_meant(path)}")

    def _beside(self, what: str) -> Path:
        return self.history.path.with_suffix(f".{what}.jsonl")


def _there(path: Path) -> Path:
    if not path.is_file():
        raise HistoryDiffers(f"{path} is not there: run once with {OPTION}, and look at what it wrote")
    return path


def _meant(path: Path) -> str:
    return f"recorded in {path}; if the difference is meant, write it anew with {OPTION}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of this plugin."""
    parser.getgroup("daybook").addoption(
        OPTION, action="store_true", help="Write what recorded histories come to anew, instead of comparing with it."
    )


@pytest.fixture
def recorded_history(request: pytest.FixtureRequest) -> Callable[[str | Path], Replayed]:
    """Opens a recorded history; a path is relative to the folder of the test."""
    recording = bool(request.config.getoption(OPTION))

    def opened(path: str | Path) -> Replayed:
        return Replayed(RecordedHistory(request.path.parent / path), recording)

    return opened
