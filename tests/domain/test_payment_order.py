"""Payment orders: what may be asked, what rails report, and where the order stands afterwards."""

from __future__ import annotations

import pytest

from domain import PaymentOrder, Share, Split
from domain.book import CommissionOutOfRange
from domain.ids import NotAUuid, stream_id
from domain.money import AmountNotPositive, UnknownCurrency
from domain.payment_rules import (
    AttemptAlreadyDecided,
    AttemptExceedsOrder,
    AttemptInFlight,
    CaptureExceedsAuthorization,
    CaptureModeUnknown,
    ExpiryInPast,
    KeyReused,
    NothingAuthorized,
    OrderNotOpen,
    UnknownAttempt,
    UnknownCapture,
)
from domain.splitting import SellerMissing, SplitNegative, SplitsDoNotSum
from tests.domain.builders import (
    CAPTURE,
    CAPTURE_2,
    LATER,
    NOW,
    ORDER,
    SELLER_1,
    SELLER_2,
    a_split_order,
    an_order,
    authorized,
    capture_requested,
    captured,
    declined,
    in_doubt,
    resolved,
    started,
)
from tests.domain.specification import given, refused


def test_the_stream_of_an_order_follows_from_its_id_in_whatever_form() -> None:
    wanted = stream_id(1, "payment-order", ORDER)
    assert (
        an_order().id == an_order(order_id=ORDER.upper()).id == an_order(order_id=ORDER.replace("-", "")).id == wanted
    )
    assert an_order(book=2).id != wanted


@pytest.mark.parametrize(
    ("changes", "rule", "field"),
    [
        ({"order_id": "order-1"}, NotAUuid, "order_id"),
        ({"currency": "XXX"}, UnknownCurrency, "currency"),
        ({"amount_minor": 0}, AmountNotPositive, "amount_minor"),
        ({"merchant_id": None}, SellerMissing, "merchant_id"),
        ({"splits": [Split(SELLER_1, 9_999)]}, SplitsDoNotSum, "splits"),
        ({"splits": [Split(SELLER_1, 10_001), Split(SELLER_2, -1)]}, SplitNegative, "splits"),
        ({"splits": [Split("me", 10_000)]}, NotAUuid, "splits.seller_id"),
        ({"expires_at": NOW}, ExpiryInPast, "expires_at"),
        ({"capture_mode": "later"}, CaptureModeUnknown, "capture_mode"),
        ({"commission_bps": 10_001}, CommissionOutOfRange, "commission_bps"),
    ],
)
def test_an_order_that_breaks_a_rule_is_not_created(changes: dict[str, object], rule: type, field: str) -> None:
    refused(rule, field, lambda: an_order(**changes))


def test_splits_of_one_seller_are_added_up_and_sorted_by_seller() -> None:
    order = an_order(splits=[Split(SELLER_2, 5_000), Split(SELLER_1, 2_000), Split(SELLER_2, 3_000)])
    assert order.due == [Split(SELLER_1, 2_000), Split(SELLER_2, 8_000)]


def test_an_attempt_is_recorded_before_its_rail_is_called() -> None:
    given(an_order()).when(started()).then((PaymentOrder.AttemptStarted, {"attempt": 1})).and_status("submitting")


def test_only_one_attempt_is_under_way_at_a_time() -> None:
    given(an_order(), started()).when(started()).then_raises(AttemptInFlight)
    given(an_order(), started(), in_doubt()).when(started()).then_raises(AttemptInFlight)
    given(an_order(), started(), authorized()).when(started()).then_raises(AttemptInFlight)


def test_a_soft_decline_lets_another_attempt_follow_and_a_hard_one_does_not() -> None:
    given(an_order(), started(), declined("soft")).when(started()).then(PaymentOrder.AttemptStarted)
    given(an_order(), started(), declined("hard")).when(started()).then_raises(OrderNotOpen)


def test_an_attempt_asks_for_no_more_than_the_order() -> None:
    given(an_order()).when(started(10_001)).then_raises(AttemptExceedsOrder, "amount_minor")


def test_a_full_capture_takes_the_whole_hold() -> None:
    given(an_order(), started(), authorized(), capture_requested(10_000)).when(captured(10_000)).then(
        (PaymentOrder.Captured, {"released_minor": 10_000, "shares": [Share(SELLER_1, 10_000, 1_000)]})
    ).and_status("captured")


def test_a_final_partial_capture_gives_the_rest_of_the_hold_back() -> None:
    outcome = given(an_order(), started(), authorized(), capture_requested(4_000)).when(captured(4_000))
    outcome.then((PaymentOrder.Captured, {"released_minor": 10_000, "amount_minor": 4_000})).and_status("captured")
    assert (outcome.aggregate.released_minor, outcome.aggregate.capturable_minor) == (6_000, 0)


