"""standing: closed wallets took nothing, frozen wallets no request, and closed periods no posting."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from domain.period import Period, closed_until
from domain.posting import Posting
from domain.wallet import WalletAccount
from replay.checks.check import Finding, PlainCheck, Scope, Seen, finding

_OPEN, _FROZEN, _CLOSED = "open", "frozen", "closed"


class Standing(PlainCheck):
    """Keeps the wallets that are frozen or closed, and each book's last closed day; nothing of the others."""

    name: ClassVar[str] = "standing"
    meaning: ClassVar[str] = (
        "no line reached a closed wallet, no request a frozen one, and nothing took effect in a closed period"
    )
    advice: ClassVar[str] = (
        "the engine refuses this, so the event was written past it or its rule was wrong then: look at `meta` of the "
        "event; what stands in a closed period is reported again or moved by an adjustment"
    )
    topics: ClassVar[tuple[str, ...]] = (
        Posting.Recorded.TOPIC,
        Posting.HoldPlaced.TOPIC,
        Period.Closed.TOPIC,
        WalletAccount.Posted.TOPIC,
        WalletAccount.Held.TOPIC,
        WalletAccount.Frozen.TOPIC,
        WalletAccount.Unfrozen.TOPIC,
        WalletAccount.Closed.TOPIC,
        WalletAccount.Reopened.TOPIC,
    )

    def __init__(self, scope: Scope) -> None:
        """Needs nothing beside the events."""
        self._open_from: dict[int, datetime] = {}
        self._frozen: set[UUID] = set()
        self._closed: set[UUID] = set()
        self._facts: dict[UUID, int] = {}

    def see(self, seen: Seen) -> Iterator[Finding]:
        """What changes a standing, and what must respect it."""
        event, row = seen.event, seen.row
        if isinstance(event, Period.Closed):
            self._open_from[row.book] = closed_until(event.through)
        elif isinstance(event, (Posting.Recorded, Posting.HoldPlaced)):
            yield from self._in_time(seen)
        elif isinstance(event, WalletAccount.Posted):
            yield from self._posted(seen)
        elif isinstance(event, WalletAccount.Held):
            if event.held_minor > 0:
                yield from self._taken(seen, is_fact=False)
        else:
            self._change(seen)

    def _in_time(self, seen: Seen) -> Iterator[Finding]:
        event, row = seen.event, seen.row
        if not event.lines:
            return
        if isinstance(event, Posting.Recorded) and event.cause_position is not None and self._frozen:
            self._facts[row.stream_id] = len(event.lines)
        open_from = self._open_from.get(row.book)
        if open_from is not None and event.effective_at < open_from:
            problem = "the posting takes effect in a period that was closed before it"
            yield finding(seen, problem, expected=open_from.isoformat(), found=event.effective_at.isoformat())

    def _posted(self, seen: Seen) -> Iterator[Finding]:
        left = self._facts.pop(seen.event.posting_id, 0)
        if left > 1:
            self._facts[seen.event.posting_id] = left - 1
        yield from self._taken(seen, is_fact=left > 0)

    def _taken(self, seen: Seen, *, is_fact: bool) -> Iterator[Finding]:
        wallet_id = seen.row.stream_id
        if wallet_id in self._closed:
            yield finding(seen, "a line reached a closed wallet", expected=_OPEN, found=_CLOSED)
        elif wallet_id in self._frozen and not is_fact:
            yield finding(seen, "a request reached a frozen wallet", expected=_OPEN, found=_FROZEN)

    def _change(self, seen: Seen) -> None:
        event, wallet_id = seen.event, seen.row.stream_id
        if isinstance(event, WalletAccount.Frozen):
            self._frozen.add(wallet_id)
        elif isinstance(event, WalletAccount.Unfrozen):
            self._frozen.discard(wallet_id)
        elif isinstance(event, WalletAccount.Closed):
            self._closed.add(wallet_id)
        else:
            self._closed.discard(wallet_id)


CHECK = Standing
