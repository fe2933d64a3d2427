"""Conditions: what must be true of a wallet for a request to be carried out, checked where nothing can come between."""

from __future__ import annotations

from typing import ClassVar, Final
from uuid import UUID

import msgspec

from domain.errors import RuleViolation
from domain.wallet_head import WalletHead

CONDITION_NOT_MET: Final = "condition_not_met"


class ConditionNotUsable(RuleViolation, ValueError):
    """A condition names one number to compare; none, or several, would leave open what is asked.

    It is a ValueError too, so that one read from JSON is refused by the reader as any other malformed input.
    """

    code: ClassVar[str] = "condition_not_usable"


class Condition(msgspec.Struct, frozen=True, omit_defaults=True):
    """One comparison with one wallet; exactly one of the three numbers is set.

    `at_least_minor` looks at what is available, `exactly_minor` at the natural posted balance (both minor units),
    `version` at the version of the wallet's stream. Raises `ConditionNotUsable`.
    """

    wallet_id: UUID
    at_least_minor: int | None = None
    exactly_minor: int | None = None
    version: int | None = None

    def __post_init__(self) -> None:
        wanted = (self.at_least_minor, self.exactly_minor, self.version)
        if sum(number is not None for number in wanted) != 1:
            message = "conditions: set exactly one of at_least_minor, exactly_minor and version"
            raise ConditionNotUsable(message, "conditions")

    def refusal(self, head: WalletHead) -> tuple[str, str] | None:
        """Why a request with this condition is refused (code and the numbers as they are), or None when it holds."""
        if self.at_least_minor is not None:
            if head.available >= self.at_least_minor:
                return None
            numbers = f"has {head.available} minor units available, not at least {self.at_least_minor}"
        elif self.exactly_minor is not None:
            if head.natural == self.exactly_minor:
                return None
            numbers = f"has a posted balance of {head.natural} minor units, not exactly {self.exactly_minor}"
        else:
            if head.version == self.version:
                return None
            numbers = f"is at version {head.version}, not {self.version}"
        return CONDITION_NOT_MET, f"conditions: wallet {self.wallet_id} {numbers}"
