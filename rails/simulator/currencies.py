"""How many decimals a currency is written with, for reports and bank files. Shared with nobody, on purpose."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

USUAL: Final = 2
EXPONENTS: Final = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


def decimal_text(amount_minor: int, currency: str) -> str:
    """Minor units as a decimal number.

    >>> decimal_text(-123456, "EUR"), decimal_text(5, "KWD"), decimal_text(700, "JPY")
    ('-1234.56', '0.005', '700')
    """
    exponent = EXPONENTS.get(currency, USUAL)
    return f"{Decimal(amount_minor).scaleb(-exponent):.{exponent}f}"


def minor_units(text: str, currency: str) -> int | None:
    """A decimal number in minor units; None for what is no number or has more decimals than the currency."""
    try:
        exact = Decimal(text).scaleb(EXPONENTS.get(currency, USUAL))
    except InvalidOperation:
        return None
    return int(exact) if exact.is_finite() and exact == exact.to_integral_value() else None
