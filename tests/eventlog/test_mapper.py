"""Stored JSON is plain, typed on the way back, and old versions still load."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import msgspec
import pytest
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import MapperDeserialisationError, StoredEvent
from eventsourcing.utils import register_topic

from eventlog.mapper import LogMapper

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Parcel(Aggregate):
    """An aggregate whose event has had another shape: `weight` in kilograms became `weight_grams`."""

    TOPIC = "parcel"

    class Event(Aggregate.Event):
        TOPIC = "parcel.event.v1"

    class Created(Aggregate.Created):
        TOPIC = "parcel.created.v1"

    class Weighed(Aggregate.Event):
        TOPIC = "parcel.weighed.v2"
        weight_grams: int
        label: uuid.UUID
        tags: dict[str, str]

        @staticmethod
        def upcast_v1_v2(fields: dict[str, object]) -> None:
            fields["weight_grams"] = int(str(fields.pop("weight"))) * 1000


register_topic("parcel.weighed.v1", Parcel.Weighed)
STREAM, LABEL = uuid.UUID(int=1), uuid.UUID(int=2)


def test_an_event_is_stored_as_plain_json_and_comes_back_equal() -> None:
    mapper = LogMapper()
    weighed = Parcel.Weighed(
        originator_id=STREAM, originator_version=2, timestamp=AT, weight_grams=5, label=LABEL, tags={"a": "b"}
    )
    stored = mapper.to_stored_event(weighed)
    assert msgspec.json.decode(stored.state) == {
        "timestamp": "2026-01-02T03:04:05Z",
        "weight_grams": 5,
        "label": str(LABEL),
        "tags": {"a": "b"},
    }
    assert mapper.to_domain_event(stored) == weighed


def test_an_old_version_is_upcast_when_it_is_read() -> None:
    state = msgspec.json.encode({"timestamp": AT, "weight": 3, "label": LABEL, "tags": {}})
    event = LogMapper().to_domain_event(StoredEvent(STREAM, 2, "parcel.weighed.v1", state))
    assert isinstance(event, Parcel.Weighed)
    assert event.weight_grams == 3000


@pytest.mark.parametrize(
    "state",
    [
        b"not json",
        b'{"timestamp": "2026-01-02T03:04:05Z", "weight_grams": "5", "label": "x", "tags": {}}',
        b'{"timestamp": "2026-01-02T03:04:05Z"}',
    ],
)
def test_a_damaged_row_is_named_and_never_half_read(state: bytes) -> None:
    with pytest.raises(MapperDeserialisationError, match=rf"parcel.weighed.v2 of stream {STREAM}, version 2"):
        LogMapper().to_domain_event(StoredEvent(STREAM, 2, "parcel.weighed.v2", state))
