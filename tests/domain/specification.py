"""Given some history, when a command is made, then these events follow: how the tests of aggregates are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from eventsourcing.domain import Aggregate

from domain.errors import RuleViolation

Step = Callable[[Any], object]


@dataclass(frozen=True)
class Outcome:
    """What came of a command: the events it triggered, or the rule that refused it."""

    aggregate: Any
    events: list[Any]
    refusal: RuleViolation | None

    def then(self, *expected: type | tuple[type, dict[str, object]]) -> Outcome:
        """Exactly these events followed; a pair names the fields that matter as well."""
        if self.refusal is not None:
            raise self.refusal
        classes = [item[0] if isinstance(item, tuple) else item for item in expected]
        assert [type(event) for event in self.events] == classes
        for event, item in zip(self.events, expected, strict=True):
            if isinstance(item, tuple):
                assert {name: getattr(event, name) for name in item[1]} == item[1]
        return self

    def then_nothing(self) -> Outcome:
        """Nothing was recorded, and nothing refused."""
        return self.then()

    def then_raises(self, rule: type[RuleViolation], field: str | None = None) -> Outcome:
        """The rule refused, and nothing was recorded."""
        assert type(self.refusal) is rule, f"expected {rule.__name__}, got {self.refusal!r} and {self.events}"
        assert self.events == []
        if field is not None:
            assert self.refusal.field == field
        return self

    def and_status(self, status: str) -> Outcome:
        """The order stands here afterwards."""
        assert self.aggregate.status == status
        return self


def _state(aggregate: Any) -> dict[str, Any]:
    """Everything an aggregate knows; a head has slots and no equality, but says all of itself."""
    return {name: repr(value) if name == "head" else value for name, value in vars(aggregate).items()}


@dataclass(frozen=True)
class Given:
    """An aggregate with some history behind it."""

    aggregate: Aggregate

    def when(self, command: Step) -> Outcome:
        """Make the command and keep what it did; the state must also follow from the events alone."""
        history = list(self.aggregate.collect_events())
        refusal: RuleViolation | None = None
        try:
            command(self.aggregate)
        except RuleViolation as violation:
            refusal = violation
        events = list(self.aggregate.collect_events())
        replayed: Any = None
        for event in [*history, *events]:
            replayed = event.mutate(replayed)
        assert _state(replayed) == _state(self.aggregate)
        return Outcome(self.aggregate, events, refusal)


def given(aggregate: Aggregate, *history: Step) -> Given:
    """An aggregate after these commands."""
    for step in history:
        step(aggregate)
    return Given(aggregate)


def refused(rule: type[RuleViolation], field: str | None, command: Callable[[], object]) -> None:
    """A command that makes no aggregate at all, because of this rule."""
    with pytest.raises(rule) as caught:
        command()
    assert caught.value.field == field
    assert caught.value.message
