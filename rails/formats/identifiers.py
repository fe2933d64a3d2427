"""What a payment is called on its way through banks, made from the attempt's key: the same key, the same names.

Both are digests, because keys are longer than banks allow (35 characters, 25 of a creditor reference) and mean nothing
to a payer. Of 145 bits the first and of 80 the second: among a thousand million payments the chance that any two share
a reference is four in ten million.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Final

from schwifty.checksum import ISO7064_mod97_10

if TYPE_CHECKING:
    from collections.abc import Iterator

END_TO_END_ID: Final = re.compile(r"DBK[A-Z2-7]{29}")
REFERENCE_LETTERS: Final = 16
_REFERENCE: Final = re.compile(rf"(?=RF(\d\d)([A-Z2-7]{{{REFERENCE_LETTERS}}}))")
_SEPARATORS: Final = re.compile(r"[\s\-./:+,]")
_CHECK_DIGITS: Final = ISO7064_mod97_10()


def end_to_end_id(attempt_key: str) -> str:
    """What a direct debit is called from the file to the statement: 32 characters that every bank takes."""
    return f"DBK{_letters(attempt_key, 'end-to-end')[:29]}"


def is_end_to_end_id(text: str) -> bool:
    """Whether this could be one of ours."""
    return END_TO_END_ID.fullmatch(text) is not None


def creditor_reference(attempt_key: str) -> str:
    """What a payer writes on a transfer: an RF creditor reference (ISO 11649) of 20 characters, without spaces."""
    letters = _letters(attempt_key, "creditor reference")[:REFERENCE_LETTERS]
    return f"RF{_check_digits(letters)}{letters}"


def creditor_references(text: str) -> Iterator[str]:
    """Every reference of ours in a text as payers type it: in small letters, in groups, among other words.

    Check digits tell a reference from a word that looks like one, 96 times in 97; whether it is known, the caller must
    look up.
    """
    seen = set()
    for found in _REFERENCE.finditer(_SEPARATORS.sub("", text).upper()):
        digits, letters = found[1], found[2]
        if digits == _check_digits(letters) and letters not in seen:
            seen.add(letters)
            yield f"RF{digits}{letters}"


def grouped(reference: str) -> str:
    """The reference as it is shown to people: in groups of four."""
    return " ".join(reference[place : place + 4] for place in range(0, len(reference), 4))


def _check_digits(letters: str) -> str:
    return _CHECK_DIGITS.compute([letters, "RF"])


def _letters(key: str, purpose: str) -> str:
    digest = hashlib.sha256(f"{purpose}\n{key}".encode()).digest()
    return base64.b32encode(digest).decode().rstrip("=")
