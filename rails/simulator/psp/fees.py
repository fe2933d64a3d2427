"""What the provider charges for a capture. Written out here on purpose: nothing is shared with a ledger's money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Fee:
    """A part of the amount, in hundredths of a per cent, and a fixed part in minor units whatever the currency is."""

    basis_points: int
    fixed_minor: int

    def of(self, amount_minor: int) -> int:
        """The part rounded half to even, plus the fixed part, in minor units.

        >>> [USUAL_FEE.of(amount) for amount in (10_000, 250, 750, 1_250)]
        [165, 29, 35, 43]
        """
        whole, rest = divmod(amount_minor * self.basis_points, 10_000)
        if rest > 5_000 or (rest == 5_000 and whole % 2 == 1):
            whole += 1
        return whole + self.fixed_minor


USUAL_FEE: Final = Fee(basis_points=140, fixed_minor=25)
"""1.4 % and 25 minor units."""
