"""The log as the rest of the program uses it: save aggregates, fetch aggregates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import BaseAggregate
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    InfrastructureFactoryError,
    Mapper,
    ProcessRecorder,
    TrackingRecorder,
)
from eventsourcing.utils import Environment

from eventlog.mapper import LogMapper

if TYPE_CHECKING:
    from eventsourcing.domain import DomainEventProtocol, MutableOrImmutableAggregate
    from eventsourcing.persistence import Recording
    from eventsourcing.utils import EnvType

    from eventlog.memory import MemoryRecorder
    from eventlog.postgres import PostgresRecorder


class _GivenRecorder(InfrastructureFactory[TrackingRecorder]):
    """Hands the library the recorder that the composition root made, instead of one named by the environment."""

    def __init__(self, recorder: ProcessRecorder) -> None:
        super().__init__(Environment("EventLog", {}))
        self._recorder = recorder

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        if purpose != "events":
            message = f"The log keeps no {purpose} through the library: wallet snapshots have a table of their own."
            raise InfrastructureFactoryError(message)
        return self._recorder

    def application_recorder(self) -> ApplicationRecorder:
        return self._recorder

    def tracking_recorder(self, tracking_recorder_class: type[TrackingRecorder] | None = None) -> TrackingRecorder:
        return self._recorder

    def process_recorder(self) -> ProcessRecorder:
        return self._recorder


class EventLog(Application[UUID]):
    """`save(*aggregates_or_events, book=..., meta=...)` is the only way anything is written.

    It raises `eventsourcing.persistence.IntegrityError` when a stream has moved on: reload the aggregates and decide
    again (the pending events of the old ones are spent). `repository.get(stream_id)` folds a stream and raises
    `eventsourcing.application.AggregateNotFoundError`.
    """

    def __init__(self, recorder: PostgresRecorder | MemoryRecorder) -> None:
        self._given = recorder
        super().__init__()

    @property
    def log_recorder(self) -> PostgresRecorder | MemoryRecorder:
        """The recorder with its horizon-bounded `read` and its `horizon`."""
        return self._given

    @property
    def log_mapper(self) -> LogMapper:
        """The mapper with its `decode` for rows that a follower delivered."""
        assert isinstance(self.mapper, LogMapper)  # noqa: S101 - narrowing only
        return self.mapper

    def construct_factory(self, env: Environment) -> InfrastructureFactory:
        return _GivenRecorder(self._given)

    def construct_mapper(self) -> Mapper[UUID]:
        return LogMapper()

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        return Environment(name, {})

    def save(
        self,
        *objs: MutableOrImmutableAggregate[UUID] | DomainEventProtocol[UUID] | None,
        **kwargs: Any,
    ) -> list[Recording[UUID]]:
        """Stores the pending events of the aggregates, and events given as such, in one commit.

        Written out because the library's own tells events from aggregates by structural protocol checks, which cost
        more than the rest of the call, and because there is no snapshotting or notifying for it to do here.
        """
        events: list[DomainEventProtocol[UUID]] = []
        for obj in objs:
            if isinstance(obj, BaseAggregate):
                events += obj.collect_events()
            elif obj is not None:
                events.append(obj)  # type: ignore[arg-type]  # what is no aggregate is an event
        return self.events.put(events, **kwargs)

    def close(self) -> None:
        """Commits what has been taken and closes the recorder's connections."""
        self._given.close()
        super().close()
