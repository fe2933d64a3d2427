"""Laying two sets of books side by side finds every way in which they can differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daybook.simulation.agreement import Agreement, Standing, compare

PAID = Standing("order-1", "key-1", "EUR", 1_000, 0)
HELD = Standing("order-2", "key-2", "EUR", 0, 500)
REFUSED = Standing("order-3", "key-3", "EUR", 0, 0)
OURS = [PAID, HELD, REFUSED]


def counts(found: Agreement) -> tuple[int, int, int, int]:
    return found.double_charges, found.lost_captures, found.guesses, found.open


def test_equal_books_agree_also_about_what_never_reached_the_rail() -> None:
    found = compare([*OURS, Standing("order-4", "key-4", "EUR", 0, 0, not_received=True)], [REFUSED, HELD, PAID])
    assert found.agrees
    assert (found.attempts, counts(found), found.captured_minor) == (4, (0, 0, 0, 0), {"EUR": 1_000})


@pytest.mark.parametrize(
    ("theirs", "kind", "counted"),
    [
        pytest.param([HELD, REFUSED], "captured", (0, 0, 0, 0), id="we say paid, the rail knows nothing"),
        pytest.param([replace(PAID, captured_minor=999), HELD], "captured", (0, 0, 0, 0), id="less was taken"),
        pytest.param([replace(PAID, captured_minor=1_001), HELD], "captured", (0, 1, 0, 0), id="more was taken"),
        pytest.param([PAID, replace(HELD, held_minor=0)], "held", (0, 0, 0, 0), id="a hold that is gone"),
        pytest.param([PAID, HELD, replace(REFUSED, held_minor=7)], "held", (0, 0, 0, 0), id="a hold we do not know"),
        pytest.param([PAID, HELD, replace(REFUSED, captured_minor=7)], "captured", (0, 1, 0, 0), id="taken after no"),
        pytest.param(
            [PAID, HELD, Standing("order-5", "key-5", "EUR", 7, 0)], "unknown to us", (0, 1, 0, 0), id="unheard of"
        ),
        pytest.param(
            [PAID, HELD, Standing("order-5", "key-5", "EUR", 0, 7)], "unknown to us", (0, 0, 0, 0), id="held unheard of"
        ),
    ],
)
def test_a_difference_is_named(theirs: list[Standing], kind: str, counted: tuple[int, int, int, int]) -> None:
    found = compare(OURS, theirs)
    assert not found.agrees
    assert [one.kind for one in found.disagreements] == [kind]
    assert counts(found) == counted


def test_two_charges_for_one_order_are_counted_even_where_both_sides_know_them() -> None:
    again = replace(PAID, key="key-1b")
    assert counts(compare([PAID, again], [PAID, again])) == (1, 0, 0, 0)
    assert compare([PAID, again], [PAID, again], intended=["order-1"]).agrees


def test_what_was_said_never_to_have_arrived_and_did_is_a_guess() -> None:
    found = compare([replace(REFUSED, not_received=True)], [REFUSED])
    assert (counts(found), found.agrees) == ((0, 0, 1, 0), False)


def test_what_is_still_open_is_not_agreed_on() -> None:
    assert counts(compare([replace(REFUSED, decided=False)], [REFUSED])) == (0, 0, 0, 1)
