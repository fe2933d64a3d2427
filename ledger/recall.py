"""Looks decided keys up in the log: the answer to a repeated request is the one that was recorded, however long ago."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import msgspec

from domain.posting import Posting
from domain.wallet import WalletAccount
from ledger.wire import Reply, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

POSTINGS = "select stream_id, position, topic, state from log.events where stream_id = any(%b::uuid[]) and version = 1"
# A transfer's two lines were appended right behind its posting, so their positions are known.
LINES = """
select state from unnest(%b::bigint[]) p(position) join log.events e on e.position = p.position
 where e.topic = %b order by e.position
"""
TRANSFER_LINES = 2
_STATUS: Final[dict[str, Status]] = {"transfer": "posted", "wallet-opening": "opened", "wallet-closing": "closed"}


class Settled(NamedTuple):
    """A key that is decided: what was asked (`fingerprint`) and what was answered."""

    fingerprint: str | None
    reply: Reply


class Recent:
    """The latest decisions in memory, least recently used ones dropped: most repeats come within seconds."""

    def __init__(self, size_max: int = 100_000) -> None:
        self._size_max = size_max
        self._settled: OrderedDict[UUID, Settled] = OrderedDict()

    def get(self, posting_id: UUID) -> Settled | None:
        """The decision, if it is still remembered."""
        found = self._settled.get(posting_id)
        if found is not None:
            self._settled.move_to_end(posting_id)
        return found

    def put(self, posting_id: UUID, settled: Settled) -> None:
        """Remember a decision that is durable."""
        self._settled[posting_id] = settled
        if len(self._settled) > self._size_max:
            self._settled.popitem(last=False)

    def clear(self) -> None:
        """Forget everything; the log remembers."""
        self._settled.clear()


def recall(connection: psycopg.Connection[Any], posting_ids: Sequence[UUID]) -> dict[UUID, Settled]:
    """Those of the postings that are in the log, with the replies their requests got."""
    rows = connection.execute(POSTINGS, [list(posting_ids)], binary=True).fetchall()
    settled: dict[UUID, Settled] = {}
    for posting_id, position, topic, state in rows:
        fields = msgspec.json.decode(state)
        if topic == Posting.Refused.TOPIC:
            reply = Reply(
                status="refused",
                code=fields["code"],
                detail=fields["detail"],
                posting_id=posting_id,
                version=1,
                position=position,
            )
        else:
            reply = _recorded(connection, posting_id, position, fields)
        settled[posting_id] = Settled(fields["fingerprint"], reply)
    return settled


def _recorded(connection: psycopg.Connection[Any], posting_id: UUID, position: int, fields: dict[str, Any]) -> Reply:
    rule = fields["rule"]
    reply = Reply(status=_STATUS.get(rule, "posted"), posting_id=posting_id, version=1, position=position)
    if rule != "transfer":
        wallet_id = fields["metadata"].get("wallet_id")
        return msgspec.structs.replace(reply, wallet_id=UUID(wallet_id) if wallet_id else None)
    positions = [position + 1 + line for line in range(TRANSFER_LINES)]
    lines = connection.execute(LINES, [positions, WalletAccount.Posted.TOPIC], binary=True).fetchall()
    after = [msgspec.json.decode(row[0])["posted_after"] for row in lines]
    return msgspec.structs.replace(reply, source_posted_after=after[0], destination_posted_after=after[1])