def test_captures_that_are_not_final_take_the_hold_piece_by_piece() -> None:
    history = (started(), authorized(), capture_requested(4_000, final=False))
    outcome = given(an_order(), *history).when(captured(4_000)).and_status("partially_captured")
    assert outcome.aggregate.capturable_minor == 6_000
    given(an_order(), *history, captured(4_000), capture_requested(6_000, CAPTURE_2, final=False)).when(
        captured(6_000, CAPTURE_2)
    ).then((PaymentOrder.Captured, {"released_minor": 6_000})).and_status("captured")


def test_captures_under_way_count_against_what_is_left() -> None:
    history = (started(), authorized(), capture_requested(4_000, final=False))
    given(an_order(), *history).when(capture_requested(6_001, CAPTURE_2)).then_raises(
        CaptureExceedsAuthorization, "amount_minor"
    )
    given(an_order(), started(), authorized(), capture_requested(4_000)).when(
        capture_requested(1, CAPTURE_2)
    ).then_raises(CaptureExceedsAuthorization)


def test_a_failed_capture_gives_its_amount_back_to_what_is_left() -> None:
    history = (started(), authorized(), capture_requested(10_000))
    outcome = given(an_order(), *history).when(lambda o: o.fail_capture(capture_id=CAPTURE, code="later", at=NOW))
    outcome.then(PaymentOrder.CaptureFailed).and_status("authorized")
    assert outcome.aggregate.capturable_minor == 10_000


def test_a_capture_asked_for_twice_is_recorded_once_and_its_key_serves_no_other_request() -> None:
    history = (started(), authorized(), capture_requested(4_000, fingerprint="f"))
    given(an_order(), *history).when(capture_requested(4_000, fingerprint="f")).then_nothing()
    given(an_order(), *history).when(capture_requested(5_000, fingerprint="g")).then_raises(KeyReused, "capture_id")


def test_nothing_can_be_captured_or_voided_before_a_rail_holds_it() -> None:
    given(an_order(), started()).when(capture_requested(1)).then_raises(NothingAuthorized)
    given(an_order()).when(lambda o: o.request_void(reason="x", at=NOW)).then_raises(NothingAuthorized)


def test_a_void_and_an_expired_authorisation_give_the_rest_back() -> None:
    given(an_order(), started(), authorized()).when(lambda o: o.void(attempt=1, at=NOW)).then(
        (PaymentOrder.Voided, {"amount_minor": 10_000, "rail": "simulator"})
    ).and_status("cancelled")
    partly = (started(), authorized(), capture_requested(4_000, final=False), captured(4_000))
    given(an_order(), *partly).when(lambda o: o.expire_authorization(attempt=1, at=LATER)).then(
        (PaymentOrder.AuthorizationExpired, {"amount_minor": 6_000})
    ).and_status("captured")


def test_a_void_is_not_asked_for_while_a_capture_is_under_way_and_keeps_captures_away_afterwards() -> None:
    def void(order: PaymentOrder) -> bool:
        return order.request_void(reason="x", at=NOW)

    history = (started(), authorized())
    given(an_order(), *history, capture_requested(1)).when(void).then_raises(AttemptInFlight)
    given(an_order(), *history).when(void).then(PaymentOrder.VoidRequested).and_status("authorized")
    given(an_order(), *history, void).when(void).then_nothing()
    given(an_order(), *history, void).when(capture_requested(1)).then_raises(CaptureExceedsAuthorization)


def test_an_order_in_doubt_is_unknown_until_evidence_comes_and_never_guessed() -> None:
    given(an_order(), started()).when(in_doubt()).then(PaymentOrder.AttemptOutcomeUnknown).and_status("unknown")
    unsure = (started(), in_doubt())
    given(an_order(), *unsure).when(lambda o: o.expire(at=LATER)).then_nothing()
    given(an_order(), *unsure).when(lambda o: o.cancel(reason="x", at=NOW)).then_raises(AttemptInFlight)
    given(an_order(), *unsure).when(resolved()).then(PaymentOrder.AttemptResolved)
    given(an_order(), *unsure, resolved()).when(captured(10_000)).then(PaymentOrder.Captured).and_status("captured")
    given(an_order(), started()).when(resolved()).then_nothing()


def test_a_capture_in_doubt_leaves_the_hold_until_evidence_comes() -> None:
    history = (started(), authorized(), capture_requested(10_000), in_doubt("capture"))
    given(an_order(), *history).when(capture_requested(1, CAPTURE_2)).then_raises(AttemptInFlight)
    given(an_order(), *history, resolved()).when(captured(10_000)).then(PaymentOrder.Captured).and_status("captured")


def test_an_open_order_can_be_withdrawn_and_a_paid_one_cannot() -> None:
    given(an_order()).when(lambda o: o.cancel(reason="x", at=NOW)).then(PaymentOrder.Cancelled).and_status("cancelled")
    given(an_order(), started(), authorized()).when(lambda o: o.cancel(reason="x", at=NOW)).then_raises(AttemptInFlight)
    given(an_order(), started(), captured(10_000)).when(lambda o: o.cancel(reason="x", at=NOW)).then_raises(
        OrderNotOpen
    )


