"""Looks up in the log what was decided before: the answer to a repeated request is the one that was recorded, however
long ago, and a posting is what its stream says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from domain.claim import Claim
from domain.posting import Posting
from domain.wallet import WalletAccount
from eventlog.mapper import LogMapper
from eventlog.recorded import Recorded
from ledger.decisions import RULES, STATUS_OF_RULE, Settled
from ledger.mistakes import LINES_MAX
from ledger.wire import ExpireHold, LineAfter, PlaceHold, Reply, VoidHold

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg
    from eventsourcing.persistence import StoredEvent

BEGUN = "select stream_id, position, topic, state from log.events where stream_id = any(%b::uuid[]) and version = 1"
# The lines of a posting were appended right behind it, so their positions are known.
LINES = """
select stream_id, state from unnest(%b::bigint[]) p(position) join log.events e on e.position = p.position
 where e.topic = %b order by e.position
"""
# What a hold reserves or gives back stands behind the decision, or behind the event that ends the hold.
BEHIND = "select stream_id, topic, state from log.events where position > %b order by position limit %b"
STREAM = """
select position, book, stream_id, version, topic, recorded_at, meta, state from log.events
 where stream_id = %b and book = %b and starts_with(topic, 'posting.') order by version
"""
_RESERVING = frozenset(RULES[order][0] for order in (PlaceHold, VoidHold, ExpireHold))
_mapper = LogMapper()


class Recalled(NamedTuple):
    """Of the streams that a batch wanted to begin: decisions recorded already, and references that are taken."""

    settled: dict[UUID, Settled]
    taken: set[UUID]

    def __bool__(self) -> bool:
        return bool(self.settled or self.taken)


def recall(connection: psycopg.Connection[Any], stream_ids: Sequence[UUID]) -> Recalled:
    """Those of the streams that are in the log, with the replies their requests got."""
    found = Recalled({}, set())
    for stream_id, position, topic, state in connection.execute(BEGUN, [list(stream_ids)], binary=True).fetchall():
        if topic == Claim.Made.TOPIC:
            found.taken.add(stream_id)
            continue
        fields = msgspec.json.decode(state)
        if topic == Posting.Refused.TOPIC:
            reply = Reply(
                status="refused",
                code=fields["code"],
                detail=fields["detail"],
                posting_id=stream_id,
                version=1,
                position=position,
            )
        else:
            reply = _recorded(connection, stream_id, position, fields, moved=topic == Posting.Recorded.TOPIC)
        found.settled[stream_id] = Settled(fields["fingerprint"], reply)
    return found


def _recorded(
    connection: psycopg.Connection[Any], posting_id: UUID, position: int, fields: dict[str, Any], *, moved: bool
) -> Reply:
    lines: tuple[LineAfter, ...] = ()
    if fields["rule"] in _RESERVING:
        lines = _reserved(connection, position, fields)
    elif moved and fields["lines"]:
        positions = [position + 1 + line for line in range(len(fields["lines"]))]
        rows = connection.execute(LINES, [positions, WalletAccount.Posted.TOPIC], binary=True).fetchall()
        lines = tuple(_line(wallet_id, msgspec.json.decode(state)) for wallet_id, state in rows)
    notes = {} if fields["lines"] else fields["metadata"]  # of a posting that moves money they are the caller's own
    return Reply(
        status=STATUS_OF_RULE.get(fields["rule"], "posted"),
        posting_id=posting_id,
        version=1,
        position=position,
        lines=lines,
        wallet_id=UUID(notes["wallet_id"]) if "wallet_id" in notes else None,
        target_id=UUID(notes["target_id"]) if "target_id" in notes else None,
    )


def _reserved(connection: psycopg.Connection[Any], position: int, fields: dict[str, Any]) -> tuple[LineAfter, ...]:
    """The lines of a reply to the placing, voiding or expiry of a hold."""
    rows = connection.execute(BEHIND, [position, LINES_MAX + 1], binary=True).fetchall()
    hold_lines = fields["lines"]
    if fields["rule"] != RULES[PlaceHold][0]:
        (_, _, ended), *rows = rows
        hold_lines = msgspec.json.decode(ended)["lines"]
    lines: list[LineAfter] = []
    for wallet_id, topic, state in rows:
        if topic != WalletAccount.Held.TOPIC or len(lines) == len(hold_lines):
            break
        held = msgspec.json.decode(state)
        amount = hold_lines[held["line"]]["amount_minor"]
        lines.append(LineAfter(wallet_id, amount, held["posted_after"], held["held_after"]))
    return tuple(lines)


def _line(wallet_id: UUID, fields: dict[str, Any]) -> LineAfter:
    return LineAfter(wallet_id, fields["amount_minor"], fields["posted_after"], fields["held_after"])


def posting_of(connection: psycopg.Connection[Any], posting_id: UUID, book: int) -> Posting | None:
    """A posting of a book as its stream tells it, or None."""
    rows = connection.execute(STREAM, [posting_id, book], prepare=True, binary=True).fetchall()
    posting: Posting | None = None
    for row in rows:
        posting = _mapper.decode(Recorded._make(row)).mutate(posting)
    return posting


def fold(stored: Sequence[StoredEvent]) -> Posting:
    """A posting from rows that are not in the log yet, its first one included."""
    posting: Any = None
    for row in stored:
        event: Any = _mapper.to_domain_event(row)
        posting = event.mutate(posting)
    folded: Posting = posting
    return folded
