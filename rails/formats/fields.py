"""Texts of ISO 20022 messages as values. Every function raises `InvalidDocument`, naming the element."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Final

from domain.money import AMOUNT_MINOR_MAX, EXPONENTS
from rails.formats.document import one_line
from rails.formats.statement import Account, Party, Reported

if TYPE_CHECKING:
    from rails.formats.document import Element

DECIMAL: Final = re.compile(r"\+?(\d{1,18}(?:\.\d{0,17})?|\.\d{1,17})")
"""What xs:decimal allows of amounts: no sign but a plus, no exponent, no comma; a bank's 18 digits are the most."""
SIGNS: Final = {"CRDT": 1, "DBIT": -1}
FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:Z|[+-]\d\d:\d\d)?")
DATE_LENGTH: Final = 10
NAMES: Final = (("Nm",), ("Pty", "Nm"), ("Agt", "FinInstnId", "Nm"))
"""Where a party's name lies: since version 08 one level deeper, and a bank can be a party."""
WITHDRAWN: Final = dict.fromkeys(("BGN", "CYP", "EEK", "HRK", "LTL", "LVL", "MTL", "SIT", "SKK"), 2)
"""Currencies of SEPA countries before the euro: statements from their time are read, nothing is booked in them now."""


def amount(element: Element, sign: int, *path: str) -> Reported:
    """An amount with its currency; `sign` is +1 or -1, as `direction` tells."""
    found = element.at(*path)
    if found is None:
        raise element.wrong("is missing or empty", *path)
    currency = found.attributes.get("Ccy", "")
    exponent = EXPONENTS.get(currency, WITHDRAWN.get(currency))
    if exponent is None:
        raise element.wrong(f"is in {one_line(currency)}, which is no currency with minor units", *path)
    text = found.text
    if not DECIMAL.fullmatch(text):
        raise element.wrong(f"is {one_line(text)}, which is no amount", *path)
    exact = Decimal(text).scaleb(exponent)
    minor = exact.quantize(Decimal(1), ROUND_HALF_EVEN)
    if minor > AMOUNT_MINOR_MAX:
        raise element.wrong(f"is {one_line(text)}: more than {AMOUNT_MINOR_MAX} minor units", *path)
    written = text.removeprefix("+")
    return Reported(sign * int(minor), currency, written if sign > 0 else f"-{written}", minor == exact)


def direction(element: Element, *path: str) -> int:
    """+1 for CRDT, money in; -1 for DBIT."""
    text = element.need(*path)
    if text not in SIGNS:
        raise element.wrong(f"is {one_line(text)}: it must be CRDT or DBIT", *path)
    return SIGNS[text]


def flag(element: Element, *path: str) -> bool | None:
    """A boolean of XML; None when it is not there."""
    text = element.told(*path)
    if text is None:
        return None
    if text not in FLAGS:
        raise element.wrong(f"is {one_line(text)}: it must be true or false", *path)
    return FLAGS[text]


def whole(element: Element, *path: str) -> int | None:
    """A number of things; None when it is not there."""
    text = element.told(*path)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise element.wrong(f"is {one_line(text)}, which is no number of up to 15 digits", *path)
    return int(text)


def day(element: Element, *path: str) -> date | None:
    """A `DateAndDateTime`: its date, or the date of its moment as the bank wrote it; None when it is not there."""
    found = element.at(*path)
    if found is None:
        return None
    if text := found.told("Dt"):
        matched = DATE.fullmatch(text)
        try:
            return date.fromisoformat(matched[1] if matched else text)
        except ValueError:
            raise element.wrong(f"is {one_line(text)}, which is no date", *path, "Dt") from None
    # some banks write a date without the Dt around it, and some a moment that means its day
    _moment(element, found.told("DtTm") or found.need("Dt"), *path, "DtTm")
    return date.fromisoformat((found.told("DtTm") or "")[:DATE_LENGTH])


def moment(element: Element, *path: str) -> datetime | None:
    """An ISO date and time in UTC; one without an offset is taken to be in UTC. None when it is not there."""
    text = element.told(*path)
    return _moment(element, text, *path) if text is not None else None


def _moment(element: Element, text: str, *path: str) -> datetime:
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise element.wrong(f"is {one_line(text)}, which is no date and time", *path) from None
    try:
        return told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC)
    except OverflowError:
        raise element.wrong(f"is {one_line(text)}, a moment beyond all calendars", *path) from None


def account(element: Element | None) -> Account | None:
    """An account; None when it is not there or says nothing that could tell it from others."""
    if element is None:
        return None
    iban = element.told("Id", "IBAN")
    # old national forms before version 02 aside, everything that is no IBAN is Othr, with or without a scheme
    other = element.told("Id", "Othr", "Id")
    if iban is None and other is None:
        return None
    servicer = element.at("Svcr", "FinInstnId")
    return Account(
        iban=iban,
        other=other,
        currency=element.told("Ccy"),
        owner=element.told("Ownr", "Nm"),
        bic=(servicer.told("BICFI") or servicer.told("BIC")) if servicer is not None else None,
    )


def party(parties: Element | None, agents: Element | None, role: str) -> Party:
    """Debtor (`Dbtr`) or creditor (`Cdtr`)."""
    agent = agents.at(f"{role}Agt", "FinInstnId") if agents is not None else None
    bic = (agent.told("BICFI") or agent.told("BIC")) if agent is not None else None
    if parties is None:
        return Party(bic=bic)
    held = parties.child(f"{role}Acct")
    return Party(
        name=next((name for path in NAMES if (name := parties.told(role, *path))), None),
        iban=held.told("Id", "IBAN") if held is not None else None,
        other=held.told("Id", "Othr", "Id") if held is not None else None,
        bic=bic,
    )
