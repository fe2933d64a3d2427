"""Looks for earlier decisions where no version conflict would tell of them.

A batch does not look keys up, since appending finds a key that was decided before. What appends nothing finds nothing:
a dry run, and the items of an atomic bulk that is refused. Their keys and references are looked up here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.ids import stream_id
from ledger.decisions import order_posting_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from ledger.batch import Batch
    from ledger.wire import Order


def learn(batch: Batch, orders: Sequence[Order]) -> bool:
    """Let a batch know what is durable of these keys and references; True when it did not know of something before.

    What the batch before it, which is not durable yet, has decided on these keys leaves it `unsettled`: it has to be
    decided again once that one is.
    """
    ids = {order_posting_id(order) for order in orders}
    references = {getattr(order, "reference", None) for order in orders} - {None}
    _mark_unsettled(batch, ids)
    ids |= {stream_id(batch.heads.book, "claim", str(reference)) for reference in references}
    ids = {each for each in ids - batch.taken if all(known.get(each) is None for known in batch.known)}
    if batch.recall is None or not ids:
        return False
    found = batch.recall(list(ids))
    if found.settled:
        batch.known.append(found.settled)
    batch.taken.update(found.taken)
    return bool(found)


def _mark_unsettled(batch: Batch, ids: set[UUID]) -> None:
    lowest = batch
    while lowest.is_top and lowest.below is not None:
        lowest = lowest.below
    if lowest.below is not None and not ids.isdisjoint(lowest.below.decided):
        lowest.unsettled = True
