"""What the real engine wrote is sound, at its end and at any commit before it."""

from __future__ import annotations

import psycopg
import pytest

from replay.checks.registry import checks
from replay.verify import PositionNotReached, UnknownCheck, chosen_checks
from tests.replay.checks.verifying import findings_of, report_of


def test_no_check_finds_anything_in_a_sound_history(sound: str) -> None:
    report = report_of(sound)
    assert [result for result in report.results if result.count] == []
    assert report.events > 100
    assert [result.check for result in report.results] == list(checks())


def test_no_check_finds_anything_up_to_any_position(sound: str) -> None:
    """A position in the middle of a commit stands for all of the commit."""
    with psycopg.connect(sound) as connection:
        rows = connection.execute("select position from log.events order by position").fetchall()
    for (position,) in rows[::7]:
        assert findings_of(sound, until=position) == {}, position


def test_every_check_says_what_holds_and_what_to_do() -> None:
    assert len(checks()) >= 13
    for name, check in checks().items():
        assert name == check.name
        assert check.meaning, name
        assert check.advice, name


def test_what_cannot_be_verified_is_named(sound: str) -> None:
    with pytest.raises(UnknownCheck, match="no check 'balance'; choose among facts, holds"):
        chosen_checks(["balance"])
    with pytest.raises(PositionNotReached, match="not yet to 4611686018427387904"):
        report_of(sound, until=2**62)
