"""How each rail is reached by the contract tests, and what makes it misbehave there.

A new rail needs a `Drill` and a line in `DRILLS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from rails.registry import open_rail
from rails.simulator import magic
from rails.simulator.process import running_simulator
from tests.contracts.drill import CURRENCY, Drill
from tests.contracts.sepa_drill import sepa_drill
from tests.contracts.stripe_drill import stripe_drill

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


CHALLENGED = 4_300


def simulated_drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    database = tmp_path_factory.mktemp("simulator") / "books.sqlite3"
    with running_simulator(database) as simulator, httpx.Client(base_url=simulator.url, trust_env=False) as books:
        rail = open_rail("simulated", {"url": simulator.url})

        def totals() -> dict[str, int]:
            sums: dict[str, int] = books.get("/v1/totals").json()["currencies"].get(CURRENCY, {})
            return {name: sums.get(f"{name}_minor", 0) for name in ("captured", "cost", "released", "held")}

        amounts = {
            "hard_decline": magic.HARD_DECLINE,
            "soft_decline": magic.SOFT_DECLINE,
            "no_reply_before": magic.NO_REPLY_BEFORE_EFFECT,
            "no_reply_after": magic.NO_REPLY_AFTER_EFFECT,
            "server_error_before": magic.SERVER_ERROR_BEFORE_EFFECT,
            "server_error_after": magic.SERVER_ERROR_AFTER_EFFECT,
            "broken_reply_after": magic.BROKEN_REPLY_AFTER_EFFECT,
            "action": CHALLENGED,
        }

        def act(reference: str, success: bool) -> None:
            books.post(f"/3ds/{reference}/{'approve' if success else 'decline'}").raise_for_status()

        def a_day_passes() -> None:
            books.post("/clock", json={"advance_s": 86_400}).raise_for_status()

        yield Drill(rail, amounts, totals, instruments={CHALLENGED: "tok_3ds"}, act=act, pass_time=a_day_passes)
        rail.close()


def recorded_drill(_: pytest.TempPathFactory) -> Iterator[Drill]:
    rail = open_rail("recorded", {})
    yield Drill(rail, {}, dict)
    rail.close()


DRILLS = {
    "recorded": recorded_drill,
    "sepa": sepa_drill,
    "simulated": simulated_drill,
    "stripe": stripe_drill,
}
