"""A rail that fails, or hangs, keeps only its own calls waiting, and is left alone until it is tried again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from rails.guarded import GuardedRail
from rails.port import (
    Authorised,
    AuthoriseReply,
    AuthoriseRequest,
    CaptureReply,
    CaptureRequest,
    Declined,
    InquiryReply,
    InquiryRequest,
    NotFound,
    NotSent,
    Unknown,
    VoidReply,
    VoidRequest,
)
from rails.recorded import NAME
from rails.registry import open_rail

NEVER = 3_600.0
REQUEST = AuthoriseRequest("order", 1, "key", 100, "EUR", "tok", capture=False)
HELD = Authorised("ref", 100, None)
LOST = Unknown("no reply")


class Scripted:
    """A rail that answers what it is told and counts what it was asked."""

    name = "scripted"
    capabilities = open_rail(NAME, {}).capabilities

    def __init__(self) -> None:
        self.reply: AuthoriseReply = HELD
        self.asked = 0
        self.entered = threading.Semaphore(0)
        self.hangs: threading.Event | None = None

    def authorise(self, request: AuthoriseRequest) -> AuthoriseReply:
        self.asked += 1
        self.entered.release()
        if self.hangs is not None:
            assert self.hangs.wait(30)
        return self.reply

    def capture(self, request: CaptureRequest) -> CaptureReply:
        return Declined("no", "hard")

    def void(self, request: VoidRequest) -> VoidReply:
        return Declined("no", "hard")

    def inquire(self, request: InquiryRequest) -> InquiryReply:
        return NotFound(request.attempt_key)

    def close(self) -> None:
        return None


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


def failing(rail: Scripted, guard: GuardedRail, times: int) -> list[AuthoriseReply]:
    rail.reply = LOST
    return [guard.authorise(REQUEST) for _ in range(times)]


def test_a_rail_that_does_not_answer_is_left_alone_after_a_while(scripted: Scripted) -> None:
    guard = GuardedRail(scripted, failures=3, down_seconds=NEVER)
    with capture_logs() as logs:
        assert failing(scripted, guard, 3) == [LOST] * 3
        assert isinstance(guard.authorise(REQUEST), NotSent)
    assert scripted.asked == 3
    assert guard.why_not() == "rail scripted has not answered authorise lately and is held to be down"
    assert [(line["event"], line["state"]) for line in logs] == [("rails.breaker", "open")]
    assert guard.inquire(InquiryRequest("key")) == NotFound("key"), "each operation has a breaker of its own"
    assert guard.why_not("inquire") is None


@pytest.mark.parametrize("reply", [HELD, Declined("insufficient_funds", "soft"), Declined("stolen_card", "hard")])
def test_answers_of_any_kind_keep_it_in_use(scripted: Scripted, reply: AuthoriseReply) -> None:
    guard = GuardedRail(scripted, failures=3, down_seconds=NEVER)
    for _ in range(4):
        failing(scripted, guard, 2)
        scripted.reply = reply
        assert guard.authorise(REQUEST) == reply
    assert guard.why_not() is None


def test_what_was_never_sent_counts_as_a_failure_too(scripted: Scripted) -> None:
    guard = GuardedRail(scripted, failures=2, down_seconds=NEVER)
    scripted.reply = NotSent("connection refused")
    assert [guard.authorise(REQUEST) for _ in range(2)] == [scripted.reply] * 2
    assert guard.why_not() is not None
    assert scripted.asked == 2


def test_after_a_while_one_call_tries_it_and_tells(scripted: Scripted) -> None:
    guard = GuardedRail(scripted, failures=1, down_seconds=0.0)
    failing(scripted, guard, 1)
    assert guard.why_not() is None, "the time for a trial has come"
    assert guard.authorise(REQUEST) == LOST
    scripted.reply = HELD
    assert guard.authorise(REQUEST) == HELD
    assert guard.authorise(REQUEST) == HELD
    assert scripted.asked == 4


def test_only_one_call_at_a_time_is_a_trial_and_the_others_do_not_wait_for_it(scripted: Scripted) -> None:
    guard = GuardedRail(scripted, failures=1, down_seconds=0.0)
    failing(scripted, guard, 1)
    scripted.entered.acquire()
    scripted.hangs, scripted.reply = threading.Event(), HELD
    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(guard.authorise, REQUEST)
        assert scripted.entered.acquire(timeout=10)
        assert isinstance(guard.authorise(REQUEST), NotSent)
        scripted.hangs.set()
        assert trial.result(10) == HELD
    assert scripted.asked == 2


def test_a_rail_that_hangs_has_room_for_so_many_calls_and_no_more(scripted: Scripted) -> None:
    guard = GuardedRail(scripted, calls=2, failures=100, down_seconds=NEVER)
    scripted.hangs = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        hanging = [pool.submit(guard.authorise, REQUEST) for _ in range(2)]
        assert all(scripted.entered.acquire(timeout=10) for _ in range(2))
        assert guard.authorise(REQUEST) == NotSent("rail scripted has too many calls of authorise under way")
        assert guard.inquire(InquiryRequest("key")) == NotFound("key")
        scripted.hangs.set()
        assert [call.result(10) for call in hanging] == [HELD] * 2
    assert guard.authorise(REQUEST) == HELD


def test_calls_run_side_by_side_while_all_is_well(scripted: Scripted) -> None:
    """The breaker's own `call` holds its lock for as long as a call takes: all would wait for each other."""
    guard = GuardedRail(scripted, calls=4)
    scripted.hangs = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(guard.authorise, REQUEST) for _ in range(4)]
        assert all(scripted.entered.acquire(timeout=10) for _ in range(4))
        scripted.hangs.set()
        assert [call.result(10) for call in calls] == [HELD] * 4


def test_a_guarded_rail_is_its_rail_to_everybody_else(scripted: Scripted) -> None:
    guard = GuardedRail(scripted)
    assert (guard.name, guard.capabilities) == ("scripted", scripted.capabilities)
    assert guard.capture(CaptureRequest("k", "r", 1, "EUR", final=True)) == Declined("no", "hard")
    assert guard.void(VoidRequest("k", "r")) == Declined("no", "hard")
    guard.close()
