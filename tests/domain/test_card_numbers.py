"""Card numbers are found wherever they hide, and ids of ours are not taken for one."""

from __future__ import annotations

import random
import uuid

import pytest

from domain.card_numbers import find_card_number

CARDS = [
    "4111111111111111",
    "4222222222222",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "30569309025904",
    "36227206271667",
    "3530111333300000",
    "6205500000000000004",
    "6759649826438453",
]


@pytest.mark.parametrize("card", CARDS)
def test_a_card_number_is_found_bare_spaced_dashed_and_inside_text(card: str) -> None:
    groups = [card[start : start + 4] for start in range(0, len(card), 4)]
    for text in (card, " ".join(groups), "-".join(groups), f"card={card};", f"pay with {' '.join(groups)} 12/29 123"):
        assert find_card_number(text), text


def test_a_number_with_a_wrong_check_digit_is_no_card() -> None:
    assert not any(find_card_number(card[:-1] + str((int(card[-1]) + 1) % 10)) for card in CARDS)


@pytest.mark.parametrize(
    "text", ["", "order 12345", "2026-11-23T10:00:00Z", "+49 170 1234567", "DE89370400440532013000"]
)
def test_ordinary_text_is_no_card(text: str) -> None:
    assert not find_card_number(text)


def test_random_uuids_are_never_refused() -> None:
    source = random.Random(20261123)
    texts = [str(uuid.UUID(int=source.getrandbits(128))) for _ in range(100_000)]
    refused = sum(find_card_number(text) for text in texts)
    assert refused <= len(texts) // 1_000
    assert not any(find_card_number(text.replace("-", "")) for text in texts[:10_000])


def test_a_uuid_of_digits_only_that_holds_a_card_number_is_still_an_id() -> None:
    assert not find_card_number("41111111-1111-1111-1111-111111111111")
    assert find_card_number("41111111-1111-1111-1111-111111111111 4111111111111111")


def test_few_random_numeric_ids_are_refused() -> None:
    source = random.Random(20261124)
    numbers = [str(source.randrange(10 ** (length - 1), 10**length)) for length in range(12, 20) for _ in range(2_000)]
    assert sum(map(find_card_number, numbers)) <= len(numbers) * 0.03
    for length in range(12, 20):
        of_length = [number for number in numbers if len(number) == length]
        assert sum(map(find_card_number, of_length)) <= len(of_length) * 0.03, length
