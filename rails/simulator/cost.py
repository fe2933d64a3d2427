"""What the simulator charges for a capture. Written out here on purpose: nothing is shared with the ledger's money."""

from __future__ import annotations

from typing import Final

COST_PER_MILLE: Final = 14
"""1.4 %, in thousandths."""
FIXED_COST_MINOR: Final = 25
"""25 minor units whatever the currency is: a practice rail has one price list."""


def capture_cost(amount_minor: int) -> int:
    """1.4 % of the amount rounded half to even, plus 25, in minor units.

    >>> [capture_cost(amount) for amount in (10_000, 250, 750, 1_250)]
    [165, 29, 35, 43]
    """
    whole, rest = divmod(amount_minor * COST_PER_MILLE, 1_000)
    if rest > 500 or (rest == 500 and whole % 2 == 1):
        whole += 1
    return whole + FIXED_COST_MINOR
