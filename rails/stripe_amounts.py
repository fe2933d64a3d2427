"""Amounts as Stripe counts them.

Stripe's units are the minor units of ISO 4217, but for three currencies, and an amount taken for the other kind is
wrong by a factor of a hundred without anybody being told. Source: docs.stripe.com/currencies (zero-decimal currencies
and special cases).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_FINER: Final[Mapping[str, int]] = {"ISK": 100, "UGX": 100}
"""No minor unit in ISO 4217, two digits at Stripe, both of which must be zero."""
_COARSER: Final[Mapping[str, int]] = {"MGA": 100}
"""Two digits in ISO 4217, none at Stripe."""


class AmountNotAtStripe(ValueError):
    """An amount with a fraction that Stripe cannot take."""


def at_stripe(amount_minor: int, currency: str) -> int:
    """The amount in Stripe's units. Raises `AmountNotAtStripe`."""
    whole, rest = divmod(amount_minor * _FINER.get(currency, 1), _COARSER.get(currency, 1))
    if rest:
        raise AmountNotAtStripe(f"{amount_minor} of {currency}: Stripe takes whole units of this currency only")
    return whole


def at_home(amount: int, currency: str) -> int:
    """The amount in minor units of ISO 4217. Raises `AmountNotAtStripe`."""
    whole, rest = divmod(amount * _COARSER.get(currency, 1), _FINER.get(currency, 1))
    if rest:
        raise AmountNotAtStripe(f"Stripe's {amount} of {currency} has a fraction that the currency lacks")
    return whole
