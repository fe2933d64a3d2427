"""What an order may ask for of rails: each refusal names the field, before anything is written."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import RuleViolation
from payments.commands import fingerprint
from payments.offered import CaptureModeNotOffered, MandateMissing, NotTakenByRail, Offered, PaymentTokenMissing
from rails.registry import FACTORIES, TAKES, open_rail
from tests.payments.shop import TOKEN, Shop

PAYER = {"name": "Anna Example", "iban": "DE89370400440532013000"}
MANDATE = {"reference": "M-1", "signed_on": "2026-01-02"}
DEBIT = {"rail": "sepa", "method": "direct_debit", "payer": {**PAYER, "mandate": MANDATE}}
ALL = Offered({"simulated", "sepa", "stripe"}, TAKES)
SETTINGS = {
    "simulated": {"url": "http://127.0.0.1:1"},
    "stripe": {"key": "sk_test_1"},
    "sepa": {
        "url": "http://127.0.0.1:1",
        "creditor_name": "Shop",
        "iban": "DE89370400440532013000",
        "creditor_id": "DE98ZZZ09999999999",
    },
}


@pytest.mark.parametrize(
    ("asked", "rule", "field"),
    [
        ({"rail": "simulated"}, PaymentTokenMissing, "payment_token"),
        ({"rail": "simulated", "payment_token": "pm_1"}, NotTakenByRail, "payment_token"),
        ({"rail": "sepa", "payment_token": TOKEN}, NotTakenByRail, "method"),
        ({"rail": "simulated", "method": "bank_transfer"}, NotTakenByRail, "method"),
        ({"rail": "sepa", "method": "bank_transfer", "currency": "USD"}, NotTakenByRail, "currency"),
        ({"rail": "sepa", "method": "bank_transfer", "capture_mode": "manual"}, CaptureModeNotOffered, "capture_mode"),
        ({**DEBIT, "payer": {"name": "Anna Example"}}, MandateMissing, "payer.iban"),
        ({**DEBIT, "payer": {"iban": PAYER["iban"]}}, MandateMissing, "payer.name"),
        ({**DEBIT, "payer": PAYER}, MandateMissing, "payer.mandate"),
        ({**DEBIT, "payer": None}, MandateMissing, "payer.name"),
        ({"rail": "auto", "method": "bank_transfer", "currency": "USD"}, NotTakenByRail, "currency"),
    ],
)
def test_what_no_rail_could_take_is_refused_by_field(
    shop: Shop, asked: dict[str, Any], rule: type[RuleViolation], field: str
) -> None:
    with pytest.raises(rule) as refused:
        ALL.check(shop.body(**asked))
    assert refused.value.field == field


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"rail": "simulated", "payment_token": TOKEN},
        {"rail": "auto", "payment_token": "pm_1", "currency": "JPY"},
        {"rail": "sepa", "method": "bank_transfer"},
        DEBIT,
    ],
)
def test_what_a_rail_takes_is_let_through(shop: Shop, asked: dict[str, Any]) -> None:
    ALL.check(shop.body(**asked))


def test_a_rail_of_which_nothing_is_known_is_left_to_decide(shop: Shop) -> None:
    Offered({"mine"}).check(shop.body(rail="mine", method="bank_transfer"))
    Offered({"mine", "sepa"}, TAKES).check(shop.body(rail="auto", payment_token=TOKEN))


@pytest.mark.parametrize("name", sorted(TAKES))
def test_orders_are_checked_against_what_the_rail_itself_declares(name: str) -> None:
    rail = open_rail(name, SETTINGS[name])
    able, taken = rail.capabilities, TAKES[name]
    rail.close()
    assert (able.methods, able.currencies, able.token_prefixes) == (
        taken.methods,
        taken.currencies,
        taken.token_prefixes,
    )
    assert set(TAKES) == set(FACTORIES) - {"recorded"}


def test_a_body_without_what_came_later_has_the_fingerprint_that_it_always_had(shop: Shop) -> None:
    plain = fingerprint(shop.body())
    assert fingerprint(shop.body(method="card", return_url=None)) == plain
    others = [{"method": "bank_transfer"}, {"return_url": "https://shop.example"}]
    assert len({plain, *(fingerprint(shop.body(**other)) for other in others)}) == 3
