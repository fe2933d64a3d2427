"""Requests about wallets, their notes, closed periods and monitors: they move no money, and need its numbers all the
same."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from domain.chart import account_kind
from domain.monitor import Monitor, measured, side_of
from domain.period import Period
from domain.wallet import WALLET_CLOSED, WALLET_FROZEN, WalletAccount
from ledger.decisions import RULES, Decision, order_reference, order_rule
from ledger.refusals import (
    UNKNOWN_MONITOR,
    UNKNOWN_POSTING,
    WALLET_EXISTS,
    WALLET_NEEDED,
    WALLET_NOT_EMPTY,
    RequestRefused,
    known_account,
)
from ledger.wire import (
    ChangeWallet,
    ClosePeriod,
    CreateMonitor,
    OpenWallet,
    Order,
    RemoveMonitor,
    Reply,
    SetMetadata,
)

if TYPE_CHECKING:
    from uuid import UUID

    from domain.wallet import WalletHead
    from ledger.batch import Batch
    from ledger.heads import Account

_CHANGES = {
    "freeze": WalletAccount.Frozen.TOPIC,
    "unfreeze": WalletAccount.Unfrozen.TOPIC,
    "close": WalletAccount.Closed.TOPIC,
    "reopen": WalletAccount.Reopened.TOPIC,
    "limit": WalletAccount.LimitChanged.TOPIC,
}


def open_wallet(batch: Batch, order: OpenWallet, posting_id: UUID, asked: str) -> Decision:
    """Open an account of the chart that there is not yet."""
    wallet_id = batch.heads.wallet_id(order.address, order.currency)
    if batch.find(wallet_id) is not None:
        detail = f"wallet {order.address} in {order.currency} was opened before; use {wallet_id}"
        raise RequestRefused(WALLET_EXISTS, detail)
    decision = _decided(batch, order, posting_id, asked, wallet_id=wallet_id)
    batch.open_account(
        order.address, order.currency, account_kind(order.address), order.overdraft_limit_minor, order.merchant_id
    )
    return decision


def change_wallet(batch: Batch, order: ChangeWallet, posting_id: UUID, asked: str) -> Decision:
    """Freeze, unfreeze, close or reopen a wallet, or change its limit."""
    account = known_account(batch, order.wallet_id, "wallet_id")
    _check_change(order, account, batch.head_of(account))
    decision = _decided(batch, order, posting_id, asked, wallet_id=order.wallet_id)
    head = batch.writable(account)
    head.version += 1
    fields: dict[str, Any] = {"reason": order.reason}
    if order.change == "limit":
        head.overdraft_limit_minor = order.overdraft_limit_minor
        fields = {"overdraft_limit_minor": order.overdraft_limit_minor}
    elif order.change in ("freeze", "unfreeze"):
        head.frozen = order.change == "freeze"
    else:
        head.closed = order.change == "close"
    batch.store(order.wallet_id, head.version, _CHANGES[order.change], fields)
    return decision


def _check_change(order: ChangeWallet, account: Account, head: WalletHead) -> None:
    name = f"wallet_id: wallet {account.wallet_id} ({account.address})"
    if order.change == "reopen":
        if not head.closed:
            raise RequestRefused("wallet_not_closed", f"{name} is not closed")
        return
    if head.closed:
        raise RequestRefused(WALLET_CLOSED, f"{name} is closed")
    if order.change == "freeze" and head.frozen:
        raise RequestRefused(WALLET_FROZEN, f"{name} is frozen already")
    if order.change == "unfreeze" and not head.frozen:
        raise RequestRefused("wallet_not_frozen", f"{name} is not frozen")
    if order.change == "close":
        if account.address.startswith("suspense:"):
            raise RequestRefused(WALLET_NEEDED, f"{name} takes what other accounts cannot; it is never closed")
        if head.posted or head.held:
            raise RequestRefused(WALLET_NOT_EMPTY, f"{name} holds money; move it away first")


def set_metadata(batch: Batch, order: SetMetadata, posting_id: UUID, asked: str) -> Decision:
    """Change the notes on a posting or a wallet."""
    if order.target == "wallet":
        account = known_account(batch, order.target_id, "wallet_id")
        decision = _decided(batch, order, posting_id, asked, wallet_id=order.target_id)
        head = batch.writable(account)
        head.version += 1
        fields = {"changes": order.changes}
        batch.store(order.target_id, head.version, WalletAccount.MetadataChanged.TOPIC, fields)
        return decision
    found = batch.posting(order.target_id)
    if found is None:
        detail = f"posting_id: book {batch.heads.book} has no posting {order.target_id}"
        raise RequestRefused(UNKNOWN_POSTING, detail)
    posting = deepcopy(found)
    decision = _decided(batch, order, posting_id, asked, target_id=order.target_id)
    if posting.change_metadata(order.changes, at=batch.at):
        batch.keep_posting(posting)
    return decision


def close_period(batch: Batch, order: ClosePeriod, posting_id: UUID, asked: str) -> Decision:
    """Let nothing take effect through a day any more."""
    if batch.period is None:
        period = Period.close_first(book=batch.heads.book, through=order.through, at=batch.at)
    else:
        period = deepcopy(batch.period)
        period.close(through=order.through, at=batch.at)
    decision = _decided(batch, order, posting_id, asked, target_id=period.id)
    batch.keep_period(period)
    return decision


def create_monitor(batch: Batch, order: CreateMonitor, posting_id: UUID, asked: str) -> Decision:
    """Watch a number of a wallet."""
    account = known_account(batch, order.wallet_id, "wallet_id")
    monitor = Monitor.create(
        book=batch.heads.book,
        key=order.key,
        wallet_id=order.wallet_id,
        measure=order.measure,
        threshold_minor=order.threshold_minor,
        at=batch.at,
        reference=order.reference,
    )
    decision = _decided(batch, order, posting_id, asked, target_id=monitor.id, wallet_id=order.wallet_id)
    batch.keep_monitor(monitor)
    monitor.side = side_of(measured(batch.head_of(account), order.measure), order.threshold_minor)
    return decision


def remove_monitor(batch: Batch, order: RemoveMonitor, posting_id: UUID, asked: str) -> Decision:
    """Watch no more."""
    found = batch.monitor(order.monitor_id)
    if found is None:
        detail = f"monitor_id: book {batch.heads.book} has no monitor {order.monitor_id}"
        raise RequestRefused(UNKNOWN_MONITOR, detail)
    monitor = deepcopy(found)
    monitor.remove(at=batch.at)
    decision = _decided(batch, order, posting_id, asked, target_id=monitor.id)
    batch.keep_monitor(monitor)
    return decision


def _decided(
    batch: Batch,
    order: Order,
    posting_id: UUID,
    asked: str,
    *,
    wallet_id: UUID | None = None,
    target_id: UUID | None = None,
) -> Decision:
    """A posting without lines: it moves nothing, it is what makes the key of the request final."""
    named = {"wallet_id": wallet_id, "target_id": target_id}
    metadata = {name: str(found) for name, found in named.items() if found is not None}
    index = batch.record(posting_id, order_reference(order), order_rule(order), batch.at, [], metadata, asked=asked)
    status = RULES[type(order)][1]
    reply = Reply(status=status, posting_id=posting_id, version=1, wallet_id=wallet_id, target_id=target_id)
    return Decision(reply, index, asked)
