"""Money set aside: what a hold takes off its wallets' available money, and gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.lines import Line, reserved_minor
from domain.wallet import WalletAccount
from ledger.wire import LineAfter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from ledger.batch import Batch


def hold_lines(batch: Batch, posting_id: UUID, lines: Sequence[Line], sign: int) -> list[LineAfter]:
    """Reserve (`sign` 1) or give back (-1) what these lines take off their wallets; those that do, as they are then."""
    accounts = []
    after: list[LineAfter] = []
    for number, line in enumerate(lines):
        account = batch.find(line.wallet_id)
        if account is None:
            continue  # wallets are never forgotten: a hold's wallet exists
        head = batch.writable(account)
        held = sign * reserved_minor(line, head.account_kind)
        if held:
            head.version += 1
            head.held += held
            fields = {
                "posting_id": posting_id,
                "line": number,
                "held_minor": held,
                "posted_after": head.posted,
                "held_after": head.held,
            }
            batch.store(account.wallet_id, head.version, WalletAccount.Held.TOPIC, fields)
            accounts.append(account)
            after.append(LineAfter(account.wallet_id, line.amount_minor, head.posted, head.held))
    batch.watch(accounts)
    return after
