"""Chart of accounts: which addresses exist and what kind of account each one is.

Source: the chart of accounts in the payments reference (asset, liability, income, expense, memo). It is data so that
the documentation, the posting rules and the wallets that users open all answer from the same table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final, Literal

from domain.errors import RuleViolation

AccountKind = Literal["asset", "liability", "income", "expense", "memo"]

DEBIT_KINDS: Final = frozenset({"asset", "expense", "memo"})
"""Kinds whose natural balance grows by a debit; the others grow by a credit."""

ADDRESS_LENGTH_MAX: Final = 200
_ADDRESS = re.compile(r"[a-z0-9._-]+(:[a-z0-9._-]+)*", re.ASCII)


class UnknownAccount(RuleViolation):
    """An address is not in the chart of accounts, or is no address at all."""

    code: ClassVar[str] = "unknown_account"


@dataclass(frozen=True, slots=True)
class AccountPattern:
    """One row of the chart; `*` stands for one segment, a final `**` for one or more."""

    pattern: str
    kind: AccountKind
    meaning: str

    def matches(self, segments: list[str]) -> bool:
        """Whether the segments of an address fall under this row."""
        wanted = self.pattern.split(":")
        if wanted[-1] == "**":
            wanted = wanted[:-1]
            if len(segments) <= len(wanted):
                return False
        elif len(segments) != len(wanted):
            return False
        return all(want in ("*", have) for want, have in zip(wanted, segments, strict=False))


REVENUE_FEES: Final = "rev:fees"
PSP_COST: Final = "exp:psp_cost"
AUTH_HOLD_PSP: Final = "memo:auth_hold:psp"
AUTH_HOLD_CONTRA: Final = "memo:auth_hold:contra"
SUSPENSE_PSP: Final = "suspense:psp"
SUSPENSE_BANK: Final = "suspense:bank"

CHART: Final[tuple[AccountPattern, ...]] = (
    AccountPattern("psp:*:clearing", "asset", "captured at a rail, not yet in a payout"),
    AccountPattern("psp:*:in_transit", "asset", "in a settlement batch, not yet on the bank account"),
    AccountPattern("psp:*:reserve_held", "asset", "kept back by a rail"),
    AccountPattern("bank:*:cash", "asset", "on our bank account"),
    AccountPattern("merchant:*:receivable", "asset", "owed to us by a merchant"),
    AccountPattern("fx:position:*", "asset", "currency position; either sign"),
    AccountPattern("merchant:*:pending", "liability", "owed to a merchant, not yet released"),
    AccountPattern("merchant:*:available", "liability", "owed to a merchant, may be paid out"),
    AccountPattern("merchant:*:reserve", "liability", "rolling reserve of a merchant"),
    AccountPattern("payout:in_transit", "liability", "payout sent, not yet debited by the bank"),
    AccountPattern("payout:returned", "liability", "payout that came back"),
    AccountPattern("refund:pending", "liability", "refund accepted, not yet confirmed by the rail"),
    AccountPattern("dispute:held", "liability", "disputed money held back"),
    AccountPattern(SUSPENSE_PSP, "liability", "rail money whose owner is not known"),
    AccountPattern(SUSPENSE_BANK, "liability", "bank money whose owner is not known"),
    AccountPattern("tax:vat", "liability", "value added tax collected"),
    AccountPattern("wallet:**", "liability", "wallet of a user"),
    AccountPattern(REVENUE_FEES, "income", "platform commission"),
    AccountPattern("rev:dispute_fees", "income", "fees charged for disputes"),
    AccountPattern("rev:fx", "income", "margin on currency exchange"),
    AccountPattern(PSP_COST, "expense", "what rails charge us"),
    AccountPattern("exp:dispute_cost", "expense", "what schemes charge for disputes"),
    AccountPattern("exp:chargeback_loss", "expense", "chargebacks no merchant covers"),
    AccountPattern("exp:rounding", "expense", "rounding between batch totals and their lines"),
    AccountPattern("exp:writeoff", "expense", "written off with approval"),
    AccountPattern(AUTH_HOLD_PSP, "memo", "authorised at a rail, not captured (off balance sheet)"),
    AccountPattern(AUTH_HOLD_CONTRA, "memo", "counter-account of authorisations"),
)


@lru_cache(maxsize=65_536)
def account_kind(address: str) -> AccountKind:
    """Kind of the account at `address`; raises `UnknownAccount` for what the chart does not hold."""
    if len(address) > ADDRESS_LENGTH_MAX or _ADDRESS.fullmatch(address) is None:
        message = "address must be segments of a-z, 0-9, '.', '_' and '-' joined by ':', such as wallet:alice:main"
        raise UnknownAccount(message, "address")
    segments = address.split(":")
    for row in CHART:
        if row.matches(segments):
            return row.kind
    raise UnknownAccount(
        f"address {address!r} is not in the chart of accounts; user wallets start with wallet:", "address"
    )


def psp_clearing(rail: str) -> str:
    """Money a rail has captured for us and not yet put in a payout."""
    return f"psp:{rail}:clearing"


def psp_in_transit(rail: str) -> str:
    """Money of a rail's settlement batch that has not reached the bank."""
    return f"psp:{rail}:in_transit"


def bank_cash(bank: str) -> str:
    """Money on our account at a bank."""
    return f"bank:{bank}:cash"


def merchant_pending(merchant_id: str) -> str:
    """What a merchant has earned and may not have yet."""
    return f"merchant:{merchant_id}:pending"


def merchant_available(merchant_id: str) -> str:
    """What a merchant may have paid out."""
    return f"merchant:{merchant_id}:available"


def suspense_psp() -> str:
    """Where rail money goes whose posting an account cannot take."""
    return SUSPENSE_PSP
