"""WalletHead: the numbers of one wallet and the arithmetic of what it can take, without its history."""

from __future__ import annotations

from typing import Any, Final

from domain.chart import DEBIT_KINDS

WALLET_CLOSED: Final = "wallet_closed"
WALLET_FROZEN: Final = "wallet_frozen"
INSUFFICIENT_FUNDS: Final = "insufficient_funds"

_new: Any = object.__new__


class WalletHead:
    """What the posting engine keeps in memory for each wallet.

    Amounts are signed minor units, + for a debit. Slots and no validation, because the engine touches one per line and
    copies one per wallet and batch. `sign` turns a debit-positive amount into the natural one.
    """

    __slots__ = ("account_kind", "closed", "frozen", "held", "overdraft_limit_minor", "posted", "sign", "version")

    def __init__(
        self,
        account_kind: str,
        overdraft_limit_minor: int | None = None,
        posted: int = 0,
        held: int = 0,
        version: int = 0,
        closed: bool = False,
        frozen: bool = False,
    ) -> None:
        self.account_kind = account_kind
        self.sign = 1 if account_kind in DEBIT_KINDS else -1
        self.overdraft_limit_minor = overdraft_limit_minor
        self.posted = posted
        self.held = held
        self.version = version
        self.closed = closed
        self.frozen = frozen

    def copy(self) -> WalletHead:
        """A twin to change while its batch is not committed yet; made without the constructor, which costs more."""
        twin: WalletHead = _new(WalletHead)
        twin.account_kind = self.account_kind
        twin.sign = self.sign
        twin.overdraft_limit_minor = self.overdraft_limit_minor
        twin.posted = self.posted
        twin.held = self.held
        twin.version = self.version
        twin.closed = self.closed
        twin.frozen = self.frozen
        return twin

    @property
    def natural(self) -> int:
        """Balance with the sign people expect: money owned for assets, money owed for liabilities."""
        return self.posted * self.sign

    @property
    def available(self) -> int:
        """Natural balance less what is held."""
        return self.posted * self.sign - self.held

    def standing_refusal(self) -> str | None:
        """Code of the state that refuses every request whatever its amount, or None.

        Committing a hold asks only this: its money was set aside before, so a limit lowered since cannot refuse it.
        """
        if self.closed:
            return WALLET_CLOSED
        return WALLET_FROZEN if self.frozen else None

    def refusal(self, amount_minor: int) -> str | None:
        """Code of the rule that refuses a *request* to post this signed amount, or None. Facts do not ask.

        Only a posting that lowers the natural balance can overdraw; a wallet without a limit never does.
        """
        if self.closed:
            return WALLET_CLOSED
        if self.frozen:
            return WALLET_FROZEN
        change = amount_minor * self.sign
        limit = self.overdraft_limit_minor
        if change < 0 and limit is not None and self.posted * self.sign - self.held + change < -limit:
            return INSUFFICIENT_FUNDS
        return None

    def hold_refusal(self, reserved_minor: int) -> str | None:
        """Code of the rule that refuses a request to reserve this (`lines.reserved_minor`, zero or more), or None."""
        if self.closed:
            return WALLET_CLOSED
        if self.frozen:
            return WALLET_FROZEN
        limit = self.overdraft_limit_minor
        if reserved_minor > 0 and limit is not None and self.available - reserved_minor < -limit:
            return INSUFFICIENT_FUNDS
        return None

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"WalletHead({fields})"
