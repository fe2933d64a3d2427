"""The bank rail: euros by a transfer that the payer makes with a reference, or collected by direct debit.

Its settings: `url` (where the bank's interface is reached), `creditor_name`, `iban` and `bic` of the account that is
paid into, `creditor_id` (the identifier by which direct debits are collected), `read_timeout` in seconds (default 25),
and for one of its `OPERATIONS` such as `read_timeout.inquire`. All are checked before a payer is told of an account
that does not exist. The adapter is in `rails/sepa_rail.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rails.http_calls import read_timeouts
from rails.port import Takes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rails.formats.direct_debit import Creditor
    from rails.port import Now, Rail

NAME: Final = "sepa"
TAKES: Final = Takes(frozenset({"bank_transfer", "direct_debit"}), frozenset({"EUR"}))
OPERATIONS: Final = ("authorise", "inquire", "facts")
"""What the bank is asked for: to collect, what became of a debit, and what was booked."""
CREDITOR_ID: Final = re.compile(r"([A-Z]{2})(\d\d)[A-Z0-9]{3}([A-Z0-9]{1,28})")


class SepaSettingInvalid(ValueError):
    """A setting of the bank rail is missing or cannot be what it says."""


def from_settings(settings: Mapping[str, str], now: Now) -> Rail:
    """Raises `SepaSettingInvalid`. Opening sends nothing."""
    # Only here: what reads and writes bank files is of no use to the processes that do not pay.
    from rails.sepa_bank import HttpBank
    from rails.sepa_rail import SepaRail

    timeouts = read_timeouts(settings, OPERATIONS, SepaSettingInvalid)
    return SepaRail(HttpBank(_url(settings), timeouts), _creditor(settings), now)


def _url(settings: Mapping[str, str]) -> str:
    url = settings.get("url", "")
    if not url.startswith(("http://", "https://")):
        raise SepaSettingInvalid(f"url is {url!r}: give the bank's address, such as http://127.0.0.1:8081")
    return url


def _creditor(settings: Mapping[str, str]) -> Creditor:
    from rails.formats.direct_debit import Creditor
    from rails.formats.written import AccountHolder, FileNotWritable, checked_holder

    holder = AccountHolder(settings.get("creditor_name", ""), settings.get("iban", ""), settings.get("bic") or None)
    try:
        account = checked_holder(holder, "creditor")
    except FileNotWritable as error:
        name = "creditor_name" if error.field == "creditor.name" else error.field.removeprefix("creditor.")
        raise SepaSettingInvalid(f"{name} {error.problem}") from None
    creditor_id = settings.get("creditor_id", "").replace(" ", "")
    if not is_creditor_id(creditor_id):
        raise SepaSettingInvalid(
            f"creditor_id is {creditor_id!r}: give the identifier your central bank gave, such as DE98ZZZ09999999999"
        )
    return Creditor(account, creditor_id)


def is_creditor_id(text: str) -> bool:
    """Right in form and check digits (EPC262-08); the three characters of the business line are not part of them.

    >>> is_creditor_id("DE98ZZZ09999999999"), is_creditor_id("DE97ZZZ09999999999")
    (True, False)
    """
    from schwifty.checksum import ISO7064_mod97_10

    found = CREDITOR_ID.fullmatch(text)
    return found is not None and ISO7064_mod97_10().compute([found[3], found[1]]) == found[2]
