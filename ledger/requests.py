"""The one table of what may be asked of the engine, and what every decision has in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.errors import RuleViolation
from ledger import accounts, bulk, movements, wire
from ledger.decisions import Decision
from ledger.refusals import RequestRefused, refuse

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.batch import Batch
    from ledger.wire import Order

DECIDERS: Final[dict[type[Order], Callable[[Batch, Any, UUID, str], Decision]]] = {
    wire.Transfer: movements.transfer,
    wire.Post: movements.post,
    wire.PlaceHold: movements.place_hold,
    wire.CommitHold: movements.commit_hold,
    wire.VoidHold: movements.void_hold,
    wire.ExpireHold: movements.expire_hold,
    wire.Revert: movements.revert,
    wire.OpenWallet: accounts.open_wallet,
    wire.ChangeWallet: accounts.change_wallet,
    wire.SetMetadata: accounts.set_metadata,
    wire.ClosePeriod: accounts.close_period,
    wire.CreateMonitor: accounts.create_monitor,
    wire.RemoveMonitor: accounts.remove_monitor,
    wire.Bulk: bulk.decide_bulk,
}
"""How each kind of request is decided. A decider raises before it writes anything, or writes all of it."""


def decide(batch: Batch, order: Order, posting_id: UUID, asked: str) -> Decision:
    """Decide a request that was not decided before; a rule that says no leaves its refusal as an event."""
    if getattr(order, "dry_run", False):
        decision = _decided(batch.on_top(), order, posting_id, asked)
        return Decision(msgspec.structs.replace(decision.reply, dry_run=True), -1, asked)
    return _decided(batch, order, posting_id, asked)


def _decided(batch: Batch, order: Order, posting_id: UUID, asked: str) -> Decision:
    try:
        return DECIDERS[type(order)](batch, order, posting_id, asked)
    except RequestRefused as refused:
        return refuse(batch, order, posting_id, asked, refused.code, refused.detail)
    except RuleViolation as violation:
        return refuse(batch, order, posting_id, asked, violation.code, violation.message)
