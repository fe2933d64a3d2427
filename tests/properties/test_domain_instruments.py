"""However a card is tried, and whatever its issuer says: no scheme is asked more often than it lets anybody ask."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.instrument import DAY, DECLINES_IN_A_DAY, DECLINES_IN_A_MONTH, MONTH
from tests.domain.builders import NOW, an_instrument, card_declined

TRIES = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 3_600), st.integers(0, 30 * 86_400)).map(lambda seconds: timedelta(seconds=seconds)),
        st.sampled_from(["soft"] * 40 + ["none"] * 8 + ["hard"]),
    ),
    max_size=120,
)
"""How long after the one before a try is wanted, and what its issuer would say."""


def most_within(moments: list[datetime], span: timedelta) -> int:
    """The most of them that lie within any window so long, its end left out."""
    return max((sum(first <= moment < first + span for moment in moments) for first in moments), default=0)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(TRIES)
def test_no_window_holds_more_declines_than_the_schemes_allow_and_none_follows_a_hard_one(
    tries: list[tuple[timedelta, str]],
) -> None:
    card, now = an_instrument(), NOW
    sent: list[tuple[datetime, str]] = []
    for later, answer in tries:
        now += later
        bar = card.barred(now)
        if bar is not None:
            assert bar.until is None or bar.until > now
            continue
        if answer != "none":
            card_declined(decline_class=answer, at=now)(card)
            sent.append((now, answer))
    moments = [moment for moment, _ in sent]
    assert most_within(moments, MONTH) <= DECLINES_IN_A_MONTH
    assert most_within(moments, DAY) <= DECLINES_IN_A_DAY
    assert "hard" not in [answer for _, answer in sent[:-1]]
    assert len(card.declines) <= DECLINES_IN_A_MONTH


@settings(max_examples=300, derandomize=True, deadline=None)
@given(TRIES)
def test_a_card_may_be_tried_from_the_moment_on_that_was_told_and_not_before(
    tries: list[tuple[timedelta, str]],
) -> None:
    card, now = an_instrument(), NOW
    for later, _ in tries:
        now += later
        bar = card.barred(now)
        if bar is None:
            card_declined(at=now)(card)
        elif bar.until is not None:
            assert card.barred(bar.until) is None
            assert card.barred(bar.until - timedelta(microseconds=1)) is not None
