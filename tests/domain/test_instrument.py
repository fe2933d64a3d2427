"""What a card's declines leave of it: how often it may be tried, and from when on again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.ids import stream_id
from domain.instrument import (
    DAY,
    DECLINES_IN_A_DAY,
    DECLINES_IN_A_MONTH,
    MONTH,
    OF_THE_PAYMENT,
    SCHEME_RETRY_LIMIT,
    Instrument,
    fingerprint_of,
    instrument_id,
)
from tests.domain.builders import NOW, ORDER, TOKEN, Step, an_instrument, card_declined
from tests.domain.specification import given

A_DAY_FULL = [card_declined()] * DECLINES_IN_A_DAY
MOMENT = timedelta(microseconds=1)


def spread(count: int, apart: timedelta) -> list[Step]:
    return [card_declined(at=NOW + number * apart) for number in range(count)]


def barred_after(steps: list[Step], later: timedelta, under_way: int = 0) -> tuple[str, str] | None:
    card = an_instrument()
    for step in steps:
        step(card)
    bar = card.barred(NOW + later, under_way)
    return None if bar is None else (bar.code, bar.decline_class)


def test_a_decline_is_kept_with_what_it_was_and_for_which_order() -> None:
    expected = {"code": "do_not_honour", "decline_class": "soft", "order_id": ORDER, "timestamp": NOW}
    given(an_instrument()).when(card_declined()).then((Instrument.Declined, expected))


def test_a_card_is_known_by_a_digest_and_its_token_stands_nowhere() -> None:
    card = an_instrument()
    assert card.id == instrument_id(1, TOKEN) == stream_id(1, "instrument", fingerprint_of(TOKEN))
    assert all(TOKEN not in repr(vars(event)) for event in card.collect_events())
    assert len({instrument_id(book, token) for book in (1, 2) for token in (TOKEN, "pm_visa")}) == 4


@pytest.mark.parametrize(
    ("steps", "later", "barred"),
    [
        ([], timedelta(), None),
        (A_DAY_FULL[1:], timedelta(), None),
        (A_DAY_FULL, timedelta(), (SCHEME_RETRY_LIMIT, "soft")),
        (A_DAY_FULL, DAY - MOMENT, (SCHEME_RETRY_LIMIT, "soft")),
        (A_DAY_FULL, DAY, None),
        (spread(DECLINES_IN_A_MONTH - 1, DAY), timedelta(days=14), None),
        (spread(DECLINES_IN_A_MONTH, DAY), timedelta(days=14), (SCHEME_RETRY_LIMIT, "soft")),
        (spread(DECLINES_IN_A_MONTH, DAY), MONTH - MOMENT, (SCHEME_RETRY_LIMIT, "soft")),
        (spread(DECLINES_IN_A_MONTH, DAY), MONTH, None),
        ([card_declined("stolen_card", "hard")], 100 * MONTH, ("stolen_card", "hard")),
        ([card_declined("stolen_card", "hard"), *A_DAY_FULL], timedelta(), ("stolen_card", "hard")),
        *(([card_declined(code, "hard")], timedelta(), None) for code in sorted(OF_THE_PAYMENT)),
    ],
)
def test_declines_bar_a_card_for_a_day_for_a_month_or_for_good(
    steps: list[Step], later: timedelta, barred: tuple[str, str] | None
) -> None:
    assert barred_after(steps, later) == barred


def test_what_is_under_way_counts_as_if_it_were_declined() -> None:
    assert barred_after(A_DAY_FULL[2:], timedelta(), under_way=1) is None
    assert barred_after(A_DAY_FULL[2:], timedelta(), under_way=2) is not None
    assert barred_after([], timedelta(), under_way=100) is None, "nothing was declined, and nothing says it will be"


def test_it_is_told_from_when_on_a_card_may_be_tried_again() -> None:
    card = an_instrument()
    for step in spread(DECLINES_IN_A_MONTH, timedelta(hours=1)):
        step(card)
    at = card.declines[-1]
    bar = card.barred(at)
    assert bar is not None
    assert (bar.until, bar.evidence["until"]) == (NOW + MONTH, (NOW + MONTH).isoformat())
    assert bar.until is not None
    assert card.barred(bar.until) is None
    assert card.barred(bar.until - MOMENT) is not None


def test_a_card_keeps_no_more_than_the_rule_asks_for_however_long_it_is_declined() -> None:
    card = an_instrument()
    for step in spread(500, timedelta(hours=1)):
        step(card)
    assert len(card.declines) == DECLINES_IN_A_MONTH
    card_declined(at=card.declines[-1] + MONTH)(card)
    assert len(card.declines) == 1


def test_declines_that_processes_write_out_of_order_are_counted_in_order() -> None:
    card = an_instrument()
    for minutes in (5, 3, 4):
        card_declined(at=NOW + timedelta(minutes=minutes))(card)
    assert card.declines == sorted(card.declines)
