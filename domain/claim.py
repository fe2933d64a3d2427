"""Claim: what makes a caller's own reference unique in its book."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.ids import stream_id


class Claim(Aggregate):
    """One external reference, taken for ever by one posting.

    The reference is the stream's key and the claim is written in the commit of its posting, so that a second use is a
    version conflict: no table of references has to be asked, and none can be out of step with the log.
    """

    TOPIC = "claim"

    class Event(Aggregate.Event):
        """Anything that happens to a claim."""

    class Made(Event, Aggregate.Created):
        """The reference belongs to this posting from now on."""

        TOPIC = "claim.made.v1"
        reference: str
        posting_id: UUID

    Created = Made

    def __init__(self, reference: str, posting_id: UUID) -> None:
        self.reference = reference
        self.posting_id = posting_id

    @classmethod
    def make(cls, *, book: int, reference: str, posting_id: UUID, at: datetime) -> Claim:
        """Take a reference for a posting, in the posting's own commit."""
        return cls._create(
            cls.Made,
            id=stream_id(book, "claim", reference),
            timestamp=at,
            reference=reference,
            posting_id=posting_id,
        )
