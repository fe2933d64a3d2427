"""The book as a whole: sums over wallets, closed periods, monitors, adjustments, the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from daybook.client.answer import Row
from daybook.client.asked import WalletName, key_of
from daybook.client.connection import Connection, given, in_path
from daybook.client.ledger_models import Balance, Volume
from daybook.client.models import (
    Adjustment,
    Event,
    EventsPage,
    Health,
    Monitor,
    MonitorDecision,
    PeriodClosed,
    Periods,
)
from daybook.client.wallets import metadata_query


class Sums:
    """Balances and volumes of many wallets together; minor units. Each call raises a `Problem` or NoAnswer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def balances(
        self,
        *,
        address: str | None = None,
        currency: str | None = None,
        kind: str | None = None,
        metadata: Mapping[str, str] | None = None,
        frozen: bool | None = None,
        closed: bool | None = None,
        group_by: str | None = None,
        as_of: str | datetime | None = None,
        effective_at: datetime | None = None,
        at_least: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Balance]:
        """Sums per currency, kind and group (address, segment.N, metadata.KEY): now, as of a position or a time, or of
        what was true at a moment."""
        query = {
            "address": address,
            "currency": currency,
            "kind": kind,
            "frozen": frozen,
            "closed": closed,
            "group_by": group_by,
            "as_of": as_of,
            "effective_at": effective_at,
            "at_least": at_least,
            "limit": limit,
        }
        return self._connection.rows(Balance, "/v1/balances", {**query, **metadata_query(metadata)})

    def volumes(
        self,
        *,
        address: str | None = None,
        currency: str | None = None,
        kind: str | None = None,
        metadata: Mapping[str, str] | None = None,
        frozen: bool | None = None,
        closed: bool | None = None,
        group_by: str | None = None,
        effective_from: datetime | None = None,
        effective_to: datetime | None = None,
        as_of: str | datetime | None = None,
        recorded_from: str | datetime | None = None,
        recorded_to: str | datetime | None = None,
        at_least: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Volume]:
        """Debits and credits per currency, kind and group, over a range of effective or of recorded time."""
        query = {
            "address": address,
            "currency": currency,
            "kind": kind,
            "frozen": frozen,
            "closed": closed,
            "group_by": group_by,
            "effective_from": effective_from,
            "effective_to": effective_to,
            "as_of": as_of,
            "recorded_from": recorded_from,
            "recorded_to": recorded_to,
            "at_least": at_least,
            "limit": limit,
        }
        return self._connection.rows(Volume, "/v1/volumes", {**query, **metadata_query(metadata)})


