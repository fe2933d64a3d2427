"""Divisions of money are exact for any amount and any weights."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.money import AMOUNT_MINOR_MAX, allocate, share_half_even

AMOUNTS = st.integers(-AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX)
WEIGHTS = st.lists(st.integers(0, AMOUNT_MINOR_MAX), min_size=1, max_size=20).filter(any)


@settings(derandomize=True, deadline=None)
@given(AMOUNTS, WEIGHTS)
def test_parts_sum_to_the_amount_and_each_is_within_one_unit_of_its_fair_share(amount: int, weights: list[int]) -> None:
    parts = allocate(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(amount * weight, sum(weights))) < 1
        assert weight or part == 0


@settings(derandomize=True, deadline=None)
@given(AMOUNTS, st.integers(0, 10_000))
def test_a_share_is_what_exact_arithmetic_rounds_to(amount: int, bps: int) -> None:
    assert share_half_even(amount, bps) == round(Fraction(amount * bps, 10_000))
