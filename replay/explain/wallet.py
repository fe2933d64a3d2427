"""Why a wallet holds what it holds: the entries that make its balance, with the rule and the cause of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.adjustment import Adjustment
from domain.payment_events import PaymentOrderEvent
from domain.payment_order import PaymentOrder
from domain.posting import Posting
from domain.wallet import WalletAccount, WalletHead
from domain.wallet_events import Opened
from replay.explain.history import History
from replay.explain.told import Source, Told, source

ENTRIES_SHOWN = 20


class EntriesDoNotClose(Exception):
    """The entries of a wallet do not lead to its balance: its events are damaged. `daybook verify` says which."""


class Cause(msgspec.Struct, frozen=True):
    """What an entry goes back to: a fact of the log with its source, or a request, which the engine decided.

    `subject` names it: `order ID`, `adjustment ID`, or the request as `kind/key`.
    """

    kind: str
    subject: str
    source: Source | None


class WalletEntry(msgspec.Struct, frozen=True):
    """One event that changed a wallet's numbers, in minor units and the wallet's natural sign.

    `amount_minor` is what was posted; `held_change_minor` what was reserved (above zero) or given back. The three
    balances are those after it. `source` is the wallet's own event, `posting` that of the posting or hold.
    """

    source: Source
    posting_id: UUID
    line: int
    reference: str
    rule: str
    effective_at: datetime | None
    amount_minor: int
    held_change_minor: int
    posted_minor: int
    held_minor: int
    available_minor: int
    posting: Source | None
    cause: Cause | None


class WalletExplanation(msgspec.Struct, frozen=True):
    """A wallet as of a position: `opening_minor` + `shown_minor` = `posted_minor`, entries newest first.

    `entries_before` is how many entries make the opening balance.
    """

    wallet_id: UUID
    address: str
    currency: str
    account_kind: str
    as_of: str
    posted_minor: int
    held_minor: int
    available_minor: int
    overdraft_limit_minor: int | None
    frozen: bool
    closed: bool
    opening_minor: int
    shown_minor: int
    entries_before: int
    entries: list[WalletEntry]


def explain_wallet(history: History, wallet_id: UUID, limit: int = ENTRIES_SHOWN) -> WalletExplanation | None:
    """The wallet as of the history's position with its newest entries; None when there was no such wallet.

    Raises EntriesDoNotClose and EventUnreadable.
    """
    changes = history.other_changes(wallet_id)
    if not changes or not isinstance(changes[0].event, WalletAccount.Opened):
        return None
    newest = history.newest_numbers(wallet_id, limit + 1)
    shown, before = newest[:limit], newest[limit] if len(newest) > limit else None
    postings = history.beginnings(told.event.posting_id for told in shown)
    facts = history.places(
        told.event.cause_position
        for told in postings.values()
        if getattr(told.event, "cause_position", None) is not None
    )
    orders = history.beginnings(
        told.row.stream_id for told in facts.values() if isinstance(told.event, PaymentOrderEvent)
    )
    older = history.older_numbers(wallet_id, shown[-1].row.position) if before is not None else 0
    head = _head(changes)
    entries = _entries(shown, before, head.sign, postings, facts, orders)
    return _explained(history.as_of, changes[0], head, shown, before, entries, older)


class WalletThen(msgspec.Struct, frozen=True):
    """A wallet as of a position, without the entries that made it so; `version` is that of its last event by then."""

    opened: Opened
    head: WalletHead
    version: int


def wallet_then(history: History, wallet_id: UUID) -> WalletThen | None:
    """The wallet as of the history's position; None when there was no such wallet."""
    changes, newest = history.other_changes(wallet_id), history.newest_numbers(wallet_id, 1)
    if not changes or not isinstance(changes[0].event, WalletAccount.Opened):
        return None
    head = _head(changes)
    for told in newest:
        told.event.change(head)
    version = max(told.row.version for told in (changes[-1], *newest))
    return WalletThen(changes[0].event, head, version)


def _head(changes: Sequence[Told]) -> WalletHead:
    opened = changes[0].event
    head = WalletHead(opened.account_kind, opened.overdraft_limit_minor)
    for told in changes[1:]:
        told.event.change(head)
    return head


def _explained(
    as_of: int, opening: Told, head: WalletHead, shown: Sequence[Told], before: Told | None,
    entries: list[WalletEntry], older: int,
) -> WalletExplanation:  # fmt: skip
    if shown:
        shown[0].event.change(head)
    opened = opening.event
    start = 0 if before is None else before.event.posted_after * head.sign
    total = sum(entry.amount_minor for entry in entries)
    if start + total != head.natural:
        message = f"wallet {opening.row.stream_id}: {start} and entries of {total} do not make {head.natural}"
        raise EntriesDoNotClose(message)
    return WalletExplanation(
        wallet_id=opening.row.stream_id,
        address=opened.address,
        currency=opened.currency,
        account_kind=opened.account_kind,
        as_of=str(as_of),
        posted_minor=head.natural,
        held_minor=head.held,
        available_minor=head.available,
        overdraft_limit_minor=head.overdraft_limit_minor,
        frozen=head.frozen,
        closed=head.closed,
        opening_minor=start,
        shown_minor=total,
        entries_before=older,
        entries=entries,
    )


def _entries(
    shown: Sequence[Told], before: Told | None, sign: int, postings: Mapping[UUID, Told], facts: Mapping[int, Told],
    orders: Mapping[UUID, Told],
) -> list[WalletEntry]:  # fmt: skip
    entries: list[WalletEntry] = []
    held = 0 if before is None else before.event.held_after
    for told in reversed(shown):
        event = told.event
        posting = postings.get(event.posting_id)
        entries.append(
            WalletEntry(
                source=source(told),
                posting_id=event.posting_id,
                line=event.line,
                reference="" if posting is None else posting.event.reference,
                rule="" if posting is None else posting.event.rule,
                effective_at=getattr(event, "effective_at", None),
                amount_minor=getattr(event, "amount_minor", 0) * sign,
                held_change_minor=event.held_after - held,
                posted_minor=event.posted_after * sign,
                held_minor=event.held_after,
                available_minor=event.posted_after * sign - event.held_after,
                posting=None if posting is None else source(posting),
                cause=None if posting is None else _cause(posting.event, facts, orders),
            )
        )
        held = event.held_after
    return entries[::-1]


def _cause(posting: Any, facts: Mapping[int, Told], orders: Mapping[UUID, Told]) -> Cause | None:
    """What a posting goes back to; None where its fact cannot be found."""
    position = posting.cause_position if isinstance(posting, Posting.Recorded) else None
    if position is None:
        return Cause("request", posting.reference, None)
    fact = facts.get(position)
    if fact is None:
        return None
    if isinstance(fact.event, Adjustment.Approved):
        return Cause("fact", f"adjustment {fact.event.adjustment_id}", source(fact))
    order = orders.get(fact.row.stream_id)
    if order is not None and isinstance(order.event, PaymentOrder.Created):
        return Cause("fact", f"order {order.event.order_id}", source(fact))
    return Cause("fact", f"stream {fact.row.stream_id}", source(fact))
