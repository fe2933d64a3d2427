"""Who pays how follows from the seed and the order alone, and everything there is occurs."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import pytest

from daybook.simulation.faults import IN_THE_BOOKS, LEVELS, ON_THE_WIRE, plan
from daybook.simulation.sales import made_up
from daybook.simulation.wishes import ACTS, WAYS, wish
from payments.offered import Offered
from rails.registry import TAKES

IDS = [str(UUID(int=number)) for number in range(2_000)]
START = datetime(2026, 3, 2, tzinfo=UTC)


def test_a_wish_depends_on_seed_and_order_alone() -> None:
    wishes = {order_id: wish(1, order_id) for order_id in IDS}
    assert {order_id: wish(1, order_id) for order_id in reversed(IDS)} == wishes
    assert wishes != {order_id: wish(2, order_id) for order_id in IDS}


def test_every_way_to_pay_and_every_act_occurs_about_as_often_as_it_should() -> None:
    wishes = [wish(1, order_id) for order_id in IDS]
    for way, share in WAYS:
        count = sum(one.way == way for one in wishes)
        assert share * 15 < count < share * 25, way
    for way, acts in ACTS.items():
        assert {one.act for one in wishes if one.way == way} == {act for act, _ in acts}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_orders_that_are_made_up_are_orders_that_the_rails_take(seed: int) -> None:
    offered = Offered({"simulated", "sepa"}, TAKES)
    sales = list(made_up(300, seed, book=1))
    for sale in sales:
        offered.check(sale.command)
    assert len({sale.order_id for sale in sales}) == 300
    assert [sale.command for sale in made_up(300, seed, book=1)] == [sale.command for sale in sales]


def test_heavy_faults_befall_a_tenth_of_calls_each_and_leave_some_calls_alone() -> None:
    heavy = plan("heavy", 1, START)
    named = {name for name, rate in heavy["rates"]["authorise"].items() if rate >= 0.1}
    assert {"no_reply_before", "no_reply_after", "server_error_after", "truncated_reply", "reset_after"} < named
    assert {"slow_drip", "late_success", "wrong_amount"} < named
    assert sum((ON_THE_WIRE | IN_THE_BOOKS).values()) < 0.98
    assert {outage["of"] for outage in heavy["outages"]} == {"psp", "bank", "both"}


def test_levels_grow_and_none_is_none() -> None:
    shares = [sum(plan(level, 1, START)["rates"].get("authorise", {}).values()) for level in LEVELS]
    assert shares[0] == 0
    assert all(less < more for less, more in pairwise(shares))
    assert plan("none", 1, START)["outages"] == []
