"""Turns domain events into rows of plain JSON and back, so that Python, rebuilds and SQL share one schema.

The library's own transcoder wraps every UUID and date into `{"_type_": ...}` and is slow; here msgspec encodes the
event's fields as they are and decodes them, checked against the event class's annotations.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypedDict, get_type_hints

import msgspec
from eventsourcing.persistence import Mapper, MapperDeserialisationError, StoredEvent
from eventsourcing.utils import get_topic, resolve_topic

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from eventsourcing.domain import DomainEventProtocol

    from eventlog.recorded import Recorded

_encode = msgspec.json.Encoder().encode
_VERSION = re.compile(r"\.v(\d+)$")
_NOT_STATE = frozenset({"originator_id", "originator_version", "originator_id_type", "TOPIC", "class_version"})


def topic_version(topic: str) -> int:
    """The schema version that a topic such as `payment-order.captured.v2` carries; 1 when it carries none."""
    found = _VERSION.search(topic)
    return int(found.group(1)) if found else 1


def state_type(event_class: type) -> Any:
    """The JSON shape of an event class as a TypedDict: its annotated fields without the row's own columns."""
    fields = {
        name: hint
        for name, hint in get_type_hints(event_class).items()
        if name not in _NOT_STATE and not name.startswith("_") and "ClassVar" not in str(hint)
    }
    fields["timestamp"] = datetime
    return TypedDict(event_class.__name__, fields)  # type: ignore[operator]


@lru_cache(maxsize=1024)
def _reader(topic: str) -> tuple[type, Callable[[bytes], dict[str, Any]]]:
    """The class that a stored topic means today, and the function that reads its state, upcasting where it is old."""
    event_class = resolve_topic(topic)
    shape = state_type(event_class)
    stored, current = topic_version(topic), topic_version(get_topic(event_class))
    if stored == current:
        return event_class, msgspec.json.Decoder(shape).decode

    def upcast(state: bytes) -> dict[str, Any]:
        fields: dict[str, Any] = msgspec.json.decode(state)
        for version in range(stored, current):
            getattr(event_class, f"upcast_v{version}_v{version + 1}")(fields)
        return msgspec.convert(fields, shape)  # type: ignore[no-any-return]

    return event_class, upcast


def stored_row(stream_id: UUID, version: int, topic: str, state: bytes) -> StoredEvent:
    """The library's half of a row. Filled directly: its frozen constructor sets field by field, which costs more than
    encoding the state does."""
    stored: Any = object.__new__(StoredEvent)
    row = stored.__dict__
    row["originator_id"], row["originator_version"], row["topic"], row["state"] = stream_id, version, topic, state
    event: StoredEvent = stored
    return event


class LogMapper(Mapper["UUID"]):
    """The one mapper of the log; used by repositories, followers, views and rebuilds alike.

    An event whose schema changes gets a new topic (`...v2`), registers its old one with
    `eventsourcing.utils.register_topic` and a static method `upcast_v1_v2(fields: dict) -> None`.
    """

    def __init__(self) -> None:
        """Needs no transcoder, cipher or compressor: the state is JSON that SQL can read."""

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """The row's library-side half: stream, version, topic and JSON state."""
        fields = vars(domain_event).copy()
        return stored_row(
            fields.pop("originator_id"),
            fields.pop("originator_version"),
            get_topic(type(domain_event)),
            _encode(fields),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        """The domain event of a stored one. Raises MapperDeserialisationError naming stream, version and field."""
        event: DomainEventProtocol[UUID] = self._event(
            stored_event.topic, stored_event.originator_id, stored_event.originator_version, stored_event.state
        )
        return event

    def decode(self, recorded: Recorded) -> Any:
        """The domain event of a row that a follower delivered. Raises MapperDeserialisationError as above."""
        return self._event(recorded.topic, recorded.stream_id, recorded.version, recorded.state)

    def _event(self, topic: str, stream_id: UUID | str, version: int, state: bytes) -> Any:
        try:
            event_class, read = _reader(topic)
            fields = read(state)
        except Exception as error:
            message = f"Event {topic} of stream {stream_id}, version {version}, cannot be read: {error}"
            raise MapperDeserialisationError(message) from error
        fields["originator_id"] = stream_id
        fields["originator_version"] = version
        event: Any = object.__new__(event_class)
        object.__setattr__(event, "__dict__", fields)
        return event
