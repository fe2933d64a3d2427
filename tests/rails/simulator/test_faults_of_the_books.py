"""Faults that no retry shows: a decline that turns out a success, an amount that is not the one that was asked for."""

from __future__ import annotations

import pytest

from tests.rails.simulator.desk import Desk

LATE = {"X-Fault": "late_success;seconds=90"}


@pytest.mark.parametrize(("capture", "status"), [(True, "captured"), (False, "authorised")])
def test_a_decline_turns_into_success_by_the_clock(desk: Desk, capture: bool, status: str) -> None:
    declined = desk.pay("turns", headers=LATE, capture=capture)
    assert (declined.status_code, declined.json()["decline_class"]) == (402, "soft")
    desk.clock(advance_s=89.9)
    assert desk.by_key("turns")["status"] == "declined"
    assert desk.http.get("/v1/totals").json()["currencies"] == {}
    desk.clock(advance_s=0.1)
    told = desk.by_key("turns")
    assert (told["status"], told["decline_code"]) == (status, None)
    assert told["captured_minor"] == (10_000 if capture else 0)
    again = desk.pay("turns", capture=capture)
    assert (again.status_code, again.content) == (402, declined.content), "a key is never answered in two ways"
    assert desk.played() == {"authorise": {"late_success": 1}}


def test_two_effects_for_one_order_are_two_rows_of_the_books(desk: Desk) -> None:
    desk.pay("first", order_id="twice", headers=LATE)
    desk.pay("second", order_id="twice", attempt=2)
    desk.clock(advance_s=90)
    rows = desk.http.get("/v1/payments", params={"order_id": "twice"}).json()["payments"]
    assert {row["key"]: (row["state"], row["captured_minor"]) for row in rows} == {
        "first": ("captured", 10_000),
        "second": ("captured", 10_000),
    }
    assert [row["late_at"] for row in rows if row["key"] == "first"] == ["2026-03-01T09:01:30.000000+00:00"]
    assert desk.captured() == 20_000


def test_a_declined_capture_turns_too(desk: Desk) -> None:
    held = desk.hold(10_000)
    assert desk.capture(held["id"], 6_000, key="c", final=True, headers=LATE).status_code == 402
    desk.clock(advance_s=90)
    capture = desk.http.get("/v1/captures/by-key/c").json()
    assert (capture["status"], capture["amount_minor"], capture["cost_minor"]) == ("captured", 6_000, 109)
    told = desk.http.get(f"/v1/authorisations/{held['id']}").json()
    assert (told["status"], told["captured_minor"], told["released_minor"]) == ("captured", 6_000, 4_000)


def test_a_capture_does_not_turn_once_the_hold_is_gone(desk: Desk) -> None:
    held = desk.hold(10_000)
    desk.capture(held["id"], 6_000, key="c", headers=LATE)
    desk.http.post(f"/v1/authorisations/{held['id']}/voids", json={}, headers={"Idempotency-Key": "v"})
    desk.clock(advance_s=90)
    assert desk.http.get("/v1/captures/by-key/c").json()["status"] == "declined"
    assert desk.captured() == 0


def test_a_capture_does_not_turn_once_others_have_taken_what_it_wanted(desk: Desk) -> None:
    held = desk.hold(10_000)
    desk.capture(held["id"], 6_000, key="late", headers=LATE)
    desk.capture(held["id"], 4_001, key="other")
    desk.clock(advance_s=90)
    assert desk.http.get("/v1/captures/by-key/late").json()["status"] == "declined"
    assert desk.captured() == 4_001


def test_a_capture_does_not_turn_after_the_end_of_its_hold(desk: Desk) -> None:
    desk.terms(capture_window_s=60)
    held = desk.hold(10_000)
    desk.capture(held["id"], 6_000, key="c", headers=LATE)
    desk.clock(advance_s=3_600)
    assert desk.http.get("/v1/captures/by-key/c").json()["status"] == "declined"
    assert desk.http.get(f"/v1/authorisations/{held['id']}").json()["status"] == "expired"


def test_what_turns_belongs_to_the_day_on_which_it_turns(desk: Desk) -> None:
    desk.pay("over-midnight", headers={"X-Fault": f"late_success;seconds={15 * 3_600 + 1}"})
    desk.clock(advance_s=3 * 86_400)
    days = desk.http.get("/v1/settlements").json()["settlements"]
    assert days == [{"date": "2026-03-02", "batches": 1}]


@pytest.mark.parametrize(("by", "amount"), [("", 9_999), (";by_minor=-4000", 6_000), (";by_minor=250", 10_250)])
def test_a_wrong_amount_is_booked_and_told(desk: Desk, by: str, amount: int) -> None:
    paid = desk.pay("wrong", headers={"X-Fault": f"wrong_amount{by}"}).json()
    assert (paid["requested_minor"], paid["amount_minor"], paid["captured_minor"]) == (10_000, amount, amount)
    assert desk.by_key("wrong") == paid
    assert desk.captured() == amount


def test_a_wrong_capture_stays_within_its_hold(desk: Desk) -> None:
    held = desk.hold(10_000)
    header = {"X-Fault": "wrong_amount;by_minor=9000"}
    capture = desk.capture(held["id"], 4_000, key="c", headers=header).json()
    assert (capture["requested_minor"], capture["amount_minor"]) == (4_000, 10_000)
    assert desk.http.get("/v1/captures/by-key/c").json()["amount_minor"] == 10_000


def test_the_smallest_amount_goes_wrong_upwards_if_there_is_room(desk: Desk) -> None:
    header = {"X-Fault": "wrong_amount"}
    assert desk.pay(amount_minor=1, headers=header).json()["amount_minor"] == 2
    held = desk.hold(1)
    assert desk.capture(held["id"], 1, headers=header).json()["amount_minor"] == 1
    assert desk.played() == {"authorise": {"wrong_amount": 1}}, "what had no room to go wrong was not played"


@pytest.mark.parametrize("fault", ["late_success", "wrong_amount"])
def test_what_is_declined_anyway_is_declined(desk: Desk, fault: str) -> None:
    desk.pay("refused", payment_token="tok_stolen_card", headers={"X-Fault": fault})  # noqa: S106 - names a card
    desk.clock(advance_s=86_400)
    assert desk.by_key("refused")["decline_code"] == "stolen_card"
    assert desk.played() == {}
