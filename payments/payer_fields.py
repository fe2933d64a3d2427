"""What may be said of a payer: names, email addresses and IBANs in the one form in which they are sealed.

No message quotes what it is about: messages end up in answers and logs, and this is personal data.
"""

from __future__ import annotations

import re

NAME_LENGTH_MAX = 140
EMAIL_LENGTH_MAX = 254
IBAN_TYPED_LENGTH_MAX = 42
"""34 characters in groups of four."""

MANDATE_REFERENCE = r"^[A-Za-z0-9+?/:().,' -]{1,35}$"
"""The characters of a mandate's reference (EPC217-08), and how many there may be."""

_EMAIL = re.compile(r"[^\s@\"<>(),;:\\\[\]]{1,64}@[^\s@\"<>(),;:\\\[\]_]+\.[^\s@\"<>(),;:\\\[\]_.]{2,63}")
_IBAN_SHAPE = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")


def email_of(text: str) -> str:
    """An email address as it was given. Raises ValueError when it has not the shape of one."""
    if len(text) > EMAIL_LENGTH_MAX or _EMAIL.fullmatch(text) is None or ".." in text:
        raise ValueError(f"must be an email address of at most {EMAIL_LENGTH_MAX} characters, like anna@example.com")
    return text


def iban_of(text: str) -> str:
    """An IBAN in capitals without spaces. Raises ValueError that says whether its country, its length and structure, or
    its check digits are wrong."""
    from schwifty import IBAN  # only here: its country data is more than all other rules of an order together
    from schwifty.exceptions import InvalidChecksumDigits, InvalidCountryCode, SchwiftyException

    compact = compact_iban(text)
    if _IBAN_SHAPE.fullmatch(compact) is None:
        raise ValueError("must be an IBAN: a country's two letters, two check digits, and 11 to 30 letters or digits")
    try:
        return str(IBAN(compact).compact)
    except InvalidCountryCode:
        raise ValueError("must be an IBAN of a country that has IBANs") from None
    except InvalidChecksumDigits:
        raise ValueError("is mistyped: the check digits of the IBAN do not fit the rest") from None
    except SchwiftyException:
        raise ValueError("must be an IBAN with the length and structure of its country") from None


def compact_iban(text: str) -> str:
    """In capitals and without spaces, whatever it is."""
    return text.replace(" ", "").upper()


def has_check_digits_of_an_iban(text: str) -> bool:
    """Whether a whole text is an IBAN by shape and check digits (ISO 7064, modulo 97): then it is no card number, even
    if some of its digits look like one."""
    compact = compact_iban(text)
    if not compact.isascii() or _IBAN_SHAPE.fullmatch(compact) is None:
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1
