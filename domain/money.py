"""Money as whole minor units with an ISO 4217 currency, and the two roundings the books allow.

Floats and decimals are kept out on purpose: every division of money in this system is one of `allocate` (largest
remainder) or `share_half_even`, so a cent can neither appear nor vanish.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from domain.errors import RuleViolation

AMOUNT_MINOR_MAX: Final = 10**15
"""Largest single amount, in minor units: sums of nine thousand of them still fit PostgreSQL's bigint."""

BPS_WHOLE: Final = 10_000
"""Basis points in one whole."""

_NO_MINOR_UNIT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_TWO_DIGITS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY "
    "COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS "
    "INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR "
    "MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP "
    "STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG"
)
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DIGITS = "CLF UYW"

EXPONENTS: Final[dict[str, int]] = {
    code: exponent
    for exponent, codes in ((0, _NO_MINOR_UNIT), (2, _TWO_DIGITS), (3, _THREE_DIGITS), (4, _FOUR_DIGITS))
    for code in codes.split()
}
"""Minor-unit digits of each active ISO 4217 currency (list one, 2026: without BGN, with XCG and ZWG); metals and test
codes, which have no minor unit, cannot be booked."""


class UnknownCurrency(RuleViolation):
    """The currency is no active ISO 4217 code with a minor unit."""

    code: ClassVar[str] = "unknown_currency"


class AmountNotPositive(RuleViolation):
    """An amount that must move money is zero or negative."""

    code: ClassVar[str] = "amount_not_positive"


class AmountTooLarge(RuleViolation):
    """An amount is above `AMOUNT_MINOR_MAX`."""

    code: ClassVar[str] = "amount_too_large"


class WeightsNotUsable(RuleViolation):
    """An amount cannot be divided: no weight is positive, or one is negative."""

    code: ClassVar[str] = "weights_not_usable"


def check_currency(currency: str, field: str = "currency") -> str:
    """Give the currency back when it can be booked, else raise `UnknownCurrency`."""
    if currency not in EXPONENTS:
        message = f"{field} {currency!r} is no active ISO 4217 code; send three capital letters such as EUR"
        raise UnknownCurrency(message, field)
    return currency


def check_amount(amount_minor: int, field: str = "amount_minor") -> int:
    """Give a positive amount of minor units back, else raise `AmountNotPositive` or `AmountTooLarge`."""
    if amount_minor <= 0:
        raise AmountNotPositive(f"{field} must be at least 1 minor unit, not {amount_minor}", field)
    if amount_minor > AMOUNT_MINOR_MAX:
        raise AmountTooLarge(f"{field} must be at most {AMOUNT_MINOR_MAX} minor units, not {amount_minor}", field)
    return amount_minor


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency in minor units; may be zero or negative (a balance can be), but not beyond the maximum.

    Raises `UnknownCurrency` and `AmountTooLarge`.
    """

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        check_currency(self.currency)
        if abs(self.amount_minor) > AMOUNT_MINOR_MAX:
            message = f"amount_minor must be within +-{AMOUNT_MINOR_MAX} minor units, not {self.amount_minor}"
            raise AmountTooLarge(message, "amount_minor")

    @property
    def exponent(self) -> int:
        """Digits after the decimal point of this currency (ISO 4217)."""
        return EXPONENTS[self.currency]

    def __str__(self) -> str:
        sign = "-" if self.amount_minor < 0 else ""
        digits = str(abs(self.amount_minor)).rjust(self.exponent + 1, "0")
        if self.exponent == 0:
            return f"{sign}{digits} {self.currency}"
        return f"{sign}{digits[: -self.exponent]}.{digits[-self.exponent :]} {self.currency}"


def allocate(amount: int, weights: Sequence[int]) -> list[int]:
    """Divide `amount` minor units in proportion to `weights` so that the parts sum to it exactly.

    Largest remainder: each part is rounded toward zero, the units left over go one each to the largest remainders,
    ties to the lowest index (callers sort by seller id, so ties go to the lowest seller id). A negative amount mirrors
    the positive one. Raises `WeightsNotUsable` when a weight is negative or all are zero.
    """
    total = sum(weights)
    if total <= 0 or min(weights) < 0:
        message = "weights must be zero or more and at least one above zero; give each party what is due to it"
        raise WeightsNotUsable(message, "weights")
    if amount < 0:
        return [-part for part in allocate(-amount, weights)]
    parts: list[int] = []
    remainders: list[int] = []
    for weight in weights:
        part, remainder = divmod(amount * weight, total)
        parts.append(part)
        remainders.append(remainder)
    left = amount - sum(parts)
    if left:
        by_remainder = sorted(range(len(parts)), key=lambda index: (-remainders[index], index))
        for index in by_remainder[:left]:
            parts[index] += 1
    return parts


def share_half_even(amount_minor: int, bps: int) -> int:
    """Basis points of an amount, in minor units, halves rounded to the even neighbour."""
    whole, rest = divmod(amount_minor * bps, BPS_WHOLE)
    if rest * 2 > BPS_WHOLE or (rest * 2 == BPS_WHOLE and whole % 2):
        return whole + 1
    return whole
