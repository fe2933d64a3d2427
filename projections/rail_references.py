"""rail_references: which attempt a rail means by a name, so that bookings and settlements find their orders.

A rail may name an attempt by the key it was sent, or by the reference that it gave itself when the outcome was to come
later.
"""

from __future__ import annotations

from domain import payment_events as events
from domain import waiting_events as waiting
from domain.payment_facts import RECORDED_RAIL
from projections.view import Fact, Key, PlainRows, Rows


class RailReferences(PlainRows):
    """One row per name of an attempt at its rail. Nobody asks for recorded payments: they are facts already."""

    name = "rail_references"
    version = 1
    topics = (
        "payment-order.attempt-started.v1",
        "payment-order.action-required.v1",
        "payment-order.attempt-pending.v1",
    )
    stream_column = "stream_id"
    key = ("stream_id", "attempt", "reference")
    columns = {
        "stream_id": "uuid",
        "attempt": "int",
        "reference": "text",
        "book": "int",
        "position": "bigint",
    }

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        named = _named(fact)
        return () if named is None else ((fact.stream_id, *named),)

    def fold(self, rows: Rows, fact: Fact) -> None:
        named = _named(fact)
        if named is None:
            return
        attempt, reference = named
        rows[(fact.stream_id, attempt, reference)] = {
            "stream_id": fact.stream_id,
            "attempt": attempt,
            "reference": reference,
            "book": fact.book,
            "position": fact.position,
        }


def _named(fact: Fact) -> tuple[int, str] | None:
    event = fact.event
    if isinstance(event, events.AttemptStarted):
        return None if event.rail == RECORDED_RAIL else (event.attempt, event.attempt_key)
    if isinstance(event, (waiting.ActionRequired, waiting.AttemptPending)):
        return event.attempt, event.rail_reference
    return None


VIEW = RailReferences()
