"""Faults by seed: the same requests meet the same faults in whatever order they come, and outages go by the clock."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from rails.simulator.process import RunningSimulator, running_simulator
from tests.rails.simulator.desk import START, Desk

RATES = {"authorise": {"server_error_before": 0.2, "server_error_after": 0.2, "broken_json": 0.1, "late_success": 0.1}}
KEYS = [f"order-{number}" for number in range(60)]
TRIES = 3


def outcome(response: httpx.Response) -> str:
    if response.status_code == 201:
        return "broken" if not response.text.endswith("}") else "paid"
    return str(response.status_code)


def run(desk: Desk, threads: int, seed: int, shuffled: int) -> dict[str, list[str]]:
    """Every key tried three times, one try after the other, the keys in any order; what each try met."""
    assert desk.http.post("/reset", json={"keep": ["clock"]}).status_code == 200
    desk.plan(seed=seed, rates=RATES)
    keys = list(KEYS)
    random.Random(shuffled).shuffle(keys)
    with ThreadPoolExecutor(threads) as pool:
        outcomes = pool.map(lambda key: [outcome(desk.pay(key)) for _ in range(TRIES)], keys)
        return dict(sorted(zip(keys, outcomes, strict=True)))


def test_the_same_seed_and_requests_give_the_same_faults_in_any_order_and_at_once(desk: Desk) -> None:
    alone = run(desk, threads=1, seed=7, shuffled=1)
    played = desk.played()
    assert {kind for tries in alone.values() for kind in tries} == {"paid", "500", "broken", "402"}
    for shuffled in (2, 3):
        assert run(desk, threads=8, seed=7, shuffled=shuffled) == alone
        assert desk.played() == played
    assert run(desk, threads=8, seed=8, shuffled=1) != alone


def test_a_restart_does_not_change_what_is_to_come(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = run(desk, threads=1, seed=7, shuffled=1)
    database = tmp_path_factory.mktemp("restarted") / "books.sqlite3"
    tries: dict[str, list[str]] = {key: [] for key in KEYS}
    for number in range(TRIES):
        with running_simulator(database) as simulator, httpx.Client(base_url=simulator.url, trust_env=False) as http:
            again = Desk(http)
            if number == 0:
                again.clock(set=START, freeze=True)
                again.plan(seed=7, rates=RATES)
            for key in KEYS:
                tries[key].append(outcome(again.pay(key)))
            simulator.process.kill()
    assert tries == whole


def test_rates_are_met_over_many_requests(desk: Desk) -> None:
    desk.plan(seed=2, rates={"authorise": {"server_error_before": 0.25}})
    for number in range(400):
        desk.pay(f"many-{number}")
    assert 80 <= desk.played()["authorise"]["server_error_before"] <= 120


def test_a_rate_for_every_operation_is_for_those_without_one_of_their_own(desk: Desk) -> None:
    desk.plan(rates={"*": {"server_error_before": 1.0}, "authorise": {}, "inquiry": {"server_error_after": 1.0}})
    assert desk.pay("spared").status_code == 201
    assert desk.http.get("/v1/authorisations/by-key/spared").status_code == 500
    assert desk.transfer(100).status_code == 500
    assert desk.played() == {"inquiry": {"server_error_after": 1}, "transfer": {"server_error_before": 1}}


def test_a_plan_can_say_how_long_and_how_much(desk: Desk) -> None:
    desk.plan(
        rates={"authorise": {"wrong_amount": 1.0}, "capture": {"server_error_before": 1.0}},
        parameters={"wrong_amount": {"by_minor": 77}, "server_error_before": {"status": 502}},
    )
    held = desk.hold(1_000)
    assert held["amount_minor"] == 1_077
    assert desk.capture(held["id"], 500).status_code == 502


def test_what_a_request_orders_comes_before_the_plan(desk: Desk) -> None:
    desk.plan(rates={"authorise": {"server_error_before": 1.0}})
    desk.pay("own", headers={"X-Fault": "broken_json"})
    assert desk.played() == {"authorise": {"broken_json": 1}}


@pytest.mark.parametrize(
    ("side", "psp", "bank"), [("psp", 503, 201), ("bank", 201, 503), ("both", 503, 503)]
)  # fmt: skip
def test_an_outage_begins_and_ends_by_the_clock(desk: Desk, side: str, psp: int, bank: int) -> None:
    window = {"from": "2026-03-01T09:10:00Z", "until": "2026-03-01T09:40:00Z", "of": side}
    desk.plan(outages=[window])
    assert (desk.pay().status_code, desk.transfer(100).status_code) == (201, 201)
    desk.clock(set="2026-03-01T09:10:00Z")
    down = desk.pay("down")
    assert (down.status_code, desk.transfer(100).status_code) == (psp, bank)
    assert desk.http.get("/v1/totals").status_code == 200
    desk.clock(set="2026-03-01T09:39:59Z")
    assert desk.pay("down").status_code == psp
    desk.clock(set="2026-03-01T09:40:00Z")
    assert (desk.pay("down").status_code, desk.transfer(100).status_code) == (201, 201)
    counted = desk.played()
    assert {operation: names["outage"] for operation, names in counted.items()} == {
        **({"authorise": 2} if psp == 503 else {}),
        **({"transfer": 1} if bank == 503 else {}),
    }


def test_an_outage_may_be_silence(desk: Desk) -> None:
    outage = {"from": START, "until": "2026-03-01T10:00:00Z", "of": "psp", "fault": "no_reply_before"}
    desk.plan(outages=[outage])
    with pytest.raises(httpx.ReadTimeout):
        desk.pay(timeout_s=0.2)
    assert desk.captured() == 0


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({"seeds": 1}, "seeds"),
        ({"seed": -1}, "seed"),
        ({"seed": "x"}, "seed"),
        ({"rates": []}, "rates"),
        ({"rates": {"pay": {}}}, "rates.pay"),
        ({"rates": {"authorise": {"gremlins": 0.1}}}, "rates.authorise.gremlins"),
        ({"rates": {"authorise": {"broken_json": 1.5}}}, "rates.authorise.broken_json"),
        ({"rates": {"authorise": {"broken_json": 0.6, "slow_drip": 0.6}}}, "rates.authorise"),
        ({"rates": {"void": {"wrong_amount": 0.1}}}, "rates.void.wrong_amount"),
        ({"parameters": {"broken_json": {"seconds": 1}}}, "parameters.broken_json"),
        ({"parameters": {"gremlins": {}}}, "parameters.gremlins"),
        ({"returns": {"XX00": 0.1}}, "returns.XX00"),
        ({"outages": {}}, "outages"),
        ({"outages": [{"from": START, "until": START, "of": "psp"}]}, "until"),
        ({"outages": [{"from": START, "until": "2027-01-01T00:00:00Z", "of": "us"}]}, "of"),
        ({"outages": [{"from": "9 o'clock", "until": START, "of": "psp"}]}, "from"),
        ({"outages": [{"from": "2026-01-01T00:00:00", "until": START, "of": "psp"}]}, "from"),
        ({"outages": [{"from": "2025-01-01T00:00:00Z", "until": START, "of": "psp", "fault": "slow_drip"}]}, "fault"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_by_its_field_and_changes_nothing(
    desk: Desk, plan: dict[str, Any], field: str
) -> None:
    before = desk.plan(seed=5, rates={"void": {"broken_json": 0.5}})
    refused = desk.http.post("/faults", json=plan)
    assert (refused.status_code, refused.json()["field"]) == (400, field)
    assert desk.http.get("/faults").json() == before


def test_a_plan_and_its_counts_outlive_a_kill(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = tmp_path_factory.mktemp("kept") / "books.sqlite3"

    def opened(simulator: RunningSimulator) -> Desk:
        return Desk(httpx.Client(base_url=simulator.url, trust_env=False))

    with running_simulator(database) as simulator:
        desk = opened(simulator)
        desk.plan(seed=9, rates={"authorise": {"server_error_after": 1.0}})
        desk.pay("counted")
        told = desk.http.get("/faults").json()
        simulator.process.kill()
        desk.http.close()
    with running_simulator(database) as simulator:
        desk = opened(simulator)
        assert desk.http.get("/faults").json() == told
        desk.http.close()
