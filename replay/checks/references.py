"""references: what is about one thing is one stream, and a caller's reference is one posting's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final
from uuid import UUID

from domain.adjustment import Adjustment
from domain.book import Book
from domain.claim import Claim
from domain.ids import stream_id
from domain.merchant import Merchant
from domain.payment_order import PaymentOrder
from domain.posting import Posting
from domain.wallet import WalletAccount
from replay.checks.check import Finding, Place, PlainCheck, Scope, Seen, finding, place

_POSTING: Final = (Posting.Recorded, Posting.HoldPlaced)
KEYS: Final[dict[type, tuple[str, Callable[[Any], str]]]] = {
    Book.Created: ("book", lambda event: str(event.book)),
    Merchant.Created: ("merchant", lambda event: event.merchant_id),
    PaymentOrder.Created: ("payment-order", lambda event: event.order_id),
    WalletAccount.Opened: ("wallet", lambda event: f"{event.address}|{event.currency}"),
    Posting.Recorded: ("posting", lambda event: event.reference),
    Posting.Refused: ("posting", lambda event: event.reference),
    Posting.HoldPlaced: ("posting", lambda event: event.reference),
    Claim.Made: ("claim", lambda event: event.reference),
    Adjustment.Proposed: ("adjustment", lambda event: event.adjustment_id),
}
"""By the event that begins a stream: its kind and key, from which its id must follow."""


class References(PlainCheck):
    """Because an id follows from the key, two streams about one thing cannot be: the version conflict forbids it. So
    that every id follows from its key is all there is to check, for postings, wallets, orders and the others alike.
    A caller's own reference is made unique by a claim, which comes in the commit of its posting.
    """

    name: ClassVar[str] = "references"
    meaning: ClassVar[str] = (
        "every stream's id follows from its book and key, so nothing is there twice, and every caller's reference is "
        "claimed by the one posting that has it"
    )
    advice: ClassVar[str] = "the event was written past the program: compare it with a backup, and look at its `meta`"
    topics: ClassVar[tuple[str, ...]] = tuple(event.TOPIC for event in KEYS)  # type: ignore[attr-defined]

    def __init__(self, scope: Scope) -> None:
        """Needs nothing beside the events."""
        self._claims: dict[UUID, tuple[Place, UUID]] = {}

    def see(self, seen: Seen) -> Iterator[Finding]:
        """The id first, then the claim that must follow, or had to be announced."""
        event, row = seen.event, seen.row
        kind, key = KEYS[type(event)]
        expected = stream_id(row.book, kind, key(event))
        if row.stream_id != expected:
            problem = f"the stream's id does not follow from {kind} {key(event)!r} of book {row.book}"
            yield finding(seen, problem, expected=str(expected), found=str(row.stream_id))
        if isinstance(event, _POSTING) and event.external_reference is not None:
            claim = stream_id(row.book, "claim", event.external_reference)
            if claim in self._claims:
                yield _unclaimed(*self._claims[claim])
            self._claims[claim] = (place(seen), row.stream_id)
        elif isinstance(event, Claim.Made):
            _, posting_id = self._claims.pop(row.stream_id, (None, None))
            if posting_id != event.posting_id:
                problem = f"the reference {event.reference!r} is claimed for a posting that does not have it"
                yield finding(seen, problem, expected=_text(posting_id), found=str(event.posting_id))

    def end(self) -> Iterator[Finding]:
        """References that were never claimed: another posting has them, or may take them."""
        for where, posting_id in self._claims.values():
            yield _unclaimed(where, posting_id)


def _unclaimed(where: Place, posting_id: UUID) -> Finding:
    return finding(where, f"posting {posting_id} has a reference of its caller's that it never claimed")


def _text(posting_id: UUID | None) -> str | None:
    return None if posting_id is None else str(posting_id)


CHECK = References
