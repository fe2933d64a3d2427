"""Money: whole minor units, known currencies, exact divisions."""

from __future__ import annotations

import pytest

from domain.money import (
    AMOUNT_MINOR_MAX,
    EXPONENTS,
    AmountNotPositive,
    AmountTooLarge,
    Money,
    UnknownCurrency,
    WeightsNotUsable,
    allocate,
    check_amount,
    share_half_even,
)
from tests.domain.specification import refused


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (12_345, "EUR", "123.45 EUR"),
        (-5, "EUR", "-0.05 EUR"),
        (500, "JPY", "500 JPY"),
        (1, "KWD", "0.001 KWD"),
        (12_345, "CLF", "1.2345 CLF"),
    ],
)
def test_money_is_written_with_the_digits_of_its_currency(amount: int, currency: str, text: str) -> None:
    assert str(Money(amount, currency)) == text


def test_the_currency_table_knows_the_present_list_and_no_withdrawn_codes() -> None:
    assert {"XCG", "ZWG", "SLE", "VED", "EUR"} <= set(EXPONENTS)
    assert not {"BGN", "HRK", "ANG", "ZWL", "SLL", "XAU", "XXX"} & set(EXPONENTS)
    assert all(len(code) == 3 and code.isupper() for code in EXPONENTS)


def test_an_unknown_currency_is_refused_by_name() -> None:
    refused(UnknownCurrency, "currency", lambda: Money(1, "eur"))


@pytest.mark.parametrize("amount", [0, -1])
def test_an_amount_that_moves_nothing_is_refused(amount: int) -> None:
    refused(AmountNotPositive, "amount_minor", lambda: check_amount(amount))


def test_the_largest_amount_is_taken_and_one_more_is_refused() -> None:
    assert check_amount(AMOUNT_MINOR_MAX) == AMOUNT_MINOR_MAX
    refused(AmountTooLarge, "amount_minor", lambda: check_amount(AMOUNT_MINOR_MAX + 1))
    refused(AmountTooLarge, "amount_minor", lambda: Money(-AMOUNT_MINOR_MAX - 1, "EUR"))


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (2, [1, 1, 1], [1, 1, 0]),
        (10, [0, 5, 5], [0, 5, 5]),
        (1, [1, 2], [0, 1]),
        (0, [3, 4], [0, 0]),
        (-100, [1, 1, 1], [-34, -33, -33]),
    ],
)
def test_an_amount_is_divided_by_largest_remainder_with_ties_to_the_lowest_index(
    amount: int, weights: list[int], parts: list[int]
) -> None:
    assert allocate(amount, weights) == parts


@pytest.mark.parametrize("weights", [[], [0, 0], [3, -1]])
def test_weights_that_name_nobody_are_refused(weights: list[int]) -> None:
    refused(WeightsNotUsable, "weights", lambda: allocate(10, weights))


@pytest.mark.parametrize(
    ("amount", "bps", "share"),
    [
        (5, 1_000, 0),
        (15, 1_000, 2),
        (25, 1_000, 2),
        (35, 1_000, 4),
        (10_000, 290, 290),
        (26, 1_000, 3),
        (-15, 1_000, -2),
    ],
)
def test_a_share_rounds_halves_to_even(amount: int, bps: int, share: int) -> None:
    assert share_half_even(amount, bps) == share
