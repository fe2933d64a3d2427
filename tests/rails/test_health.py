"""What is told of a rail's calls: how long they took, how many failed, and since when it is up or down."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from rails.guarded import GuardedRail
from rails.health import Measured, OperationHealth, declared, percentile
from rails.port import Authorised, AuthoriseRequest, Declined, InquiryRequest, NotSent, Unknown
from rails.recorded import RecordedRail
from rails.simulated import SimulatedRail
from tests.rails.answering import WITHOUT_KEYS, Answering

NEVER = 3_600.0
LOST, HELD = Unknown("no reply"), Authorised("ref", 100, None)
REQUEST = AuthoriseRequest("order", 1, "key", 100, "EUR", "tok_visa", capture=False)


def of(guard: GuardedRail, operation: str = "authorise") -> OperationHealth:
    (told,) = [one for one in guard.health() if one.operation == operation]
    return told


@given(st.lists(st.floats(0.0, 1e6), min_size=1), st.sampled_from([0.5, 0.99, 0.999]))
def test_a_percentile_is_the_least_number_that_so_large_a_share_is_not_above(
    seconds: list[float], share: float
) -> None:
    found = percentile(sorted(seconds), share)
    assert found in seconds
    assert sum(one <= found for one in seconds) >= share * len(seconds)
    assert sum(one < found for one in seconds) < math.ceil(share * len(seconds))


def test_percentiles_are_of_the_latest_calls_only_and_counts_of_all() -> None:
    measured = Measured(window=1_000)
    for milliseconds in range(3_000):
        measured.add(milliseconds / 1000, HELD)
    told = measured.figures()
    assert (told.calls, told.failures, told.retries) == (3_000, 0, 0)
    assert (told.p50_ms, told.p99_ms, told.p999_ms) == (2_499.0, 2_989.0, 2_998.0)


def test_a_call_that_timed_out_took_as_long_as_it_was_waited_for_and_one_never_sent_took_nothing() -> None:
    measured = Measured()
    assert measured.figures().p999_ms is None
    measured.add(0.0, NotSent("connection refused"))
    assert (measured.figures().calls, measured.figures().failures, measured.figures().p50_ms) == (1, 1, None)
    measured.add(10.0, Unknown("ReadTimeout"))
    measured.add(0.1, Declined("no", "hard"))
    told = measured.figures()
    assert (told.calls, told.failures, told.p50_ms, told.p999_ms) == (3, 2, 100.0, 10_000.0)


def test_a_rail_tells_of_its_operations_their_time_outs_and_how_long_it_has_been_up() -> None:
    guard = GuardedRail(Answering(HELD), timeouts={"authorise": 30.0, "facts": 5.0})
    assert [told.operation for told in guard.health()] == ["authorise", "capture", "void", "inquire", "facts"]
    told = of(guard)
    assert (told.state, told.calls, told.timeout_ms, told.p50_ms) == ("up", 0, 30_000.0, None)
    assert told.since >= told.counted_from
    assert of(guard, "void").timeout_ms is None
    guard.authorise(REQUEST)
    assert (of(guard).calls, of(guard).failures) == (1, 0)
    assert of(guard).p50_ms is not None
    labels = {"rail": "scripted", "operation": "authorise"}
    assert REGISTRY.get_sample_value("daybook_rail_timeout_seconds", labels) == 30.0


def test_a_rail_is_down_since_it_went_down_however_often_it_was_tried() -> None:
    rail = Answering(LOST, capabilities=WITHOUT_KEYS)
    guard = GuardedRail(rail, failures=1, down_seconds=NEVER)
    up_since = of(guard).since
    guard.authorise(REQUEST)
    down = of(guard)
    assert (down.state, down.failures) == ("down", 1)
    assert down.since >= up_since
    guard._operations["authorise"]._breaker.reset_timeout = 0.0
    assert of(guard).state == "trial"
    guard.authorise(REQUEST)
    assert (of(guard).state, of(guard).since, of(guard).failures) == ("trial", down.since, 2)
    rail.replies = [HELD]
    guard.authorise(REQUEST)
    assert of(guard).state == "up"
    assert of(guard).since > down.since
    assert of(guard, "inquire").state == "up"


def test_what_the_guard_refuses_itself_is_no_call() -> None:
    guard = GuardedRail(Answering(LOST, capabilities=WITHOUT_KEYS), failures=1, down_seconds=NEVER)
    for _ in range(3):
        guard.authorise(REQUEST)
    assert of(guard).calls == 1


@pytest.mark.parametrize(
    ("rail", "operations"),
    [(SimulatedRail, ("authorise", "capture", "void", "inquire", "facts")), (RecordedRail, ())],
)
def test_a_rail_tells_of_nothing_that_it_does_not_do(rail: Any, operations: tuple[str, ...]) -> None:
    assert declared(rail.capabilities) == operations


def test_a_trial_is_measured_as_any_call() -> None:
    guard = GuardedRail(Answering(LOST, HELD), failures=1, down_seconds=0.0)
    guard.inquire(InquiryRequest("key"))
    guard.inquire(InquiryRequest("key"))
    assert (of(guard, "inquire").calls, of(guard, "inquire").failures) == (2, 1)
