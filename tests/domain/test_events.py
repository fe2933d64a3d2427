"""Every event the log may hold can be read for ever."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eventsourcing.utils import resolve_topic

from domain import AGGREGATES, ALL_EVENTS
from tests.domain.builders import one_of_each
from tests.domain.golden_files import ORIGINATOR_FIELDS, plain_state

GOLDEN = Path(__file__).parent / "golden"


def test_every_event_version_has_a_golden_file_and_every_file_an_event() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(ALL_EVENTS)


def test_commands_make_every_event() -> None:
    assert sorted(one_of_each()) == sorted(ALL_EVENTS)


@pytest.mark.parametrize("topic", sorted(ALL_EVENTS))
def test_a_golden_file_has_exactly_the_fields_of_its_event(topic: str) -> None:
    written = json.loads((GOLDEN / f"{topic}.json").read_text(encoding="utf-8"))
    names = {field.name for field in dataclasses.fields(typing.cast(Any, ALL_EVENTS[topic]))}
    assert set(written) == names - set(ORIGINATOR_FIELDS)


@pytest.mark.parametrize("topic", sorted(ALL_EVENTS))
def test_a_golden_file_still_decodes_to_the_same_event(topic: str) -> None:
    written = json.loads((GOLDEN / f"{topic}.json").read_text(encoding="utf-8"))
    now = one_of_each()[topic]
    row = {"originator_id": str(now.originator_id), "originator_version": now.originator_version}
    if hasattr(now, "originator_topic"):
        row["originator_topic"] = now.originator_topic
    decoded = msgspec.convert(written | row, ALL_EVENTS[topic])
    assert decoded == now
    assert plain_state(decoded) == written


@pytest.mark.parametrize("topic", sorted(ALL_EVENTS))
def test_topics_resolve_and_type_hints_can_be_read(topic: str) -> None:
    event_class = ALL_EVENTS[topic]
    assert resolve_topic(topic) is event_class
    assert topic.split(".", maxsplit=1)[0] in AGGREGATES
    assert "timestamp" in typing.get_type_hints(event_class)
