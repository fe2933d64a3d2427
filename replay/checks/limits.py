"""limits: no request took a wallet further below zero than its overdraft limit allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar
from uuid import UUID

from domain.lines import Line
from domain.posting import Posting
from domain.registry import ALL_EVENTS
from domain.wallet import WalletAccount, WalletHead
from replay.checks.check import Finding, PlainCheck, Scope, Seen, finding
from replay.checks.wallet_numbers import HOLD_COMMIT


class _Movement:
    """A request's posting until its last line has come: by wallet, the sum of its lines."""

    __slots__ = ("lines_left", "net")

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines_left = len(lines)
        self.net: dict[UUID, int] = {}
        for line in lines:
            self.net[line.wallet_id] = self.net.get(line.wallet_id, 0) + line.amount_minor


class Limits(PlainCheck):
    """As the engine decides: facts may overdraw, a commit of a hold was paid for when the hold was placed, and what
    raises a wallet is never refused. A limit that was lowered below what is drawn makes no finding by itself.
    """

    name: ClassVar[str] = "limits"
    meaning: ClassVar[str] = "after each request that took money from a wallet, available >= -overdraft limit"
    advice: ClassVar[str] = (
        "the engine refuses this, so the event was written past it or its rule was wrong then: look at `meta` of the "
        "event, and settle the overdraft with the wallet's owner"
    )
    topics: ClassVar[tuple[str, ...]] = (
        Posting.Recorded.TOPIC,
        *(topic for topic in ALL_EVENTS if topic.startswith("wallet.")),
    )

    def __init__(self, scope: Scope) -> None:
        """Needs nothing beside the events."""
        self._wallets: dict[UUID, tuple[str, WalletHead]] = {}
        self._movements: dict[UUID, _Movement] = {}

    def see(self, seen: Seen) -> Iterator[Finding]:
        """Numbers are taken as they are written; that they are right is another check."""
        event, row = seen.event, seen.row
        if isinstance(event, Posting.Recorded):
            if event.lines and event.cause_position is None and event.rule != HOLD_COMMIT:
                self._movements[row.stream_id] = _Movement(event.lines)
            return
        if isinstance(event, WalletAccount.Opened):
            head = WalletHead(event.account_kind, event.overdraft_limit_minor)
            self._wallets[row.stream_id] = (event.address, head)
            return
        known = self._wallets.get(row.stream_id)
        if known is None:
            return  # a stream without its beginning is found by its versions
        event.change(known[1])
        if isinstance(event, WalletAccount.Held) and event.held_minor > 0:
            yield from self._judged(seen, row.stream_id, "a hold reserved more than the wallet could give")
        elif isinstance(event, WalletAccount.Posted):
            yield from self._moved(seen)

    def _moved(self, seen: Seen) -> Iterator[Finding]:
        movement = self._movements.get(seen.event.posting_id)
        if movement is None:
            return
        movement.lines_left -= 1
        if movement.lines_left:
            return
        del self._movements[seen.event.posting_id]
        for wallet_id, net in movement.net.items():
            known = self._wallets.get(wallet_id)
            if known is not None and net * known[1].sign < 0:
                yield from self._judged(seen, wallet_id, "a request took more than the wallet could give")

    def _judged(self, seen: Seen, wallet_id: UUID, problem: str) -> Iterator[Finding]:
        address, head = self._wallets[wallet_id]
        limit = head.overdraft_limit_minor
        if limit is not None and head.available < -limit:
            named = f"{problem}: {address} ({wallet_id}) has less available than -{limit}, its overdraft limit"
            yield finding(seen, named, expected=-limit, found=head.available)


CHECK = Limits
