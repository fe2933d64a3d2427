"""Rails over HTTP: what they can do, how they have done lately, and how old that is."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.app import create_app
from api.rails import RailsSchema
from daybook.client import Client, Forbidden
from eventlog.connections import connect
from rails.guarded import GuardedRail
from rails.port import InquiryRequest, NotFound
from rails.registry import FACTORIES, open_rail
from rails.reports import Reports
from rails.simulator.process import running_simulator
from tests.api.ledger import ok, problem
from tests.api.proxy import serving
from tests.api.reading import Reading
from tests.api.support import Shop

TIMEOUTS = {"authorise": 30.0, "capture": 10.0, "void": 10.0, "inquire": 5.0, "facts": 60.0}


@pytest.fixture
def shop(reading: Reading, database_url: str, tmp_path: Path) -> Shop:
    """A shop beside a payment process that has asked the simulator three times, and reported on it."""
    services = replace(reading.shop.services, opened_rails=frozenset({"recorded", "simulated", "stripe"}))
    with running_simulator(tmp_path / "simulator.sqlite") as simulator:
        rail = GuardedRail(open_rail("simulated", {"url": simulator.url}), timeouts=TIMEOUTS)
        for number in range(3):
            assert isinstance(rail.inquire(InquiryRequest(f"nobody/{number}")), NotFound)
        with closing(Reports({"simulated": rail}, lambda: connect(database_url))) as reports:
            reports.report()
        rail.close()
    return replace(reading.shop, app=create_app(services), services=services)


def rails(shop: Shop, role: str = "operator") -> dict[str, Any]:
    found = ok(shop.client().get("/v1/rails", headers=shop.headers(role)))
    assert RailsSchema().validate(found) == {}
    return {rail["rail"]: rail for rail in found["items"]}


def test_every_rail_is_told_with_what_it_can_do_and_how_it_has_done(shop: Shop) -> None:
    told = rails(shop)
    assert list(told) == sorted(FACTORIES)
    assert {name: rail["enabled"] for name, rail in told.items()} == {
        "recorded": True, "sepa": False, "simulated": True, "stripe": True,
    }  # fmt: skip
    simulated = told["simulated"]
    assert {"authorise", "inquire", "idempotency_keys"} < set(simulated["capabilities"])
    assert (simulated["methods"], simulated["currencies"], simulated["stale"]) == (["card"], None, False)
    operations = {one["operation"]: one for one in simulated["operations"]}
    assert {name: one["timeout_ms"] / 1000 for name, one in operations.items()} == TIMEOUTS
    inquire, void = operations["inquire"], operations["void"]
    assert [inquire[name] for name in ("state", "calls", "failures", "retries")] == ["up", 3, 0, 0]
    assert 0 < inquire["p50_ms"] <= inquire["p99_ms"] <= inquire["p999_ms"] < inquire["timeout_ms"]
    assert (void["calls"], void["p50_ms"], void["p99_ms"], void["p999_ms"]) == (0, None, None, None)
    assert inquire["counted_from"] <= inquire["since"] <= simulated["reported_at"]


def test_what_nobody_has_reported_is_not_made_up(shop: Shop) -> None:
    stripe = rails(shop)["stripe"]
    assert stripe == {
        "rail": "stripe", "enabled": True, "capabilities": None, "methods": None, "currencies": None,
        "reported_at": None, "stale": None, "operations": [],
    }  # fmt: skip


def test_a_report_that_is_not_renewed_is_told_to_be_stale(shop: Shop, database_url: str) -> None:
    before = rails(shop)["simulated"]
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("update rails.health set reported_at = reported_at - interval '10 minutes'")
    after = rails(shop)["simulated"]
    assert (before["stale"], after["stale"]) == (False, True)
    assert after["reported_at"] < before["reported_at"]
    assert after["operations"] == before["operations"]


def test_rails_are_for_those_who_operate_and_audit_the_books(shop: Shop) -> None:
    for role in ("operator", "auditor", "admin", "foreign"):
        assert rails(shop, role)["simulated"]["operations"]
    refused = shop.client().get("/v1/rails", headers=shop.headers("merchant"))
    problem(refused, 403, "forbidden")
    assert shop.client().get("/v1/rails").status_code == 401


def test_the_client_lists_rails(shop: Shop) -> None:
    with serving(shop.app) as port:
        with Client(f"http://127.0.0.1:{port}", shop.keys["operator"]) as daybook:
            found = {rail.rail: rail for rail in daybook.rails.list()}
        assert set(found) == set(FACTORIES)
        assert [one.calls for one in found["simulated"].operations if one.operation == "inquire"] == [3]
        assert found["sepa"].reported_at is None
        with Client(f"http://127.0.0.1:{port}", shop.keys["merchant"]) as merchant, pytest.raises(Forbidden):
            merchant.rails.list()
