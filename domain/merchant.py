"""Merchant: a party that sells through a book and is owed money by it."""

from __future__ import annotations

from datetime import datetime

from eventsourcing.domain import Aggregate

from domain.ids import canonical_uuid, stream_id


class Merchant(Aggregate):
    """A seller. Its accounts (pending, available, ...) are wallets of their own; this stream says that it exists."""

    TOPIC = "merchant"

    class Event(Aggregate.Event):
        """Anything that happens to a merchant."""

    class Registered(Event, Aggregate.Created):
        """A merchant may sell from now on."""

        TOPIC = "merchant.registered.v1"
        merchant_id: str
        reference: str | None

    Created = Registered

    def __init__(self, merchant_id: str, reference: str | None) -> None:
        self.merchant_id = merchant_id
        self.reference = reference

    @classmethod
    def register(cls, *, book: int, merchant_id: str, at: datetime, reference: str | None = None) -> Merchant:
        """Register a merchant under its public id (UUID text, made canonical); raises `NotAUuid`."""
        key = canonical_uuid(merchant_id, "merchant_id")
        return cls._create(
            cls.Registered,
            id=stream_id(book, "merchant", key),
            timestamp=at,
            merchant_id=key,
            reference=reference,
        )
