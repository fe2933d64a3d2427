"""Metrics of views and their rebuilds, read from their records at each scrape: all processes tell the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import psycopg
import structlog
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from eventlog.errors import LogUnavailable
from projections.queries.reading import Reader
from replay.progress import Progress, Status, events_read, latest, standing

log = structlog.get_logger(__name__)

_REBUILD = ("view", "build")
_BUILD = ("view", "build", "state")


class _Families:
    """One scrape's metrics. Those of rebuilds are of the newest one of each view."""

    def __init__(self) -> None:
        self.events = CounterMetricFamily("daybook_replay_events", "Events that rebuilds have read", labels=["view"])
        self.ratio = _gauge("daybook_replay_progress_ratio", "How far the newest rebuild is along the log", _REBUILD)
        self.rate = _gauge("daybook_replay_events_per_second", "Events read per second that it has worked", _REBUILD)
        self.eta = _gauge("daybook_replay_eta_seconds", "Time left at that rate, while it is running", _REBUILD)
        self.state = _gauge("daybook_replay_state", "1 for the state that it is in, 0 for the others", _BUILD)
        self.position = _gauge("daybook_view_position", "Position of each build that is kept up", _BUILD)
        self.lag = _gauge(
            "daybook_view_lag_seconds", "How long the first event has waited that a build has not read", _BUILD
        )

    def all(self) -> list[Metric]:
        """In the order of their names."""
        return sorted(vars(self).values(), key=lambda family: str(family.name))

    def add_rebuild(self, told: Progress) -> None:
        """The newest rebuild of a view."""
        labels = [told.view, str(told.build)]
        self.ratio.add_metric(labels, told.percent / 100)
        self.rate.add_metric(labels, told.events_per_second)
        if told.seconds_left is not None:
            self.eta.add_metric(labels, told.seconds_left)
        for state in get_args(Status):
            self.state.add_metric([*labels, state], float(told.status == state))


class ViewMetrics(Collector):
    """Gathers what the records say now. While they cannot be read there are no such samples, and the others stay."""

    def __init__(self, reader: Reader | None) -> None:
        self._reader = reader
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def describe(self) -> list[Metric]:
        """Names, types and labels, for which nothing is read."""
        return _Families().all()

    def collect(self) -> Iterator[Metric]:
        """Asks the database."""
        families = _Families()
        if self._reader is not None:
            try:
                self._gather(families, self._reader)
            except (LogUnavailable, psycopg.Error) as problem:
                log.warning("the records of views cannot be read for metrics", problem=str(problem))
                return
        yield from families.all()

    def _gather(self, families: _Families, reader: Reader) -> None:
        for view, events in events_read(reader).items():
            families.events.add_metric([view], events)
        for told in latest(reader):
            families.add_rebuild(told)
        for row in standing(reader):
            labels = [row["view"], str(row["build"]), row["state"]]
            families.position.add_metric(labels, row["position"])
            families.lag.add_metric(labels, row["lag_s"])


def _gauge(name: str, about: str, labels: tuple[str, ...]) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, labels=labels)
