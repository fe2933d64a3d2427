"""Several requests at once: each as if it had come alone, or all of them or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.decisions import Decision, order_posting_id, order_reference, order_rule
from ledger.earlier import learn
from ledger.refusals import BULK_REFUSED, refuse
from ledger.wire import Bulk, Reply, fingerprint

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.batch import Batch

_FAILED = frozenset({"refused", "error"})


def decide_bulk(batch: Batch, order: Bulk, posting_id: UUID, asked: str) -> Decision:
    """Decide the items in order. An atomic bulk is decided on top of the batch, and kept only if all of it succeeds."""
    if order.atomic:
        return _atomic(batch, order, posting_id, asked)
    items = [_item(batch, order, number) for number in range(len(order.items))]
    return _recorded(batch, order, posting_id, asked, items)


def _item(batch: Batch, order: Bulk, number: int) -> Decision:
    item = order.items[number]
    return batch.request(item, order_posting_id(item), fingerprint(item))


def _atomic(batch: Batch, order: Bulk, posting_id: UUID, asked: str) -> Decision:
    top = batch.on_top()
    items: list[Decision] = []
    for number in range(len(order.items)):
        decision = _item(top, order, number)
        items.append(decision)
        if decision.reply.status in _FAILED:
            if learn(batch, order.items):  # a refusal appends nothing of the items that could conflict
                return _atomic(batch, order, posting_id, asked)
            detail = f"items.{number}: {decision.reply.detail}"
            code = decision.reply.code or BULK_REFUSED
            return refuse(batch, order, posting_id, asked, code, detail)
    batch.absorb(top)
    return _recorded(batch, order, posting_id, asked, items)


def _recorded(batch: Batch, order: Bulk, posting_id: UUID, asked: str, items: list[Decision]) -> Decision:
    """The bulk's own key is final too, so that repeating it is recognised whatever became of its items."""
    metadata = {"items": str(len(items)), "atomic": str(order.atomic).lower()}
    index = batch.record(posting_id, order_reference(order), order_rule(order), batch.at, [], metadata, asked=asked)
    reply = Reply(status="applied", posting_id=posting_id, version=1)
    return Decision(reply, index, asked, items)
