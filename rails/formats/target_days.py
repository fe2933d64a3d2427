"""The days on which euro payments settle (TARGET), and when a direct debit that is sent now is collected."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

ONE_DAY: Final = timedelta(days=1)
CUT_OFF: Final = time(8, 0)
"""In UTC. Banks close for the next day's collections in the late morning of Central Europe; this is before, in winter
and in summer."""
FIXED_HOLIDAYS: Final = frozenset({(1, 1), (5, 1), (12, 25), (12, 26)})


def is_target_day(day: date) -> bool:
    """Neither weekend nor one of the six holidays: 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December."""
    if day.weekday() >= 5 or (day.month, day.day) in FIXED_HOLIDAYS:
        return False
    return day - easter(day.year) not in (timedelta(days=-2), ONE_DAY)


def from_day(day: date) -> date:
    """That day, or the first TARGET day after it."""
    while not is_target_day(day):
        day += ONE_DAY
    return day


def window(now: datetime) -> datetime:
    """The last cut-off that is past: files made in one window are handled together, on the day of its end."""
    today = datetime.combine(now.astimezone(UTC).date(), CUT_OFF, UTC)
    return today if today <= now else today - ONE_DAY


def collection_date(now: datetime) -> date:
    """The first day that a direct debit sent now can be collected on: one TARGET day after the bank handles it (core
    scheme, D-1), the same for all moments of one window."""
    handled = from_day(window(now).date() + ONE_DAY)
    return from_day(handled + ONE_DAY)


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous algorithm, as in Meeus, Astronomical Algorithms)."""
    golden = year % 19
    century, rest = divmod(year, 100)
    leap, over = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap - correction + 15) % 30
    leaps, odd = divmod(rest, 4)
    weekday = (32 + 2 * over + 2 * leaps - epact - odd) % 7
    shift = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)