def test_an_order_expires_when_it_is_due_and_not_before() -> None:
    given(an_order()).when(lambda o: o.expire(at=NOW)).then_nothing()
    given(an_order()).when(lambda o: o.expire(at=LATER)).then(PaymentOrder.Expired).and_status("expired")


@pytest.mark.parametrize(
    ("history", "fact", "operation"),
    [
        ((started(), declined()), authorized(), "authorise"),
        ((started(), declined()), captured(10_000), "capture"),
        ((started(), authorized(5_000)), captured(5_001), "capture"),
        ((started(), captured(10_000)), captured(10_000, CAPTURE_2), "capture"),
        ((started(),), captured(10_000, currency="USD"), "capture"),
        ((started(), authorized(), lambda o: o.void(attempt=1, at=NOW)), captured(10_000), "capture"),
    ],
)
def test_a_success_that_contradicts_the_books_is_kept_and_seen(
    history: tuple[object, ...], fact: object, operation: str
) -> None:
    outcome = given(an_order(), *history).when(fact)  # type: ignore[arg-type]
    outcome.then((PaymentOrder.LateSuccessDetected, {"operation": operation, "attempt": 1})).and_status("conflicted")
    given(outcome.aggregate).aggregate.collect_events()
    fact(outcome.aggregate)  # type: ignore[operator]
    assert list(outcome.aggregate.collect_events()) == []


def test_a_fact_reported_twice_changes_nothing() -> None:
    given(an_order(), started(), authorized()).when(authorized()).then_nothing()
    given(an_order(), started(), captured(10_000)).when(captured(10_000)).then_nothing()
    given(an_order(), started(), declined()).when(declined()).then_nothing()
    given(an_order(), started()).when(lambda o: o.void(attempt=1, at=NOW)).then_nothing()


def test_reports_about_things_nobody_asked_for_name_what_is_missing() -> None:
    given(an_order()).when(authorized()).then_raises(UnknownAttempt, "attempt")
    given(an_order()).when(lambda o: o.fail_capture(capture_id=CAPTURE, code="x", at=NOW)).then_raises(UnknownCapture)
    given(an_order(), started(), authorized()).when(declined()).then_raises(AttemptAlreadyDecided)
    given(an_order(), started(), captured(10_000)).when(
        lambda o: o.fail_capture(capture_id=CAPTURE, code="x", at=NOW)
    ).then_raises(AttemptAlreadyDecided)
    given(an_order()).when(lambda o: o.release_funds(capture_id=CAPTURE, at=NOW)).then_raises(UnknownCapture)


def test_a_capture_is_divided_by_what_is_due_and_commission_taken_from_each_share() -> None:
    order = a_split_order(5_000, 5_000, 5_000, commission_bps=1_250)
    given(order, started(15_000), authorized(15_000)).when(captured(100)).then(
        (
            PaymentOrder.Captured,
            {"shares": [Share(SELLER_1, 34, 4), Share(SELLER_2, 33, 4), Share(SELLER_2[:-1] + "3", 33, 4)]},
        )
    )


def test_funds_of_a_capture_are_released_once() -> None:
    def release(order: PaymentOrder) -> bool:
        return order.release_funds(capture_id=CAPTURE, at=LATER)

    given(an_order(), started(), captured(10_000)).when(release).then(
        (PaymentOrder.FundsReleased, {"shares": [Share(SELLER_1, 10_000, 1_000)]})
    ).and_status("captured")
    given(an_order(), started(), captured(10_000), release).when(release).then_nothing()


def test_the_recorded_rail_states_facts_that_are_never_refused() -> None:
    recorded = started(12_000, rail="recorded")
    given(an_order(), recorded).when(captured(12_000)).then(
        (PaymentOrder.Captured, {"amount_minor": 12_000, "released_minor": 0})
    ).and_status("captured")
    second = started(500, rail="recorded")
    given(an_order(), recorded, captured(12_000)).when(second).then((PaymentOrder.AttemptStarted, {"attempt": 2}))
    given(an_order(), recorded, captured(12_000), second).when(captured(500, CAPTURE_2, 2)).then(
        PaymentOrder.Captured
    ).and_status("captured")
    given(an_order(), lambda o: o.expire(at=LATER), recorded).when(captured(12_000)).then(
        PaymentOrder.Captured
    ).and_status("captured")


def test_an_instrument_of_zero_is_recorded_and_leaves_the_order_waiting() -> None:
    given(an_order(), started(0, rail="recorded")).when(captured(0)).then(
        (PaymentOrder.Captured, {"amount_minor": 0, "shares": []})
    ).and_status("created")
