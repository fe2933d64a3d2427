"""The rules by which a request is turned down. Pure; a refusal is a stable code and a sentence that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domain.wallet import WALLET_CLOSED

if TYPE_CHECKING:
    from ledger.heads import Account
    from ledger.wire import CloseWallet, Transfer

UNKNOWN_WALLET: Final = "unknown_wallet"
SAME_WALLET: Final = "same_wallet"
CURRENCY_MISMATCH: Final = "currency_mismatch"
WALLET_EXISTS: Final = "wallet_exists"
WALLET_NOT_EMPTY: Final = "wallet_not_empty"
WALLET_NEEDED: Final = "wallet_needed"


def transfer_refusal(order: Transfer, source: Account | None, destination: Account | None) -> tuple[str, str] | None:
    """Why a transfer between these accounts of its book is refused, or None. An account of another book is unknown."""
    for side, wallet_id, account in (
        ("source", order.source, source),
        ("destination", order.destination, destination),
    ):
        if account is None:
            return UNKNOWN_WALLET, f"{side}: book {order.book} has no wallet {wallet_id}; open it first"
        if account.currency != order.currency:
            return CURRENCY_MISMATCH, f"{side}: wallet {wallet_id} is in {account.currency}, not {order.currency}"
    if order.source == order.destination:
        return SAME_WALLET, "source and destination are one wallet; name two"
    for side, account, amount in (
        ("source", source, order.amount_minor),
        ("destination", destination, -order.amount_minor),
    ):
        code = account.head.refusal(amount) if account is not None else UNKNOWN_WALLET
        if code is not None and account is not None:
            head = account.head
            numbers = f"available {head.available}, overdraft limit {head.overdraft_limit_minor} minor units"
            detail = "is closed" if head.closed else f"cannot give {order.amount_minor}: {numbers}"
            return code, f"{side}: wallet {account.wallet_id} {detail}"
    return None


def close_refusal(order: CloseWallet, account: Account | None) -> tuple[str, str] | None:
    """Why a wallet cannot be closed, or None."""
    if account is None:
        return UNKNOWN_WALLET, f"book {order.book} has no wallet {order.wallet_id}"
    if account.head.closed:
        return WALLET_CLOSED, f"wallet {order.wallet_id} is closed already"
    if account.address.startswith("suspense:"):
        return WALLET_NEEDED, f"{account.address} takes what other accounts cannot; it is never closed"
    if account.head.posted or account.head.held:
        return WALLET_NOT_EMPTY, f"wallet {order.wallet_id} holds money; move it away first"
    return None