class ClosedPeriods:
    """Through which day the book is closed. Each call raises a `Problem` or NoAnswer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def show(self, *, as_of: str | datetime | None = None) -> Periods:
        """How far the book is closed, and by which closings; now, or as of a position or a time."""
        return self._connection.ask(Periods, "GET", "/v1/periods", query={"as_of": as_of})

    def close(self, through: date, *, key: str | UUID | None = None) -> PeriodClosed:
        """Close the book through a day (UTC) that is over; never opened again. Raises Refused."""
        return self._connection.ask(
            PeriodClosed, "POST", "/v1/periods/close", body={"through": through}, key=key_of(key)
        )


class Monitors:
    """Thresholds that are watched. Each call raises a `Problem` or NoAnswer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        wallet: WalletName,
        currency: str | None = None,
        *,
        measure: str,
        threshold_minor: int,
        reference: str | None = None,
        key: str | UUID | None = None,
    ) -> MonitorDecision:
        """Watch `measure` (posted, held, available) cross `threshold_minor` (natural sign). Raises NotFound."""
        body = {"wallet": wallet, "measure": measure, "threshold_minor": threshold_minor}
        body |= given(currency=currency, reference=reference)
        return self._connection.ask(MonitorDecision, "POST", "/v1/monitors", body=body, key=key_of(key))

    def show(self, monitor_id: str | UUID, *, as_of: str | datetime | None = None) -> Monitor:
        """A monitor and its crossings, newest first; now, or as of a position or a time. Raises NotFound."""
        return self._connection.ask(Monitor, "GET", f"/v1/monitors/{in_path(monitor_id)}", query={"as_of": as_of})

    def list(
        self,
        *,
        wallet: WalletName | None = None,
        currency: str | None = None,
        measure: str | None = None,
        side: str | None = None,
        removed: bool | None = None,
        as_of: str | datetime | None = None,
        at_least: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """Monitors with the side of their last crossing, newest first."""
        query = {
            "wallet": wallet,
            "currency": currency,
            "measure": measure,
            "side": side,
            "removed": removed,
            "as_of": as_of,
            "at_least": at_least,
            "limit": limit,
        }
        return self._connection.rows(Row, "/v1/monitors", query)

    def remove(self, monitor_id: str | UUID) -> MonitorDecision:
        """Watch no more; removing again changes nothing. Raises NotFound."""
        return self._connection.ask(MonitorDecision, "DELETE", f"/v1/monitors/{in_path(monitor_id)}")


class Adjustments:
    """Corrections of the books by two API keys. Each call raises a `Problem` or NoAnswer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def propose(
        self,
        lines: Sequence[Mapping[str, Any]],
        *,
        reason: str,
        effective_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        key: str | UUID | None = None,
    ) -> Adjustment:
        """Propose lines of `address`, `currency` and signed `amount_minor`. The key is the adjustment's id.

        Raises Refused (posting_unbalanced, unknown_account, period_closed).
        """
        body = {"lines": [dict(line) for line in lines], "reason": reason}
        body |= given(effective_at=effective_at, metadata=metadata)
        return self._connection.ask(Adjustment, "POST", "/v1/adjustments", body=body, key=key_of(key))

    def show(self, adjustment_id: str | UUID, *, as_of: str | datetime | None = None) -> Adjustment:
        """One adjustment, now or as of a position or a time. Raises NotFound."""
        return self._connection.ask(Adjustment, "GET", _adjustment(adjustment_id), query={"as_of": as_of})

    def list(
        self,
        *,
        state: str | None = None,
        proposed_by: str | None = None,
        decided_by: str | None = None,
        as_of: str | datetime | None = None,
        at_least: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """Adjustments, newest first."""
        query = {
            "state": state,
            "proposed_by": proposed_by,
            "decided_by": decided_by,
            "as_of": as_of,
            "at_least": at_least,
            "limit": limit,
        }
        return self._connection.rows(Row, "/v1/adjustments", query)

    def approve(self, adjustment_id: str | UUID, *, key: str | UUID | None = None) -> Adjustment:
        """Approve what another key proposed; it is posted then. Raises Refused (self_approval, ...), NotFound."""
        return self._connection.ask(Adjustment, "POST", f"{_adjustment(adjustment_id)}/approve", key=key_of(key))

    def reject(self, adjustment_id: str | UUID, *, reason: str, key: str | UUID | None = None) -> Adjustment:
        """Turn it down, or take one's own back. Raises Refused when it is decided, NotFound."""
        path = f"{_adjustment(adjustment_id)}/reject"
        return self._connection.ask(Adjustment, "POST", path, body={"reason": reason}, key=key_of(key))


class Events:
    """The log of the book. Each call raises a `Problem` or NoAnswer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def page(
        self,
        after: str = "0",
        *,
        topics: Sequence[str] = (),
        as_of: str | datetime | None = None,
        limit: int | None = None,
    ) -> EventsPage:
        """Events after a position, in order; up to `as_of`, a position or a time, where it is given."""
        query = {"after": after, "as_of": as_of, "limit": limit, "topics": ",".join(topics) or None}
        return self._connection.ask(EventsPage, "GET", "/v1/events", query=query)

    def list(
        self,
        after: str = "0",
        *,
        topics: Sequence[str] = (),
        as_of: str | datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[Event]:
        """Every event after a position up to now, or to `as_of`, in order; `limit` is how many each request brings."""
        while True:
            page = self.page(after, topics=topics, as_of=as_of, limit=limit)
            if not page.items:
                return
            yield from page.items
            after = page.next_after


class Probes:
    """How the API is; needs no key."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def alive(self) -> Health:
        """Whether it answers at all. Raises NoAnswer."""
        return self._connection.ask(Health, "GET", "/healthz")

    def ready(self) -> Health:
        """Whether it can serve now, and what is wrong if not. Raises NoAnswer."""
        return self._connection.ask(Health, "GET", "/readyz", also=503)

    def metrics(self) -> str:
        """Its counters in the Prometheus text format. Raises NoAnswer."""
        return self._connection.send("GET", "/metrics").text


def _adjustment(adjustment_id: str | UUID) -> str:
    return f"/v1/adjustments/{in_path(adjustment_id)}"
