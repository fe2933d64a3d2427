"""When an outcome that nobody knows is asked for again, and when people are told.

The steps are those of the payments reference, section 4: 2 s, 10 s, 30 s, 2 m, 10 m, 1 h, 6 h. After the last one the
doubt is shown to people; the rail is still asked, once a day, and nothing is guessed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

STEPS: Final = tuple(timedelta(seconds=seconds) for seconds in (2, 10, 30, 120, 600, 3_600, 21_600))
AFTERWARDS: Final = timedelta(days=1)


def next_inquiry(asked: int, now: datetime) -> datetime:
    """When to ask next after `asked` inquiries that did not end the doubt (0: it has only begun)."""
    return now + (STEPS[asked] if asked < len(STEPS) else AFTERWARDS)


def used_up(asked: int) -> bool:
    """Whether every step has been taken."""
    return asked >= len(STEPS)
