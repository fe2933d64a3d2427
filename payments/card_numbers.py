"""Refuses commands with a card number in any text, before anything else is done with them.

The log is append-only: a card number written once could not be taken out again. What counts as one is
`domain.card_numbers`; here every text of a body is shown to it, wherever it stands, in the plain form that a person
would read.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.card_numbers import find_card_number
from payments.payer_fields import has_check_digits_of_an_iban

IBAN_PATH = "payer.iban"
"""Where an IBAN is expected: it is sealed, and some of its digits may well look like a card's."""


class CardNumberRefused(Exception):
    """A text field holds a card number; only tokens may enter. Names the field, never its content.

    Not a ValueError on purpose: a validator that raised one would have the input quoted in its report.
    """

    def __init__(self, field: str) -> None:
        super().__init__(
            f"{field}: looks like a card number; send a token of your payment provider instead, it was not stored"
        )
        self.field = field


def holds_card_number(text: str, path: str) -> bool:
    """Whether a card number stands in the text of this path; what is an IBAN where one is expected is none."""
    return find_card_number(text) and not (path == IBAN_PATH and has_check_digits_of_an_iban(text))


def refuse_card_numbers(value: object, path: str = "") -> None:
    """Walk a body (mappings, lists, texts; names of members as well). Raises CardNumberRefused with the path."""
    if isinstance(value, str):
        if holds_card_number(value, path):
            raise CardNumberRefused(path or "body")
    elif isinstance(value, Mapping):
        for name, member in value.items():
            if isinstance(name, str) and find_card_number(name):
                raise CardNumberRefused(f"{path or 'body'} (the name of a member)")
            refuse_card_numbers(member, f"{path}.{name}" if path else str(name))
    elif isinstance(value, (list, tuple)):
        for index, member in enumerate(value):
            refuse_card_numbers(member, f"{path}[{index}]")
