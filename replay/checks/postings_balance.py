"""postings-balance: money is moved, never made: the lines of a posting sum to zero in each currency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from domain.posting import Posting
from replay.checks.check import Finding, PlainCheck, Seen, finding


class PostingsBalance(PlainCheck):
    """Holds, commits and reversals are held to the same: they are parts of what balances, and balance themselves.

    A posting without lines makes the key of a request final and moves nothing.
    """

    name: ClassVar[str] = "postings-balance"
    meaning: ClassVar[str] = "the lines of every posting, hold, commit and reversal sum to zero in each currency"
    advice: ClassVar[str] = (
        "compare the event with a backup; if it was written so, propose an adjustment over the difference and keep the "
        "finding with it"
    )
    topics: ClassVar[tuple[str, ...]] = (
        Posting.Recorded.TOPIC,
        Posting.Reverted.TOPIC,
        Posting.HoldPlaced.TOPIC,
        Posting.HoldCommitted.TOPIC,
        Posting.HoldVoided.TOPIC,
        Posting.HoldExpired.TOPIC,
    )

    def see(self, seen: Seen) -> Iterator[Finding]:
        """A finding per currency."""
        sums: dict[str, int] = {}
        for line in seen.event.lines:
            sums[line.currency] = sums.get(line.currency, 0) + line.amount_minor
        for currency, total in sums.items():
            if total:
                yield finding(seen, f"the lines in {currency} do not sum to zero", expected=0, found=total)


CHECK = PostingsBalance
