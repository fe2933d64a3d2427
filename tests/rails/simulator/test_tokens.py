"""Methods by token: which pay, which are refused and how."""

from __future__ import annotations

import pytest

from rails.simulator.psp.tokens import INSTRUMENTS
from tests.rails.simulator.desk import Desk

DECLINES = {token: one.decline for token, one in INSTRUMENTS.items() if one.decline and not one.challenge}
FRICTIONLESS = {"payment_token": "tok_3ds_frictionless"}
ASKED = {"payment_token": "tok_3ds"}
PAYING = [token for token, one in INSTRUMENTS.items() if not one.decline and not one.challenge]


@pytest.mark.parametrize("token", sorted(DECLINES))
@pytest.mark.parametrize("capture", [True, False])
def test_a_token_that_declines_says_why_and_how_hard_and_moves_nothing(desk: Desk, token: str, capture: bool) -> None:
    decline = DECLINES[token]
    refused = desk.pay("declined", payment_token=token, capture=capture)
    assert refused.status_code == 402
    assert (refused.json()["code"], refused.json()["decline_class"]) == (decline.code, decline.decline_class)
    told = desk.by_key("declined")
    assert (told["status"], told["decline_code"], told["decline_class"]) == (
        "declined",
        decline.code,
        decline.decline_class,
    )
    assert desk.http.get("/v1/totals").json()["currencies"] == {}


@pytest.mark.parametrize("token", [*PAYING, "tok_of_my_own", "anything"])
def test_every_other_token_pays(desk: Desk, token: str) -> None:
    paid = desk.pay(payment_token=token).json()
    assert (paid["status"], paid["captured_minor"]) == ("captured", 10_000)
    assert paid["method"] == (INSTRUMENTS[token].method if token in INSTRUMENTS else "card")


def test_a_frictionless_authentication_is_told_and_asks_nobody(desk: Desk) -> None:
    paid = desk.pay(**FRICTIONLESS).json()
    assert (paid["status"], paid["authentication"], paid["action_url"]) == ("captured", "frictionless", None)


def test_the_amounts_that_decline_do_so_whatever_the_token_is(desk: Desk) -> None:
    assert desk.pay(amount_minor=66_601, **ASKED).json()["code"] == "card_declined"


def test_hard_and_soft_declines_are_both_there() -> None:
    assert {decline.decline_class for decline in DECLINES.values()} == {"hard", "soft"}
    assert {"insufficient_funds", "do_not_honour", "stolen_card", "expired_card"} <= {
        decline.code for decline in DECLINES.values()
    }
