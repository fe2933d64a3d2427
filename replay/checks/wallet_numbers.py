"""wallet-numbers: the balances that a wallet's events carry are the sums of its lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar
from uuid import UUID

from domain.lines import reserved_minor
from domain.posting import Posting
from domain.wallet import WalletAccount
from domain.wallet_events import Posted
from replay.checks.check import Finding, PlainCheck, Scope, Seen, finding

HOLD_COMMIT = "hold-commit"


class WalletNumbers(PlainCheck):
    """Adds up itself what the engine wrote down; readers take the numbers over without adding.

    A line that commits a hold takes its part off what is held, so the rule of its posting must be known. After a
    finding counting goes on from what is written, so that one wrong number is one finding.
    """

    name: ClassVar[str] = "wallet-numbers"
    meaning: ClassVar[str] = "posted_after and held_after of each wallet event are what the events before it add up to"
    advice: ClassVar[str] = (
        "compare the wallet with a backup and with `daybook explain wallet`; every number after this event is off by "
        "the same amount until an adjustment corrects it"
    )
    topics: ClassVar[tuple[str, ...]] = (
        Posting.Recorded.TOPIC,
        WalletAccount.Opened.TOPIC,
        WalletAccount.Posted.TOPIC,
        WalletAccount.Held.TOPIC,
    )

    def __init__(self, scope: Scope) -> None:
        """Needs nothing beside the events."""
        self._wallets: dict[UUID, tuple[int, int, str]] = {}
        self._commits: dict[UUID, int] = {}

    def see(self, seen: Seen) -> Iterator[Finding]:
        """Two sums per wallet, and how many lines of a commit are still to come."""
        event, row = seen.event, seen.row
        if isinstance(event, Posting.Recorded):
            if event.rule == HOLD_COMMIT and event.lines:
                self._commits[row.stream_id] = len(event.lines)
            return
        if isinstance(event, WalletAccount.Opened):
            self._wallets[row.stream_id] = (0, 0, event.account_kind)
            return
        known = self._wallets.get(row.stream_id)
        if known is None:
            return  # a stream without its beginning is found by its versions
        posted, held, kind = known
        if isinstance(event, WalletAccount.Held):
            held += event.held_minor
        else:
            posted += event.amount_minor
            held -= self._committed(event, kind)
        yield from _compared(seen, posted, held)
        self._wallets[row.stream_id] = (event.posted_after, event.held_after, kind)

    def _committed(self, event: Posted, kind: str) -> int:
        left = self._commits.get(event.posting_id)
        if left is None:
            return 0
        if left == 1:
            del self._commits[event.posting_id]
        else:
            self._commits[event.posting_id] = left - 1
        return reserved_minor(event, kind)  # type: ignore[arg-type]  # all it takes of a line is its amount


def _compared(seen: Seen, posted: int, held: int) -> Iterator[Finding]:
    event = seen.event
    if event.posted_after != posted:
        yield finding(seen, "posted_after is not what the lines add up to", expected=posted, found=event.posted_after)
    if event.held_after != held:
        yield finding(seen, "held_after is not what the holds add up to", expected=held, found=event.held_after)
    elif held < 0:
        yield finding(seen, "more is given back than was held", expected=0, found=held)


CHECK = WalletNumbers
