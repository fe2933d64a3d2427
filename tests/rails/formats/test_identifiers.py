"""Names of payments at banks: the same for the same key, within the banks' limits, found again in what payers type."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rails.formats.identifiers import (
    creditor_reference,
    creditor_references,
    end_to_end_id,
    grouped,
    is_end_to_end_id,
)
from rails.formats.sepa_text import LONGEST_NAME, sepa_text

keys = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200)


def remainder(text: str) -> int:
    """ISO 7064 mod 97-10 by hand: letters are two digits, the first four characters go to the end."""
    return int("".join(str(int(letter, 36)) for letter in text[4:] + text[:4])) % 97


def test_the_check_used_here_is_that_of_the_standard() -> None:
    assert remainder("RF18539007547034") == 1
    assert remainder("RF19539007547034") != 1


@given(keys)
def test_a_key_has_one_reference_that_every_bank_takes(key: str) -> None:
    reference = creditor_reference(key)
    assert reference == creditor_reference(key)
    assert remainder(reference) == 1
    assert re.fullmatch(r"RF\d\d[A-Z0-9]{1,21}", reference)
    assert is_end_to_end_id(end_to_end_id(key))
    assert re.fullmatch(r"[A-Z0-9]{1,35}", end_to_end_id(key))


@given(keys, keys)
def test_two_keys_have_two_names(one: str, other: str) -> None:
    if one != other:
        assert creditor_reference(one) != creditor_reference(other)
        assert end_to_end_id(one) != end_to_end_id(other)


@given(keys, st.sampled_from(["{}", "order {} thanks", "ref.: {}.", "{}\nsecond line", "xRF{}"]))
def test_a_payer_may_write_it_in_groups_and_small_letters_among_other_words(key: str, text: str) -> None:
    reference = creditor_reference(key)
    for written in (reference, reference.lower(), grouped(reference), grouped(reference).replace(" ", "-")):
        assert list(creditor_references(text.format(written))) == [reference]


@given(keys, st.integers(4, 19), st.characters(codec="ascii", categories=("Lu",)))
def test_a_wrong_letter_is_no_reference(key: str, place: int, letter: str) -> None:
    reference = creditor_reference(key)
    # a letter for a figure is found 96 times in 97, one letter for another always
    assume(reference[place].isalpha() and reference[place] != letter)
    assert list(creditor_references(reference[:place] + letter + reference[place + 1 :])) == []


def test_two_references_in_one_text_are_both_told_and_one_that_is_repeated_is_told_once() -> None:
    one, other = creditor_reference("a/1"), creditor_reference("b/1")
    assert list(creditor_references(f"{one} {other} {one}")) == [one, other]
    assert list(creditor_references("RF18539007547034, and no other")) == []


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Café Müller & Söhne", "Cafe Muller + Sohne"),
        ("Łódź; Ærø_ß", "Lodz, AEro-ss"),
        ("Ελλάς", "Ellas"),
        ("50 € <b>", "50 EUR .b."),
        ("  /a//b\n c ", "a/b c"),
        ("", ""),
        ("x" * 71, "x" * 70),
    ],
)
def test_a_name_is_written_in_the_letters_that_banks_take(text: str, plain: str) -> None:
    assert sepa_text(text, LONGEST_NAME) == plain


@given(st.text(max_size=300))
def test_no_text_keeps_a_letter_that_banks_refuse(text: str) -> None:
    plain = sepa_text(text, LONGEST_NAME)
    assert re.fullmatch(r"[A-Za-z0-9/\-?:().,'+ ]{0,70}", plain)
    assert sepa_text(plain, LONGEST_NAME) == plain
