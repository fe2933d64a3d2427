"""The bank rail's settings, checked before anybody is asked to pay into an account that does not exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from schwifty.checksum import ISO7064_mod97_10

from rails.formats.direct_debit import Creditor
from rails.formats.written import AccountHolder, FileNotWritable, checked_holder

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_READ_TIMEOUT_SECONDS: Final = 25.0
CREDITOR_ID: Final = re.compile(r"([A-Z]{2})(\d\d)[A-Z0-9]{3}([A-Z0-9]{1,28})")
_CHECK_DIGITS: Final = ISO7064_mod97_10()


class SepaSettingInvalid(ValueError):
    """A setting of the bank rail is missing or cannot be what it says."""


def read_settings(settings: Mapping[str, str]) -> tuple[str, float, Creditor]:
    """The bank's address, seconds to wait for it, and who collects. Raises `SepaSettingInvalid`."""
    url = settings.get("url", "")
    if not url.startswith(("http://", "https://")):
        raise SepaSettingInvalid(f"url is {url!r}: give the bank's address, such as http://127.0.0.1:8081")
    given = settings.get("read_timeout", str(DEFAULT_READ_TIMEOUT_SECONDS))
    try:
        read_timeout = float(given)
    except ValueError:
        read_timeout = 0.0
    if not 0 < read_timeout <= 300:
        raise SepaSettingInvalid(f"read_timeout is {given!r}: give seconds, above 0 and at most 300")
    try:
        holder = AccountHolder(settings.get("creditor_name", ""), settings.get("iban", ""), settings.get("bic") or None)
        account = checked_holder(holder, "creditor")
    except FileNotWritable as error:
        name = "creditor_name" if error.field == "creditor.name" else error.field.removeprefix("creditor.")
        raise SepaSettingInvalid(f"{name} {error.problem}") from None
    creditor_id = settings.get("creditor_id", "").replace(" ", "")
    if not is_creditor_id(creditor_id):
        raise SepaSettingInvalid(
            f"creditor_id is {creditor_id!r}: give the identifier your central bank gave, such as DE98ZZZ09999999999"
        )
    return url, read_timeout, Creditor(account, creditor_id)


def is_creditor_id(text: str) -> bool:
    """Right in form and check digits (EPC262-08); the three characters of the business line are not part of them.

    >>> is_creditor_id("DE98ZZZ09999999999"), is_creditor_id("DE97ZZZ09999999999")
    (True, False)
    """
    found = CREDITOR_ID.fullmatch(text)
    return found is not None and _CHECK_DIGITS.compute([found[3], found[1]]) == found[2]
