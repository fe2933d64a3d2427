"""Finds payment card numbers in text, so that none is ever stored or logged: only tokens may enter.

A match needs a known issuer prefix with a length that issuer uses (ISO/IEC 7812; the ranges the card schemes publish)
and a valid Luhn check digit (ISO/IEC 7812-1 annex B). Anything shaped like a UUID is an id of ours and never a card.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_UUID: Final = re.compile(
    r"(?<![0-9a-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z])|(?<![0-9a-z])[0-9a-f]{32}(?![0-9a-z])",
    re.IGNORECASE,
)
_RUN: Final = re.compile(r"\d(?:[ \-\u00a0\u2010-\u2015]?\d){11,}")
_LIKELY: Final = re.compile(r"[0-9][0-9 -]{11,}")  # holds every run of a plain text, and is quick to look for
_SEPARATOR: Final = re.compile(r"\D")

# (lowest prefix, highest prefix, lengths): prefixes of equal digit count, inclusive.
_ISSUERS: Final[tuple[tuple[int, int, tuple[int, ...]], ...]] = (
    (4, 4, (13, 16, 19)),  # Visa
    (51, 55, (16,)),  # Mastercard
    (2221, 2720, (16,)),  # Mastercard, second series
    (34, 34, (15,)),  # American Express
    (37, 37, (15,)),
    (6011, 6011, (16, 19)),  # Discover
    (644, 649, (16, 19)),
    (65, 65, (16, 19)),
    (36, 36, (14, 19)),  # Diners Club
    (300, 305, (14,)),
    (38, 39, (14,)),
    (3528, 3589, (16, 19)),  # JCB
    (62, 62, (16, 17, 18, 19)),  # UnionPay
    (5018, 5018, (12, 13, 14, 15, 16, 17, 18, 19)),  # Maestro
    (5020, 5020, (12, 13, 14, 15, 16, 17, 18, 19)),
    (5038, 5038, (12, 13, 14, 15, 16, 17, 18, 19)),
    (6304, 6304, (12, 13, 14, 15, 16, 17, 18, 19)),
    (6759, 6759, (12, 13, 14, 15, 16, 17, 18, 19)),
    (6761, 6763, (12, 13, 14, 15, 16, 17, 18, 19)),
    (2200, 2204, (16, 19)),  # Mir
)
_SHORTEST: Final = 12
_LONGEST: Final = 19


def _luhn_holds(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit)
        if index % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def _issuer_uses(digits: str) -> bool:
    for lowest, highest, lengths in _ISSUERS:
        if len(digits) in lengths and lowest <= int(digits[: len(str(lowest))]) <= highest:
            return True
    return False


def _is_card(digits: str) -> bool:
    return _SHORTEST <= len(digits) <= _LONGEST and _issuer_uses(digits) and _luhn_holds(digits)


def find_card_number(text: str) -> bool:
    """Whether a card number stands anywhere in `text`, its digits joined or set apart by single spaces or dashes.

    A text is looked at as a person would read it: digits of any script, without invisible characters.
    """
    if len(text) < _SHORTEST:
        return False
    if not text.isascii():
        text = _plain(text)
    # Ids are digits beside others here, so they can only add a card: taking them out, the costly part, is for then.
    return _shows_card(text) and _shows_card(_UUID.sub("|", text))


def _shows_card(text: str) -> bool:
    likely = _LIKELY.findall(text)
    return any(_holds_card(run.group()) for part in likely for run in _RUN.finditer(part))


def _plain(text: str) -> str:
    """Digits of every script as ASCII, odd spaces and dashes as plain ones, invisible characters gone."""
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


def _holds_card(run: str) -> bool:
    """A run is a card as a whole, or some of its separated groups are (a date or a CVC may stand beside them)."""
    groups = _SEPARATOR.split(run)
    for first in range(len(groups)):
        digits = ""
        for group in groups[first:]:
            digits += group
            if len(digits) > _LONGEST:
                break
            if _is_card(digits):
                return True
    return False
