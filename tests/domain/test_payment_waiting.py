"""Attempts that are not decided yet: the payer must act, the rail is at it, or nobody knows; and how that ends."""

from __future__ import annotations

import pytest

from domain import PaymentOrder
from domain.payment_rules import AttemptAlreadyDecided, AttemptInFlight
from tests.domain.builders import (
    LATER,
    NOW,
    Step,
    action_required,
    an_order,
    authorized,
    captured,
    declined,
    deferred,
    escalated,
    in_doubt,
    inquired,
    late_voided,
    not_received,
    pending,
    resolved,
    started,
)
from tests.domain.specification import Given, given


def test_a_payer_who_must_act_is_waited_for_and_nothing_else_may_start() -> None:
    def waits() -> Given:
        return given(an_order(), started(), action_required())

    waits().when(started()).then_raises(AttemptInFlight)
    waits().when(lambda order: order.cancel(reason="asked", at=NOW)).then_raises(AttemptInFlight)
    waits().when(lambda order: order.expire(at=LATER)).then_nothing().and_status("requires_action")
    waits().when(action_required()).then_nothing()
    attempt = waits().when(action_required()).aggregate.attempt(1)
    assert (attempt.action_url, attempt.waits_until, attempt.rail_reference) == (
        "https://rail.example/3ds", LATER, "act-1",
    )  # fmt: skip


@pytest.mark.parametrize("waiting", [action_required, pending])
@pytest.mark.parametrize(
    ("outcome", "event", "status"),
    [
        (authorized(), PaymentOrder.Authorized, "authorized"),
        (captured(10_000), PaymentOrder.Captured, "captured"),
        (declined("soft"), PaymentOrder.AttemptDeclined, "declined"),
        (declined("hard"), PaymentOrder.AttemptDeclined, "failed"),
    ],
)
def test_whoever_is_waited_for_the_rail_decides(waiting: Step, outcome: Step, event: type, status: str) -> None:
    given(an_order(), started(), waiting()).when(outcome).then(event).and_status(status)  # type: ignore[call-arg]


def test_what_the_payer_has_done_may_leave_the_rail_at_it() -> None:
    outcome = given(an_order(), started(), action_required()).when(pending())
    outcome.then(PaymentOrder.AttemptPending).and_status("processing")
    attempt = outcome.aggregate.attempt(1)
    assert (attempt.action_url, attempt.rail_reference, attempt.waits_until) == (None, "pen-1", LATER)


@pytest.mark.parametrize("waiting", [action_required, pending])
def test_a_wait_is_no_doubt_and_a_decided_attempt_waits_for_nobody(waiting: Step) -> None:
    for nothing in (inquired(), not_received()):
        given(an_order(), started(), waiting()).when(nothing).then_nothing()  # type: ignore[call-arg]
    given(an_order(), started(), declined()).when(waiting()).then_nothing()  # type: ignore[call-arg]


def test_a_doubt_counts_its_inquiries_and_remembers_since_when_nothing_is_found() -> None:
    def doubted() -> Given:
        return given(an_order(), started(), in_doubt(), inquired("not_found"), inquired("not_found"))

    attempt = doubted().when(inquired("not_found")).then(PaymentOrder.AttemptInquired).aggregate.attempt(1)
    assert (attempt.inquiries, attempt.next_inquiry_at, attempt.not_found_at) == (3, LATER, NOW)
    attempt = doubted().when(inquired("unknown")).and_status("unknown").aggregate.attempt(1)
    assert attempt.not_found_at is None, "a rail that cannot tell has not said that there is nothing"


def test_a_new_doubt_begins_its_count_anew() -> None:
    again = given(an_order(), started(), in_doubt(), inquired(), resolved(), authorized()).when(in_doubt("capture"))
    attempt = again.then(PaymentOrder.AttemptOutcomeUnknown).aggregate.attempt(1)
    assert (attempt.inquiries, attempt.next_inquiry_at) == (0, None)


def test_a_doubt_is_shown_to_people_once_and_stays_a_doubt() -> None:
    doubted = given(an_order(), started(), in_doubt(), inquired())
    doubted.when(escalated()).then((PaymentOrder.DoubtEscalated, {"operation": "authorise", "asked": 1})).and_status(
        "unknown"
    )
    given(an_order(), started(), in_doubt(), escalated()).when(escalated()).then_nothing()
    given(an_order(), started()).when(escalated()).then_nothing()
    given(an_order(), started(), in_doubt(), escalated()).when(resolved()).then(PaymentOrder.AttemptResolved)


@pytest.mark.parametrize("history", [(started(),), (started(), in_doubt()), (started(), in_doubt(), inquired())])
def test_what_a_rail_never_had_leaves_the_order_as_open_as_before(history: tuple[Step, ...]) -> None:
    outcome = given(an_order(), *history).when(not_received())
    outcome.then(PaymentOrder.AttemptNotReceived).and_status("created")
    given(an_order(), *history, not_received()).when(started()).then(PaymentOrder.AttemptStarted)
    given(an_order(), *history, not_received()).when(not_received()).then_nothing()
    given(an_order(), *history, not_received()).when(declined()).then_raises(AttemptAlreadyDecided)


def test_a_success_of_what_was_thought_not_received_is_kept_as_a_late_one() -> None:
    """A request that was on its way after all: it must neither be lost nor pass for the second attempt's."""
    given(an_order(), started(), not_received()).when(captured(10_000)).then(
        PaymentOrder.LateSuccessDetected
    ).and_status("conflicted")


def test_that_no_rail_can_be_asked_is_recorded_once_for_each_time() -> None:
    given(an_order()).when(deferred()).then((PaymentOrder.AttemptDeferred, {"rail": "simulated"})).and_status("created")
    given(an_order(), deferred()).when(deferred()).then_nothing()
    given(an_order(), deferred(), started(), not_received()).when(deferred()).then(PaymentOrder.AttemptDeferred)
    given(an_order(), started()).when(deferred()).then_nothing()


def test_what_was_held_too_late_is_given_back_once() -> None:
    late = given(an_order(), started(), declined(), authorized())
    late.when(late_voided()).then((PaymentOrder.LateSuccessVoided, {"amount_minor": 10_000})).and_status("conflicted")
    given(an_order(), started(), declined(), authorized(), late_voided()).when(late_voided()).then_nothing()
