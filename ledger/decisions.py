"""What is decided on a request's key, and how the same key is answered when it comes again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from domain.ids import stream_id
from ledger.wire import CloseWallet, OpenWallet, Order, Reply, Transfer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

KEY_REUSED: Final = "key_reused"
_RULES: Final[dict[type[Order], str]] = {
    Transfer: "transfer",
    OpenWallet: "wallet-opening",
    CloseWallet: "wallet-closing",
}


def order_rule(order: Order) -> str:
    """The name of the rule that a request's posting is recorded under."""
    return _RULES[type(order)]


def order_reference(order: Order) -> str:
    """The posting's reference that a request's key stands for; each kind of request has keys of its own."""
    return f"{_RULES[type(order)]}/{order.key}"


def order_posting_id(order: Order) -> UUID:
    """The stream that decides a request's key once and for all."""
    return stream_id(order.book, "posting", order_reference(order))


class Decision:
    """What a batch decided on one request; `index` is the place of the posting's event among the batch's events."""

    __slots__ = ("fingerprint", "index", "reply")

    def __init__(self, reply: Reply, index: int, asked: str) -> None:
        self.reply = reply
        self.index = index
        self.fingerprint = asked

    def placed(self, positions: Sequence[int]) -> Reply:
        """The reply once the batch is committed: with the posting's position, unless the request was a mistake."""
        if self.reply.status == "error":
            return self.reply
        return msgspec.structs.replace(self.reply, position=positions[self.index])


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
