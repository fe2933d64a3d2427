"""Every aggregate and every event the log may hold, by topic: what mapper, golden files and views agree on."""

from __future__ import annotations

from typing import Final

from eventsourcing.domain import Aggregate

from domain.adjustment import Adjustment
from domain.book import Book
from domain.claim import Claim
from domain.instrument import Instrument
from domain.merchant import Merchant
from domain.monitor import Monitor
from domain.payment_order import PaymentOrder
from domain.period import Period
from domain.posting import Posting
from domain.subject import Subject
from domain.wallet import WalletAccount

AGGREGATES: Final[dict[str, type[Aggregate]]] = {
    aggregate.TOPIC: aggregate
    for aggregate in (
        *(Book, Merchant, PaymentOrder, Instrument, WalletAccount, Posting),
        *(Claim, Period, Monitor, Adjustment, Subject),
    )
}
"""Aggregate class by kind; the kind is also the prefix of its topics and of its stream keys."""


def _events() -> dict[str, type[Aggregate.Event]]:
    found: dict[str, type[Aggregate.Event]] = {}
    for aggregate in AGGREGATES.values():
        for member in vars(aggregate).values():
            if isinstance(member, type) and issubclass(member, Aggregate.Event):
                topic = getattr(member, "TOPIC", None)
                if topic is not None:
                    found[topic] = member
    return found


ALL_EVENTS: Final[dict[str, type[Aggregate.Event]]] = _events()
"""Event class by topic."""


def topics_of(kind: str) -> tuple[str, ...]:
    """The topics of all events of one kind of aggregate."""
    return tuple(topic for topic in ALL_EVENTS if topic.startswith(f"{kind}."))
