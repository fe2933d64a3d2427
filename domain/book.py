"""Book: one tenant's ledger. No posting, key or query crosses books."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from eventsourcing.domain import Aggregate

from domain.errors import RuleViolation
from domain.ids import stream_id
from domain.money import BPS_WHOLE


class CommissionOutOfRange(RuleViolation):
    """A platform commission is below nothing or above everything."""

    code: ClassVar[str] = "commission_out_of_range"


def check_commission(commission_bps: int) -> int:
    """Give basis points from 0 to 10000 back, else raise `CommissionOutOfRange`."""
    if not 0 <= commission_bps <= BPS_WHOLE:
        message = f"commission_bps must be 0 to {BPS_WHOLE} basis points, not {commission_bps}"
        raise CommissionOutOfRange(message, "commission_bps")
    return commission_bps


class Book(Aggregate):
    """A tenant's ledger: its number is part of every stream id, its commission the default of its orders."""

    TOPIC = "book"

    class Event(Aggregate.Event):
        """Anything that happens to a book."""

    class Opened(Event, Aggregate.Created):
        """A tenant's ledger exists from now on."""

        TOPIC = "book.opened.v1"
        book: int
        name: str
        commission_bps: int

    Created = Opened

    def __init__(self, book: int, name: str, commission_bps: int) -> None:
        self.book = book
        self.name = name
        self.commission_bps = commission_bps

    @classmethod
    def open(cls, *, book: int, name: str, commission_bps: int, at: datetime) -> Book:
        """Open book number `book`; raises `CommissionOutOfRange`."""
        return cls._create(
            cls.Opened,
            id=stream_id(book, "book", str(book)),
            timestamp=at,
            book=book,
            name=name,
            commission_bps=check_commission(commission_bps),
        )
