"""What is decided on a request's key, and how the same key is answered when it comes again."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from domain.ids import stream_id
from ledger import wire
from ledger.wire import Order, Reply, Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

KEY_REUSED: Final = "key_reused"
RULES: Final[dict[type[Order], tuple[str, Status]]] = {
    wire.Transfer: ("transfer", "posted"),
    wire.Post: ("posting", "posted"),
    wire.PlaceHold: ("hold", "held"),
    wire.CommitHold: ("hold-commit", "committed"),
    wire.VoidHold: ("hold-void", "voided"),
    wire.ExpireHold: ("hold-expiry", "expired"),
    wire.Revert: ("reversal", "reverted"),
    wire.OpenWallet: ("wallet-opening", "opened"),
    wire.ChangeWallet: ("wallet-change", "changed"),
    wire.SetMetadata: ("metadata-change", "changed"),
    wire.ClosePeriod: ("period-closing", "closed"),
    wire.CreateMonitor: ("monitor-creation", "created"),
    wire.RemoveMonitor: ("monitor-removal", "removed"),
    wire.Bulk: ("bulk", "applied"),
}
"""The rule that a request's posting is recorded under, and how a request that succeeds is answered."""

STATUS_OF_RULE: Final[dict[str, Status]] = dict(RULES.values())


def order_rule(order: Order) -> str:
    """The name of the rule that a request's posting is recorded under."""
    return RULES[type(order)][0]


def order_reference(order: Order) -> str:
    """The posting's reference that a request's key stands for; each kind of request has keys of its own."""
    return f"{RULES[type(order)][0]}/{order.key}"


def order_posting_id(order: Order) -> UUID:
    """The stream that decides a request's key once and for all."""
    return stream_id(order.book, "posting", order_reference(order))


class Decision:
    """What a batch decided on one request; `index` is the place of the posting's event among the batch's events, -1
    where there is none. `items` are the decisions of a bulk; `earlier` is the one that this one repeats.
    """

    __slots__ = ("earlier", "fingerprint", "index", "items", "reply")

    def __init__(
        self,
        reply: Reply,
        index: int,
        asked: str,
        items: Sequence[Decision] = (),
        earlier: Decision | None = None,
    ) -> None:
        self.reply = reply
        self.index = index
        self.fingerprint = asked
        self.items = items
        self.earlier = earlier

    def placed(self, positions: Sequence[int]) -> Reply:
        """The reply once the batch is committed: with the posting's position, unless nothing was recorded."""
        reply = self.reply
        if self.items:
            reply = msgspec.structs.replace(reply, items=tuple(item.placed(positions) for item in self.items))
        index = self.index if self.earlier is None else self.earlier.index
        if reply.status == "error" or index < 0:
            return reply
        return msgspec.structs.replace(reply, position=positions[index])


class Settled(NamedTuple):
    """A key that is decided: what was asked (`fingerprint`) and what was answered."""

    fingerprint: str | None
    reply: Reply


class Known(Protocol):
    """What is decided and durable, by the stream that decides it."""

    def get(self, posting_id: UUID) -> Settled | None: ...


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


def repeated(reply: Reply, same_request: bool) -> Reply:
    """The answer to a key that is decided already: the same answer again, or an error when something else was asked."""
    if same_request:
        return msgspec.structs.replace(reply, replayed=True)
    return Reply(
        status="error",
        code=KEY_REUSED,
        detail="this key was used for another request; send a new key",
        posting_id=reply.posting_id,
    )
