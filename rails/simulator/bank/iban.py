"""IBANs: their check digits, and the accounts of the simulated banks."""

from __future__ import annotations

import re
from typing import Final

IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
BANK_CODE: Final = "99900000"
"""A German sort code that no bank has: accounts here cannot be somebody's."""
BIC: Final = "SIMBDEFFXXX"


def is_iban(text: str) -> bool:
    """Right in form and check digits; which accounts exist is another matter.

    >>> is_iban("DE89370400440532013000"), is_iban("DE88370400440532013000"), is_iban("DE89 3704 0044 0532 0130 00")
    (True, False, False)
    """
    return IBAN.fullmatch(text) is not None and _remainder(text[4:] + text[:4]) == 1


def iban(account: str) -> str:
    """The IBAN of a ten-digit account at the simulated bank.

    >>> iban("0000000001"), is_iban(iban("0000000001"))
    ('DE82999000000000000001', True)
    """
    check = 98 - _remainder(f"{BANK_CODE}{account}DE00")
    return f"DE{check:02d}{BANK_CODE}{account}"


def account_of_currency(currency: str) -> str:
    """The merchant's own account in a currency, unless the terms name another: the letters make its number."""
    letters = "".join(f"{ord(letter) - 64:02d}" for letter in currency)
    return iban(f"{letters:0>10}")


def currency_of_account(text: str) -> str | None:
    """The currency that such an account is for; None for every other account.

    >>> currency_of_account(account_of_currency("EUR")), currency_of_account(iban("0000009101"))
    ('EUR', None)
    """
    account = text[12:]
    if text[4:12] != BANK_CODE or not account.startswith("0000") or not account.isdigit():
        return None
    numbers = [int(account[place : place + 2]) for place in (4, 6, 8)]
    return "".join(chr(number + 64) for number in numbers) if all(1 <= number <= 26 for number in numbers) else None


def _remainder(text: str) -> int:
    return int("".join(str(int(character, 36)) for character in text)) % 97
