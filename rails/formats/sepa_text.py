"""Texts in the letters that SEPA messages may carry (EPC217-08): Latin without accents, digits and ten signs."""

from __future__ import annotations

import re
from typing import Final

from text_unidecode import unidecode

REFUSED: Final = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")
SIMILAR: Final = str.maketrans({"&": "+", "_": "-", ";": ",", "[": "(", "]": ")", "{": "(", "}": ")", '"': "'"})
LONGEST_NAME: Final = 70
LONGEST_REMITTANCE: Final = 140


def sepa_text(text: str, longest: int) -> str:
    """The nearest text a bank takes, cut to `longest` characters: letters lose their accents, other scripts are
    written in Latin, and what has nothing similar becomes a full stop. May be empty when nothing was there.

    >>> sepa_text("Café Müller & Söhne", LONGEST_NAME)
    'Cafe Muller + Sohne'
    """
    latin = unidecode(text).translate(SIMILAR)
    plain = REFUSED.sub(".", " ".join(latin.split()))
    # a slash at the beginning, or two of them, would end the field at some banks (EPC implementation guidelines)
    return re.sub(r"/{2,}", "/", plain).lstrip("/ ")[:longest].rstrip()
