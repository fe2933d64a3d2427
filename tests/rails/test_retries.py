"""What is called once more: what is safe, once, soon but not at once, within a budget, and never to charge twice."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from rails.guarded import GuardedRail
from rails.port import (
    OPERATIONS,
    ActionRequired,
    Authorised,
    AuthoriseRequest,
    CapabilityNotDeclared,
    Captured,
    CaptureRequest,
    Declined,
    InquiryRequest,
    NotFound,
    NotSent,
    Pending,
    Unknown,
    Voided,
    VoidRequest,
)
from rails.registry import open_rail
from rails.retries import (
    BUDGET_MOST,
    BUDGET_PER_SECOND,
    BUDGET_SHARE,
    LONGEST_WAIT_SECONDS,
    SHORTEST_WAIT_SECONDS,
    TRIES,
    WAITING,
    Budget,
    Waits,
    outcome,
    retry_class,
)
from rails.simulator.process import RunningSimulator, running_simulator
from tests.rails.answering import WITH_KEYS, WITHOUT_KEYS, Answering

LOST, AWAY = Unknown("no reply"), NotSent("connection refused")
HELD, NO = Authorised("ref", 100, None), Declined("insufficient_funds", "soft")
REQUEST = AuthoriseRequest("order", 1, "key", 100, "EUR", "tok_visa", capture=True)
NEVER = 3_600.0


class Waited:
    """What stamina tells of the waits that it begins; `meanwhile` happens while it waits."""

    def __init__(self) -> None:
        self.told: list[RetryDetails] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.stops = False

    def __call__(self, details: RetryDetails) -> None:
        self.told.append(details)
        self.meanwhile()

    @property
    def waits(self) -> Waits:
        return Waits(stopped=lambda: self.stops, chance=random.Random(6).random)


@pytest.fixture(autouse=True)
def waited() -> Iterator[Waited]:
    """Nobody sleeps, and what would have been slept is told."""
    waited, before = Waited(), get_on_retry_hooks()
    set_on_retry_hooks([waited])
    with stamina.set_testing(True, attempts=TRIES):
        yield waited
    set_on_retry_hooks(before)


CALLS: dict[str, Callable[[GuardedRail], Any]] = {
    "authorise": lambda guard: guard.authorise(REQUEST),
    "capture": lambda guard: guard.capture(CaptureRequest("c", "ref", 100, "EUR", final=True)),
    "void": lambda guard: guard.void(VoidRequest("v", "ref")),
    "inquire": lambda guard: guard.inquire(InquiryRequest("key")),
    "facts": lambda guard: guard.facts(7),
}


def test_what_may_be_sent_again_is_told_by_operation_keys_and_reply() -> None:
    for operation in OPERATIONS:
        for reply in (LOST, AWAY):
            asking = operation in ("inquire", "facts")
            assert retry_class(operation, WITH_KEYS, reply) == ("safe" if asking else "safe_with_key")
            assert retry_class(operation, WITHOUT_KEYS, reply) == ("safe" if asking else "unsafe")
        for decided in (
            HELD, NO, Declined("invalid_request", "hard"), Captured("r", 1, 0), Voided("r", 1), Pending("r", None),
            ActionRequired("r", None, None), NotFound("k"),
        ):  # fmt: skip
            assert retry_class(operation, WITH_KEYS, decided) == "never"


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("first", [LOST, AWAY])
def test_a_call_without_an_answer_is_made_once_more_with_the_same_request(
    waited: Waited, operation: str, first: Any
) -> None:
    rail = Answering(first, HELD)
    assert CALLS[operation](GuardedRail(rail, waits=waited.waits)) == HELD
    assert rail.asked[0] is rail.asked[1], "the very same request"
    assert len(rail.asked) == 2
    (told,) = waited.told
    assert str(told.caused_by) == f"scripted {operation}: {first.reason}"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_two_tries_are_all(waited: Waited, operation: str) -> None:
    rail = Answering(LOST)
    assert CALLS[operation](GuardedRail(rail, waits=waited.waits)) == LOST
    assert len(rail.asked) == 2


def test_without_keys_only_questions_are_repeated(waited: Waited) -> None:
    for operation, call in CALLS.items():
        rail = Answering(LOST, capabilities=WITHOUT_KEYS)
        call(GuardedRail(rail, waits=waited.waits))
        assert len(rail.asked) == (2 if operation in ("inquire", "facts") else 1)


@pytest.mark.parametrize("reply", [HELD, NO, Declined("invalid_request", "hard"), Pending("r", None)])
def test_what_was_decided_is_never_asked_again(waited: Waited, reply: Any) -> None:
    rail = Answering(reply)
    assert GuardedRail(rail, waits=waited.waits).authorise(REQUEST) == reply
    assert (len(rail.asked), waited.told) == (1, [])


def test_what_is_unknown_stays_so_when_the_second_try_never_left(waited: Waited) -> None:
    """As NotSent it would let another rail be tried, and the payer be charged twice."""
    assert GuardedRail(Answering(LOST, AWAY), waits=waited.waits).authorise(REQUEST) == LOST
    assert GuardedRail(Answering(AWAY, LOST), waits=waited.waits).authorise(REQUEST) == LOST
    assert outcome(AWAY, NotSent("again")) == NotSent("again")
    assert outcome(LOST, NO) == NO


@given(st.floats(0.0, 1.0, exclude_max=True), st.one_of(st.none(), st.floats(0.0, 1e9), st.just(math.inf)))
def test_a_wait_is_between_both_bounds_and_never_shorter_than_the_rail_asks(chance: float, asked: float | None) -> None:
    pause_s = Waits(chance=lambda: chance).pause_s(asked)
    if asked is not None and asked > LONGEST_WAIT_SECONDS:
        assert pause_s is None
    else:
        assert pause_s is not None
        assert max(asked or 0.0, SHORTEST_WAIT_SECONDS) <= pause_s <= LONGEST_WAIT_SECONDS


def test_a_rail_that_asks_for_longer_than_a_call_may_wait_is_not_asked_again(waited: Waited) -> None:
    for retry_after_s, tries in ((4.9, 2), (5.1, 1), (math.inf, 1), (0.0, 2)):
        rail = Answering(Unknown("status 503", retry_after_s), HELD)
        GuardedRail(rail, waits=waited.waits).authorise(REQUEST)
        assert len(rail.asked) == tries


@pytest.mark.parametrize(
    ("chance", "retry_after_s", "waits_s"), [(0.0, None, 0.001), (1.0, None, 0.003), (0.0, 0.002, 0.002)]
)
def test_the_wait_is_the_one_that_was_decided_on(
    waited: Waited, chance: float, retry_after_s: float | None, waits_s: float
) -> None:
    """With a real wait, if a short one: while stamina is told to test it waits for nothing."""
    rail = Answering(Unknown("status 503", retry_after_s), HELD)
    with stamina.set_testing(False):
        guard = GuardedRail(rail, waits=Waits(0.001, 0.003, chance=lambda: chance))
        assert guard.authorise(REQUEST) == HELD
    (told,) = waited.told
    assert told.wait_for == pytest.approx(waits_s)


def test_while_an_operation_is_held_to_be_down_nothing_is_repeated(waited: Waited) -> None:
    rail = Answering(LOST)
    guard = GuardedRail(rail, failures=3, down_seconds=NEVER, waits=waited.waits)
    assert guard.authorise(REQUEST) == LOST
    assert guard.authorise(REQUEST) == LOST
    assert isinstance(guard.authorise(REQUEST), NotSent)
    assert (len(rail.asked), len(waited.told)) == (3, 1), "the third failure opened the breaker: no second try"
    assert guard.inquire(InquiryRequest("key")) == LOST
    assert len(rail.asked) == 5


def test_a_breaker_that_opens_during_the_wait_ends_the_call(waited: Waited) -> None:
    rail = Answering(LOST)
    guard = GuardedRail(rail, failures=2, down_seconds=NEVER, waits=waited.waits)
    waited.meanwhile = lambda: rail.asked.append(guard._operations["authorise"]._breaker.open())
    assert guard.authorise(REQUEST) == LOST
    assert rail.asked == [REQUEST, True]


def test_a_trial_is_one_call(waited: Waited) -> None:
    rail = Answering(LOST)
    guard = GuardedRail(rail, failures=1, down_seconds=0.0, waits=waited.waits)
    assert [guard.authorise(REQUEST) for _ in range(3)] == [LOST] * 3
    assert (len(rail.asked), waited.told) == (3, [])


def test_a_process_that_stops_begins_no_wait(waited: Waited) -> None:
    rail = Answering(LOST, HELD)
    waited.stops = True
    assert GuardedRail(rail, waits=waited.waits).authorise(REQUEST) == LOST
    assert (len(rail.asked), waited.told) == (1, [])


def test_a_process_that_is_to_stop_by_the_end_of_a_wait_asks_no_more(waited: Waited) -> None:
    rail = Answering(LOST, HELD)
    waited.meanwhile = lambda: setattr(waited, "stops", True)
    assert GuardedRail(rail, waits=waited.waits).authorise(REQUEST) == LOST
    assert (len(rail.asked), len(waited.told)) == (1, 1)


def test_what_breaks_in_a_second_try_is_told_and_leaves_nobody_waiting(waited: Waited) -> None:
    """Adapters raise what their callers did wrong."""
    rail = Answering(LOST)
    breaks = CapabilityNotDeclared("scripted", "authorise", "ask another rail")
    guard = GuardedRail(rail, failures=100, waits=waited.waits)
    waited.meanwhile = lambda: setattr(rail, "authorise", Mock(side_effect=breaks))
    for _ in range(WAITING + 1):
        vars(rail).pop("authorise", None)
        with pytest.raises(CapabilityNotDeclared):
            guard.authorise(REQUEST)
    assert len(waited.told) == len(rail.asked) == WAITING + 1


def test_few_calls_of_a_rail_wait_at_once_and_keep_no_room_from_others(waited: Waited) -> None:
    rail, go, waiting = Answering(LOST), threading.Event(), threading.Semaphore(0)

    def meanwhile() -> None:
        waiting.release()
        assert go.wait(30)

    waited.meanwhile = meanwhile
    guard = GuardedRail(rail, calls=1, failures=100, waits=waited.waits)
    with ThreadPoolExecutor(WAITING) as pool:
        calls = []
        for _ in range(WAITING):
            calls.append(pool.submit(guard.authorise, REQUEST))
            assert waiting.acquire(timeout=10)
        assert guard.authorise(REQUEST) == LOST, "one more is answered at once"
        rail.replies = [HELD]
        assert guard.authorise(REQUEST) == HELD, "those that wait are not under way"
        go.set()
        assert {call.result(10) for call in calls} <= {HELD, LOST}


@given(
    st.lists(
        st.one_of(st.just("call"), st.just("retry"), st.floats(0.0, 100.0)), max_size=200
    )
)  # fmt: skip
def test_the_budget_is_never_exceeded(steps: list[str | float]) -> None:
    """Over any stretch of time: what was saved up, a share of the calls, and the floor."""
    now = 0.0
    budget = Budget(lambda: now)
    calls = taken = 0
    for step in steps:
        if isinstance(step, float):
            now += step
        elif step == "call":
            calls += 1
            budget.earn()
        else:
            taken += budget.spend()
        assert taken <= BUDGET_MOST + BUDGET_SHARE * calls + BUDGET_PER_SECOND * now + 1e-6


def test_in_an_outage_a_rail_gets_a_fifth_more_of_calls_and_not_twice_as_many(waited: Waited) -> None:
    rail = Answering(LOST)
    guard = GuardedRail(rail, failures=10**6, waits=waited.waits, budget=Budget(lambda: 0.0))
    for _ in range(1_000):
        guard.authorise(REQUEST)
    assert 1_000 < len(rail.asked) <= 1_000 * (1 + BUDGET_SHARE) + BUDGET_MOST


def test_a_rail_that_is_called_now_and_then_has_a_second_try_each_time() -> None:
    now = 0.0
    budget = Budget(lambda: now)
    while budget.spend():
        pass
    now += 1.0 / BUDGET_PER_SECOND
    assert budget.spend()
    assert not budget.spend()


def test_second_tries_are_counted(waited: Waited) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("daybook_rail_retries_total", {"rail": "scripted", "operation": "void"}) or 0.0

    before = counted()
    guard = GuardedRail(Answering(LOST, Voided("ref", 1)), waits=waited.waits)
    guard.void(VoidRequest("v", "ref"))
    assert counted() == before + 1
    (void,) = [told for told in guard.health() if told.operation == "void"]
    assert (void.calls, void.failures, void.retries) == (2, 1, 1)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with running_simulator(Path(tmp_path_factory.mktemp("simulator") / "books.sqlite3")) as simulator:
        yield simulator


@pytest.fixture
def desk(simulator: RunningSimulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.url, trust_env=False) as desk:
        desk.post("/reset", json={}).raise_for_status()
        yield desk


@pytest.mark.parametrize(
    "fault", ["server_error_before", "server_error_after", "hang_up_before", "hang_up_after", "truncated_reply"]
)
def test_a_rail_that_fails_once_has_charged_once(
    desk: httpx.Client, simulator: RunningSimulator, waited: Waited, fault: str
) -> None:
    """It fails the first time, before or after it has taken the money, and is mended while the call waits."""
    desk.post("/faults", json={"rates": {"authorise": {fault: 1.0}}}).raise_for_status()
    waited.meanwhile = lambda: desk.post("/faults", json={}).raise_for_status()
    guard = GuardedRail(open_rail("simulated", {"url": simulator.url}), waits=waited.waits)
    reply = guard.authorise(REQUEST)
    guard.close()
    assert isinstance(reply, Captured)
    assert desk.get("/faults").json()["played"]["authorise"] == {fault: 1}
    assert desk.get("/v1/totals").json()["currencies"]["EUR"]["captured_minor"] == 100


def test_an_inquiry_that_fails_once_is_answered(
    desk: httpx.Client, simulator: RunningSimulator, waited: Waited
) -> None:
    desk.post("/faults", json={"rates": {"inquiry": {"server_error_before": 1.0}}}).raise_for_status()
    waited.meanwhile = lambda: desk.post("/faults", json={}).raise_for_status()
    guard = GuardedRail(open_rail("simulated", {"url": simulator.url}), waits=waited.waits)
    assert guard.inquire(InquiryRequest("nobody/1")) == NotFound("nobody/1")
    guard.close()


def test_a_rail_that_goes_on_failing_has_charged_at_most_once(
    desk: httpx.Client, simulator: RunningSimulator, waited: Waited
) -> None:
    desk.post("/faults", json={"rates": {"authorise": {"server_error_after": 1.0}}}).raise_for_status()
    guard = GuardedRail(open_rail("simulated", {"url": simulator.url}), waits=waited.waits)
    assert isinstance(guard.authorise(REQUEST), Unknown)
    guard.close()
    assert desk.get("/faults").json()["played"]["authorise"] == {"server_error_after": 2}
    assert desk.get("/v1/totals").json()["currencies"]["EUR"]["captured_minor"] == 100
