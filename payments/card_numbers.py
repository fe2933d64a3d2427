"""Finds primary account numbers in text, so that none ever enters the log.

The log is append-only: a card number written once could not be removed. So every text of every command is looked at before
anything else happens to it. A number is refused when all three hold: an issuer prefix in use, a length that issuer uses and
the Luhn check digit (ISO/IEC 7812-1, prefixes as published by the networks). A UUID is never a card number, and a longer
run of digits is judged as a whole: numeric ids of 20 digits and more pass.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

# (lowest and highest first six digits, lengths in use)
_ISSUERS: tuple[tuple[int, int, frozenset[int]], ...] = (
    (222100, 272099, frozenset({16})),  # Mastercard
    (300000, 305999, frozenset({14})),  # Diners Club
    (309500, 309599, frozenset({14})),
    (340000, 349999, frozenset({15})),  # American Express
    (352800, 358999, frozenset({16, 17, 18, 19})),  # JCB
    (360000, 369999, frozenset({14})),
    (370000, 379999, frozenset({15})),
    (380000, 399999, frozenset({14})),
    (400000, 499999, frozenset({13, 16, 19})),  # Visa
    (501800, 501899, frozenset({16, 18, 19})),  # Maestro
    (502000, 502099, frozenset({16, 18, 19})),
    (503800, 503899, frozenset({16, 18, 19})),
    (506699, 506778, frozenset({16})),  # Elo
    (509000, 509999, frozenset({16})),
    (510000, 559999, frozenset({16})),  # Mastercard
    (589300, 589399, frozenset({16, 18, 19})),  # Maestro
    (601100, 601199, frozenset({16, 19})),  # Discover
    (606282, 606282, frozenset({16})),  # Hipercard
    (620000, 629999, frozenset({16, 17, 18, 19})),  # UnionPay
    (630400, 630499, frozenset({16, 18, 19})),  # Maestro
    (636297, 636368, frozenset({16})),  # Elo
    (644000, 659999, frozenset({16, 19})),  # Discover
    (675900, 676399, frozenset({16, 18, 19})),  # Maestro
)
_UUID = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Za-z])")
_HEX32 = re.compile(r"(?<![0-9A-Za-z])(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]{32}(?![0-9A-Za-z])")
_CANDIDATE = re.compile(r"[0-9](?:[ .\-_/]{0,2}[0-9]){12,}")
_GROUP = re.compile(r"[0-9]+")
_LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


class CardNumberRefused(Exception):
    """A text field holds a card number; only tokens may enter. Names the field, never its content.

    Not a ValueError on purpose: a validator that raised one would have the input quoted in its report.
    """

    def __init__(self, field: str) -> None:
        super().__init__(
            f"{field}: looks like a card number; send a token of your payment provider instead, it was not stored"
        )
        self.field = field


def holds_card_number(text: str) -> bool:
    """Whether the text is, or has inside it, a number that a card network could have issued."""
    if len(text) < 13:
        return False
    if not text.isascii():
        text = _plain(text)
    if _CANDIDATE.search(text) is None:
        return False
    text = _HEX32.sub("#", _UUID.sub("#", text))
    return any(_is_card(digits) for digits in _candidates(text))


def refuse_card_numbers(value: object, path: str = "") -> None:
    """Walk a body (mappings, lists, texts; names of members as well). Raises CardNumberRefused with the path."""
    if isinstance(value, str):
        if holds_card_number(value):
            raise CardNumberRefused(path or "body")
    elif isinstance(value, int):
        if value >= 10**12 and holds_card_number(str(value)):
            raise CardNumberRefused(path or "body")
    elif isinstance(value, Mapping):
        for name, member in value.items():
            if isinstance(name, str) and holds_card_number(name):
                raise CardNumberRefused(f"{path or 'body'} (the name of a member)")
            refuse_card_numbers(member, f"{path}.{name}" if path else str(name))
    elif isinstance(value, (list, tuple)):
        for index, member in enumerate(value):
            refuse_card_numbers(member, f"{path}[{index}]")


def _plain(text: str) -> str:
    """Full-width and other digits as ASCII, odd spaces as spaces, invisible characters gone."""
    folded = []
    for char in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(char)
        if category == "Nd":
            folded.append(str(unicodedata.digit(char)))
        elif category == "Zs":
            folded.append(" ")
        elif category == "Pd":
            folded.append("-")
        elif category != "Cf":
            folded.append(char)
    return "".join(folded)


def _candidates(text: str) -> Iterator[str]:
    for match in _CANDIDATE.finditer(text):
        groups = _GROUP.findall(match.group())
        if len(groups) > 12:  # digits written one by one: judged as a whole
            yield "".join(groups)
            continue
        for first in range(len(groups)):
            digits = ""
            for last in range(first, len(groups)):
                digits += groups[last]
                if len(digits) > 19:
                    break
                # Inside a longer text only the printed form counts: cards are written in groups of three to six digits.
                whole = first == 0 and last == len(groups) - 1
                if whole or first == last or all(3 <= len(group) <= 6 for group in groups[first : last + 1]):
                    yield digits


def _is_card(digits: str) -> bool:
    length = len(digits)
    if not 13 <= length <= 19:
        return False
    prefix = int(digits[:6])
    if not any(low <= prefix <= high and length in lengths for low, high, lengths in _ISSUERS):
        return False
    total = sum(int(digit) for digit in digits[-1::-2]) + sum(_LUHN_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return total % 10 == 0
