"""Monitor: somebody wants to know when a number of a wallet crosses a threshold."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final, Literal
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.errors import RuleViolation
from domain.ids import stream_id
from domain.wallet_head import WalletHead

Measure = Literal["posted", "held", "available"]
Side = Literal["below", "at_or_above"]

MEASURES: Final = ("posted", "held", "available")
"""What of a wallet can be watched; `posted` is its natural balance."""


class MeasureUnknown(RuleViolation):
    """A monitor watches one of the three numbers that a wallet has."""

    code: ClassVar[str] = "measure_unknown"


class MonitorRemoved(RuleViolation):
    """A removed monitor watches nothing and cannot be removed again."""

    code: ClassVar[str] = "monitor_removed"


def side_of(balance_minor: int, threshold_minor: int) -> Side:
    """On which side of a threshold a balance is; the threshold itself belongs to the upper side."""
    return "at_or_above" if balance_minor >= threshold_minor else "below"


def measured(head: WalletHead, measure: str) -> int:
    """The number that a monitor of this measure watches, in minor units with the natural sign."""
    if measure == "available":
        return head.available
    return head.held if measure == "held" else head.natural


class Monitor(Aggregate):
    """Watches one number of one wallet; each crossing of the threshold, either way, is an event in its own commit.

    `side` is that of the last crossing. Before the first one it is None, and the side is the one the wallet is on: a
    crossing would have been recorded.
    """

    TOPIC = "monitor"

    class Event(Aggregate.Event):
        """Anything that happens to a monitor."""

    class Created(Event, Aggregate.Created):
        """Crossings of this threshold (natural sign, minor units) are recorded from now on."""

        TOPIC = "monitor.created.v1"
        wallet_id: UUID
        measure: str
        threshold_minor: int
        reference: str | None

    class Crossed(Event):
        """The watched number came to be on this side; it was on the other one before this version of the wallet."""

        TOPIC = "monitor.crossed.v1"
        side: str
        balance_minor: int
        wallet_version: int

        def apply(self, aggregate: Monitor) -> None:
            """Remember the side."""
            aggregate.side = self.side

    class Removed(Event):
        """Nobody wants to know any more."""

        TOPIC = "monitor.removed.v1"

        def apply(self, aggregate: Monitor) -> None:
            """Watch no more."""
            aggregate.removed = True

    def __init__(self, wallet_id: UUID, measure: str, threshold_minor: int, reference: str | None) -> None:
        self.wallet_id = wallet_id
        self.measure = measure
        self.threshold_minor = threshold_minor
        self.reference = reference
        self.side: str | None = None
        self.removed = False

    @classmethod
    def create(
        cls,
        *,
        book: int,
        key: str,
        wallet_id: UUID,
        measure: str,
        threshold_minor: int,
        at: datetime,
        reference: str | None = None,
    ) -> Monitor:
        """Watch a wallet, under the key of the request; raises `MeasureUnknown`."""
        if measure not in MEASURES:
            raise MeasureUnknown(f"measure must be one of {', '.join(MEASURES)}, not {measure!r}", "measure")
        return cls._create(
            cls.Created,
            id=stream_id(book, "monitor", key),
            timestamp=at,
            wallet_id=wallet_id,
            measure=measure,
            threshold_minor=threshold_minor,
            reference=reference,
        )

    def cross(self, *, balance_minor: int, wallet_version: int, at: datetime) -> bool:
        """Record that the number is on the other side now; False when it is on the side known, or nobody watches."""
        side = side_of(balance_minor, self.threshold_minor)
        if self.removed or side == self.side:
            return False
        self.trigger_event(
            self.Crossed, timestamp=at, side=side, balance_minor=balance_minor, wallet_version=wallet_version
        )
        return True

    def remove(self, *, at: datetime) -> None:
        """Stop watching; raises `MonitorRemoved`."""
        if self.removed:
            raise MonitorRemoved(f"monitor {self.id} was removed before")
        self.trigger_event(self.Removed, timestamp=at)
