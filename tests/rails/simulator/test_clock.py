"""The clock: real until somebody changes it, and everything that ends goes by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from rails.simulator.books import Books
from rails.simulator.process import running_simulator
from tests.rails.simulator.desk import DAY_S, START, Desk

NINE = "2026-03-01T09:00:00.000000+00:00"


def test_it_tells_real_time_until_it_is_changed(tmp_path: Path) -> None:
    real = [datetime(2026, 5, 5, 12, tzinfo=UTC)]
    books = Books(tmp_path / "books.sqlite3", real=lambda: real[0])
    assert books.clock.now() == real[0]
    real[0] += timedelta(hours=1)
    assert books.clock.state() == {
        "now": "2026-05-05T13:00:00.000000+00:00",
        "frozen": False,
        "ahead_of_real_time_s": 0.0,
    }
    books.change_clock({"advance_s": 60})
    real[0] += timedelta(seconds=5)
    assert books.clock.now() == real[0] + timedelta(seconds=60)
    books.change_clock({"freeze": True})
    real[0] += timedelta(days=1)
    assert books.clock.now() == real[0] + timedelta(seconds=60) - timedelta(days=1)
    books.change_clock({"freeze": False})
    real[0] += timedelta(seconds=1)
    assert books.clock.now() == real[0] + timedelta(seconds=60) - timedelta(days=1)
    books.close()


def test_it_can_be_set_and_moved_on_at_once(desk: Desk) -> None:
    told = desk.clock(set="2026-06-01T10:00:00+02:00", advance_s=1.5, freeze=True)
    assert told["now"] == "2026-06-01T08:00:01.500000+00:00"
    assert told["frozen"] is True
    assert desk.http.get("/clock").json()["now"] == told["now"]


def test_payments_carry_its_time(desk: Desk) -> None:
    assert desk.hold()["created_at"] == NINE


def test_it_goes_back_only_while_nothing_has_happened(desk: Desk) -> None:
    assert desk.clock(set="2020-01-01T00:00:00Z")["now"].startswith("2020-01-01")
    desk.pay()
    refused = desk.http.post("/clock", json={"set": "2019-12-31T23:59:59Z"})
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (409, "clock_goes_back", "set")
    assert desk.http.get("/clock").json()["now"].startswith("2020-01-01")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "set"),
        ({"set": "tomorrow"}, "set"),
        ({"set": "2026-03-01T09:00:00"}, "set"),
        ({"set": 5}, "set"),
        ({"set": "9999-12-31T23:59:59Z"}, "set"),
        ({"set": "0001-01-01T00:00:00+14:00"}, "set"),
        ({"advance_s": -1}, "advance_s"),
        ({"advance_s": "60"}, "advance_s"),
        ({"advance_s": 1e12}, "advance_s"),
        ({"freeze": "yes"}, "freeze"),
        ({"speed": 2}, "speed"),
    ],
)
def test_what_is_no_time_is_refused_and_changes_nothing(desk: Desk, body: dict[str, Any], field: str) -> None:
    refused = desk.http.post("/clock", json=body)
    assert (refused.status_code, refused.json()["field"]) == (400, field)
    assert desk.http.get("/clock").json()["now"] == NINE


def test_ten_years_at_once_are_the_most(desk: Desk) -> None:
    desk.pay()
    refused = desk.http.post("/clock", json={"set": "2040-01-01T00:00:00Z"})
    assert (refused.status_code, refused.json()["field"]) == (400, "set")
    desk.clock(set="2036-03-01T00:00:00Z")
    assert desk.http.get("/v1/settlements/2026-03-01").json()["batches"][0]["gross_minor"] == 10_000


def test_a_hold_ends_by_the_clock_and_gives_back_what_is_left(desk: Desk) -> None:
    held = desk.hold(10_000)
    desk.capture(held["id"], 4_000)
    assert held["capture_before"] == "2026-03-08T09:00:00.000000+00:00"
    desk.clock(set="2026-03-08T08:59:59.999Z")
    assert desk.capture(held["id"], 1_000, key="in-time").status_code == 201
    desk.clock(set="2026-03-08T09:00:00Z")
    told = desk.http.get(f"/v1/authorisations/{held['id']}").json()
    assert (told["status"], told["captured_minor"], told["released_minor"]) == ("expired", 5_000, 5_000)
    refused = desk.capture(held["id"], 1_000, key="late")
    assert (refused.status_code, refused.json()["code"]) == (422, "authorisation_expired")
    assert desk.http.get("/v1/captures/by-key/late").json()["decline_code"] == "authorisation_expired"
    assert desk.http.get("/v1/totals").json()["currencies"]["EUR"]["held_minor"] == 0


def test_how_long_a_hold_lasts_is_a_matter_of_terms(desk: Desk) -> None:
    desk.terms(capture_window_s=90)
    held = desk.hold()
    desk.clock(advance_s=90)
    assert desk.http.get(f"/v1/authorisations/{held['id']}").json()["status"] == "expired"


def test_waiting_in_steps_and_at_once_lead_to_the_same_books(desk: Desk) -> None:
    def books(steps: list[float]) -> list[Any]:
        desk.http.post("/reset")
        desk.clock(set=START, freeze=True)
        for number in range(4):
            desk.pay(f"paid-{number}", amount_minor=1_000 * (number + 1))
        desk.hold(700, key="held")
        desk.pay("asked", payment_token="tok_3ds")  # noqa: S106 - names a card
        desk.pay("late", headers={"X-Fault": f"late_success;seconds={2 * DAY_S}"})
        for step in steps:
            desk.clock(advance_s=step)
        days = [f"2026-03-{day:02d}" for day in range(1, 11)]
        return [
            desk.http.get("/v1/payments").json(),
            desk.http.get("/bank/v1/accounts").json(),
            *(desk.http.get(f"/v1/settlements/{day}").json() for day in days),
            *(desk.http.get(f"/bank/v1/accounts/DE05999000000000052118/statements/{day}").text for day in days),
        ]

    once = books([11 * DAY_S])
    assert books([DAY_S] * 11) == once
    assert books([7_777.77] * 122 + [11 * DAY_S - 122 * 7_777.77]) == once


def test_a_clock_that_was_changed_outlives_a_kill(tmp_path: Path) -> None:
    database = tmp_path / "books.sqlite3"
    with running_simulator(database) as simulator, httpx.Client(base_url=simulator.url, trust_env=False) as http:
        Desk(http).clock(set=START, freeze=True)
        simulator.process.kill()
    with running_simulator(database) as simulator, httpx.Client(base_url=simulator.url, trust_env=False) as http:
        told = http.get("/clock").json()
        assert (told["now"], told["frozen"]) == (NINE, True)


def test_a_reset_forgets_everything_but_what_is_to_be_kept(desk: Desk) -> None:
    desk.pay("gone")
    desk.transfer(100)
    desk.plan(seed=4)
    desk.terms(payout_days=5)
    emptied = desk.http.post("/reset", json={"keep": ["clock", "terms"]}).json()
    assert (emptied["status"], emptied["clock"]["now"]) == ("empty", NINE)
    assert desk.http.get("/v1/authorisations/by-key/gone").status_code == 404
    assert desk.http.get("/bank/v1/accounts").json() == {"accounts": []}
    assert desk.http.get("/v1/terms").json()["payout_days"] == 5
    assert desk.http.get("/faults").json()["seed"] == 0
    assert desk.pay("gone").status_code == 201
    desk.http.post("/reset")
    assert desk.http.get("/clock").json()["frozen"] is False
    assert desk.http.get("/v1/terms").json()["payout_days"] == 2
    refused = desk.http.post("/reset", json={"keep": ["money"]})
    assert (refused.status_code, refused.json()["field"]) == (400, "keep")
