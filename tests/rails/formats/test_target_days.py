"""When a direct debit is collected: TARGET days and the bank's cut-off."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rails.formats.target_days import CUT_OFF, collection_date, easter, is_target_day, window

moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("year", "day"),
    [(2000, "2000-04-23"), (2008, "2008-03-23"), (2011, "2011-04-24"), (2026, "2026-04-05"), (2038, "2038-04-25")],
)
def test_easter_is_when_the_church_keeps_it(year: int, day: str) -> None:
    assert easter(year) == date.fromisoformat(day)


def test_the_days_of_a_year_on_which_euros_do_not_settle() -> None:
    year = [date(2026, 1, 1) + timedelta(days=place) for place in range(365)]
    closed = [day for day in year if day.weekday() < 5 and not is_target_day(day)]
    assert [f"{day:%m-%d}" for day in closed] == ["01-01", "04-03", "04-06", "05-01", "12-25"]


@pytest.mark.parametrize(
    ("now", "collected"),
    [
        ("2026-11-23T07:59:59+00:00", "2026-11-24"),  # a Monday, before the cut-off
        ("2026-11-23T08:00:00+00:00", "2026-11-25"),  # and after
        ("2026-11-27T07:00:00+00:00", "2026-11-30"),  # Friday for Monday
        ("2026-11-27T09:00:00+00:00", "2026-12-01"),  # handled on Monday
        ("2026-12-24T07:00:00+00:00", "2026-12-28"),  # over Christmas and the weekend
        ("2026-04-01T10:00:00+00:00", "2026-04-07"),  # over Easter
    ],
)
def test_a_debit_is_collected_one_day_after_the_bank_handles_it(now: str, collected: str) -> None:
    assert collection_date(datetime.fromisoformat(now)) == date.fromisoformat(collected)


@given(moments)
def test_it_is_a_target_day_in_the_future_and_the_same_for_all_of_one_window(now: datetime) -> None:
    collected, begun = collection_date(now), window(now)
    assert is_target_day(collected)
    assert now.date() < collected <= now.date() + timedelta(days=9)
    assert begun <= now < begun + timedelta(days=1)
    assert begun.time() == CUT_OFF
    assert collection_date(begun) == collected == collection_date(begun + timedelta(hours=23, minutes=59))


def test_the_zone_that_a_moment_is_told_in_does_not_matter() -> None:
    now = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
    assert collection_date(now) == collection_date(now.astimezone(timezone(timedelta(hours=13))))
