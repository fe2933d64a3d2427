"""holds: what a hold reserves, gives back and commits is what its wallets and commits say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple
from uuid import UUID

from domain.chart import account_kind
from domain.errors import RuleViolation
from domain.lines import Line, remaining_after, remaining_lines, reserved_minor
from domain.posting import Posting
from domain.wallet import WalletAccount
from replay.checks.check import Finding, Place, PlainCheck, Scope, Seen, finding, place
from replay.checks.wallet_numbers import HOLD_COMMIT


class _Hold(NamedTuple):
    """A hold of which something remains; one number per line, with the line's own sign."""

    lines: Sequence[Line]
    remaining: Sequence[int]


class _Reserved(NamedTuple):
    """A line that must change what its wallet holds by so much (below zero: given back)."""

    place: Place
    line: Line
    held_minor: int


class Holds(PlainCheck):
    """Open holds are kept, and what is to come of them in the same commit."""

    name: ClassVar[str] = "holds"
    meaning: ClassVar[str] = (
        "each hold reserves its lines once and gives back what it does not commit, and every commit is a posting"
    )
    advice: ClassVar[str] = (
        "look at the hold with `daybook holds show` and at the wallet with `daybook explain wallet`; what stays "
        "reserved wrongly needs a further event, from a release of the program that repairs the cause"
    )
    topics: ClassVar[tuple[str, ...]] = (
        Posting.Recorded.TOPIC,
        Posting.HoldPlaced.TOPIC,
        Posting.HoldCommitted.TOPIC,
        Posting.HoldVoided.TOPIC,
        Posting.HoldExpired.TOPIC,
        WalletAccount.Held.TOPIC,
    )

    def __init__(self, scope: Scope) -> None:
        """Needs nothing beside the events."""
        self._open: dict[UUID, _Hold] = {}
        self._commits: dict[UUID, tuple[Place, str, list[Line]]] = {}
        self._awaited: dict[tuple[UUID, int, bool], _Reserved] = {}

    def see(self, seen: Seen) -> Iterator[Finding]:
        """A hold's events say what its wallets must say next."""
        event, hold_id = seen.event, seen.row.stream_id
        if isinstance(event, WalletAccount.Held):
            yield from self._reserved(seen)
        elif isinstance(event, Posting.Recorded):
            if event.rule == HOLD_COMMIT:
                self._commits[hold_id] = (place(seen), event.metadata.get("hold_id", ""), event.lines)
        elif isinstance(event, Posting.HoldPlaced):
            self._open[hold_id] = _Hold(event.lines, [line.amount_minor for line in event.lines])
            self._await(seen, event.lines, 1)
        elif hold_id not in self._open:
            yield finding(seen, "the hold was not open any more, or never placed")
        elif isinstance(event, Posting.HoldCommitted):
            yield from self._committed(seen)
        else:
            yield from self._ended(seen)

    def _committed(self, seen: Seen) -> Iterator[Finding]:
        event, hold_id = seen.event, seen.row.stream_id
        _, named, lines = self._commits.pop(event.posting_id, (None, "", None))
        if lines != event.lines or named != str(hold_id):
            problem = f"the commit {event.posting_id} is no posting of this hold with these lines"
            yield finding(seen, problem, expected=_sum(event.lines), found=0 if lines is None else _sum(lines))
        hold = self._open[hold_id]
        try:
            remaining = remaining_after(hold.lines, hold.remaining, event.lines)
        except RuleViolation as violated:
            yield finding(seen, f"the commit takes more than the hold has left: {violated.message}")
            return
        if event.final or not any(remaining):
            del self._open[hold_id]
            self._await(seen, remaining_lines(hold.lines, remaining), -1)
        else:
            self._open[hold_id] = _Hold(hold.lines, remaining)

    def _ended(self, seen: Seen) -> Iterator[Finding]:
        hold = self._open.pop(seen.row.stream_id)
        rest = remaining_lines(hold.lines, hold.remaining)
        if seen.event.lines != rest:
            problem = "the hold ends with other lines than remain of it"
            yield finding(seen, problem, expected=_sum(rest), found=_sum(seen.event.lines))
        self._await(seen, seen.event.lines, -1)

    def _await(self, seen: Seen, lines: Sequence[Line], sign: int) -> None:
        where, hold_id = place(seen), seen.row.stream_id
        for number, line in enumerate(lines):
            held = sign * reserved_minor(line, account_kind(line.address))
            if held:
                self._awaited[hold_id, number, held > 0] = _Reserved(where, line, held)

    def _reserved(self, seen: Seen) -> Iterator[Finding]:
        event = seen.event
        wanted = self._awaited.pop((event.posting_id, event.line, event.held_minor > 0), None)
        if wanted is None:
            problem = f"nothing of hold {event.posting_id} asks for this: it came twice, or there is no such hold"
            yield finding(seen, problem, expected=0, found=event.held_minor)
        elif wanted.line.wallet_id != seen.row.stream_id:
            problem = f"line {event.line} of hold {event.posting_id} reached another wallet"
            yield finding(seen, problem, expected=str(wanted.line.wallet_id), found=str(seen.row.stream_id))
        elif wanted.held_minor != event.held_minor:
            problem = f"line {event.line} of hold {event.posting_id} holds another amount"
            yield finding(seen, problem, expected=wanted.held_minor, found=event.held_minor)

    def end(self) -> Iterator[Finding]:
        """What never reached its wallet, and commits that no hold knows of."""
        for (hold_id, _, _), wanted in self._awaited.items():
            problem = f"hold {hold_id} did not change what {wanted.line.address} in {wanted.line.currency} holds"
            yield finding(wanted.place, problem, expected=wanted.held_minor, found=0)
        for where, named, lines in self._commits.values():
            yield finding(where, f"hold {named} knows nothing of this commit", expected=_sum(lines), found=0)


def _sum(lines: Sequence[Line]) -> int:
    """What lines move, in minor units: one side of them."""
    return sum(line.amount_minor for line in lines if line.amount_minor > 0)


CHECK = Holds
