"""lines: what postings say and what wallets got are the same lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from domain.lines import Line
from domain.posting import Posting
from domain.wallet import WalletAccount
from replay.checks.check import Finding, Place, PlainCheck, Scope, Seen, finding, place


class _Awaited(NamedTuple):
    """A posting whose lines have not all come yet."""

    place: Place
    effective_at: Any
    lines: dict[int, Line]


class Lines(PlainCheck):
    """A posting is kept until the last of its lines has come, which is in the same commit."""

    name: ClassVar[str] = "lines"
    meaning: ClassVar[str] = (
        "every line of a recorded posting reached its wallet exactly once, and every line of a wallet is a posting's"
    )
    advice: ClassVar[str] = (
        "compare posting and wallet with a backup; a line that is missing or too much in one wallet is corrected by an "
        "adjustment of the difference against suspense"
    )
    topics: ClassVar[tuple[str, ...]] = (
        Posting.Recorded.TOPIC,
        WalletAccount.Opened.TOPIC,
        WalletAccount.Posted.TOPIC,
    )

    def __init__(self, scope: Scope) -> None:
        """Reads a posting's stream again only to say more about a finding."""
        self._scope = scope
        self._awaited: dict[UUID, _Awaited] = {}
        self._names: dict[UUID, tuple[int, str, str]] = {}

    def see(self, seen: Seen) -> Iterator[Finding]:
        """A posting begins to wait, a line ends its wait."""
        event, row = seen.event, seen.row
        if isinstance(event, Posting.Recorded):
            if event.lines:
                self._awaited[row.stream_id] = _Awaited(place(seen), event.effective_at, dict(enumerate(event.lines)))
        elif isinstance(event, WalletAccount.Opened):
            self._names[row.stream_id] = (row.book, event.address, event.currency)
        else:
            yield from self._arrived(seen)

    def _arrived(self, seen: Seen) -> Iterator[Finding]:
        event = seen.event
        awaited = self._awaited.get(event.posting_id)
        line = awaited.lines.pop(event.line, None) if awaited is not None else None
        if awaited is None or line is None:
            yield self._unasked(seen)
            return
        if not awaited.lines:
            del self._awaited[event.posting_id]
        named = f"line {event.line} of posting {awaited.place.reference}"
        if line.wallet_id != seen.row.stream_id:
            problem = f"{named} reached another wallet"
            yield finding(seen, problem, expected=str(line.wallet_id), found=str(seen.row.stream_id))
        elif line.amount_minor != event.amount_minor:
            problem = f"{named} reached {line.address} with another amount"
            yield finding(seen, problem, expected=line.amount_minor, found=event.amount_minor)
        elif awaited.effective_at != event.effective_at:
            problem = f"{named} takes effect at another moment than its posting"
            moments = (awaited.effective_at.isoformat(), event.effective_at.isoformat())
            yield finding(seen, problem, expected=moments[0], found=moments[1])
        elif self._names.get(line.wallet_id) != (seen.row.book, line.address, line.currency):
            problem = f"{named} names its wallet otherwise than it was opened"
            yield finding(seen, problem, expected=self._name(line.wallet_id), found=f"{line.address} {line.currency}")

    def _unasked(self, seen: Seen) -> Finding:
        event = seen.event
        known = self._scope.stream(event.posting_id)
        why = "has no such line left: it came twice, or the posting has fewer" if known else "does not exist"
        problem = f"line {event.line} is of a posting {event.posting_id} that {why}"
        return finding(seen, problem, expected=0, found=event.amount_minor)

    def _name(self, wallet_id: UUID) -> str:
        _, address, currency = self._names.get(wallet_id, (0, "never opened", ""))
        return f"{address} {currency}".strip()

    def end(self) -> Iterator[Finding]:
        """Lines that never came."""
        for posting_id, awaited in self._awaited.items():
            for number, line in awaited.lines.items():
                problem = f"line {number} of posting {posting_id} never reached {line.address} in {line.currency}"
                yield finding(awaited.place, problem, expected=line.amount_minor, found=0)


CHECK = Lines
