"""Fees, batches and payouts: every batch nets with its payout, and the payout is on the bank's statement of its day."""

from __future__ import annotations

import csv
import io
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest

from rails.simulator.bank.iban import account_of_currency, is_iban
from tests.rails.simulator.desk import CREDITOR, DAY_S, Desk, texts

EURO_ACCOUNT = account_of_currency("EUR")


def settled(desk: Desk, day: str = "2026-03-01") -> dict[str, Any]:
    batches = desk.http.get(f"/v1/settlements/{day}").json()["batches"]
    return {batch["currency"]: batch for batch in batches}


def test_a_batch_nets_with_its_lines_and_with_its_payout(desk: Desk) -> None:
    desk.pay("sold-1", amount_minor=10_000)
    held = desk.hold(5_000, order_id="order-2")
    desk.capture(held["id"], 2_000, key="part-1")
    desk.capture(held["id"], 1_000, key="part-2", final=True)
    desk.pay("yen", amount_minor=3_000, currency="JPY")
    desk.pay("refused", payment_token="tok_card_declined")  # noqa: S106 - names a card
    desk.clock(advance_s=DAY_S)
    batches = settled(desk)
    assert set(batches) == {"EUR", "JPY"}
    euro = batches["EUR"]
    assert [(line["capture_key"], line["gross_minor"], line["fee_minor"]) for line in euro["lines"]] == [
        ("sold-1", 10_000, 165),
        ("part-1", 2_000, 53),
        ("part-2", 1_000, 39),
    ]
    assert euro["lines"][1]["psp_reference"] == held["id"]
    assert (euro["gross_minor"], euro["fee_minor"], euro["net_minor"]) == (13_000, 257, 12_743)
    assert sum(line["net_minor"] for line in euro["lines"]) == euro["net_minor"]
    assert euro["payout"] == {
        "payout_id": "po-20260301-EUR",
        "amount_minor": 12_743,
        "iban": EURO_ACCOUNT,
        "value_date": "2026-03-03",
        "end_to_end_id": "stl-20260301-EUR",
    }


def test_the_report_as_csv_says_the_same_and_sums_to_nothing(desk: Desk) -> None:
    desk.pay("sold", order_id='ord,"er"', amount_minor=12_345)
    desk.pay("dinar", amount_minor=5_001, currency="KWD")
    desk.clock(advance_s=DAY_S)
    response = desk.http.get("/v1/settlements/2026-03-01/csv")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert desk.http.get("/v1/settlements/2026-03-01", headers={"Accept": "text/csv"}).text == response.text
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["Type"] for row in rows] == ["Settled", "MerchantPayout"] * 2
    assert [row["Gross"] for row in rows] == ["123.45", "", "5.001", ""]
    assert rows[0]["Merchant Reference"] == 'ord,"er"'
    for currency in ("EUR", "KWD"):
        assert sum(Decimal(row["Net"]) for row in rows if row["Currency"] == currency) == 0


def test_the_payout_is_on_the_account_on_its_value_date(desk: Desk) -> None:
    desk.pay(amount_minor=10_000)
    desk.clock(set="2026-03-02T23:59:59Z")
    assert desk.http.get(f"/bank/v1/accounts/{EURO_ACCOUNT}").status_code == 404
    desk.clock(set="2026-03-04T00:00:00Z")
    statement = desk.statement("2026-03-03", EURO_ACCOUNT)
    assert texts(statement, "Ntry/Amt") == ["98.35"]
    assert texts(statement, "Ntry/ValDt/Dt") == ["2026-03-03"]
    assert texts(statement, "Ntry/NtryDtls/TxDtls/Refs/EndToEndId") == ["stl-20260301-EUR"]


def test_all_that_was_captured_is_settled_once_and_paid_out(desk: Desk) -> None:
    for day in range(5):
        for number in range(day + 1):
            desk.pay(f"day-{day}-{number}", amount_minor=1_000 + 37 * number)
        desk.clock(advance_s=DAY_S)
    desk.clock(advance_s=3 * DAY_S)
    days = [row["date"] for row in desk.http.get("/v1/settlements").json()["settlements"]]
    assert days == [f"2026-03-0{day}" for day in range(1, 6)]
    batches = [settled(desk, day)["EUR"] for day in days]
    keys = [line["capture_key"] for batch in batches for line in batch["lines"]]
    assert sorted(keys) == sorted(f"day-{day}-{number}" for day in range(5) for number in range(day + 1))
    totals = desk.http.get("/v1/totals").json()["currencies"]["EUR"]
    assert sum(batch["gross_minor"] for batch in batches) == totals["captured_minor"]
    assert sum(batch["fee_minor"] for batch in batches) == totals["cost_minor"]
    paid = desk.http.get(f"/bank/v1/accounts/{EURO_ACCOUNT}").json()["balance_minor"]
    assert paid == totals["captured_minor"] - totals["cost_minor"]


def test_fees_are_a_table_per_method(desk: Desk) -> None:
    desk.terms(
        fees={"default": {"basis_points": 290, "fixed_minor": 30}, "amex": {"basis_points": 355, "fixed_minor": 0}}
    )
    assert desk.pay(amount_minor=10_001).json()["cost_minor"] == 320
    amex = desk.pay(amount_minor=10_001, payment_token="tok_amex").json()  # noqa: S106 - names a card
    exact = (Decimal(10_001) * Decimal("0.0355")).quantize(Decimal(1), ROUND_HALF_EVEN)
    assert amex["cost_minor"] == int(exact)


def test_fees_that_eat_a_day_are_carried_into_the_next_batch(desk: Desk) -> None:
    desk.pay(amount_minor=10)
    desk.clock(advance_s=DAY_S)
    first = settled(desk)["EUR"]
    assert (first["net_minor"], first["carried_out_minor"], first["payout"]) == (-15, -15, None)
    rows = list(csv.DictReader(io.StringIO(desk.http.get("/v1/settlements/2026-03-01/csv").text)))
    assert [row["Type"] for row in rows] == ["Settled", "BalanceTransfer"]
    assert sum(Decimal(row["Net"]) for row in rows) == 0
    desk.clock(advance_s=DAY_S)
    desk.pay(amount_minor=10_000)
    desk.clock(advance_s=DAY_S)
    second = settled(desk, "2026-03-03")["EUR"]
    assert (second["carried_in_minor"], second["payout"]["amount_minor"]) == (-15, 9_835 - 15)
    rows = list(csv.DictReader(io.StringIO(desk.http.get("/v1/settlements/2026-03-03/csv").text)))
    assert sum(Decimal(row["Net"]) for row in rows) == 0


def test_payouts_go_where_and_when_the_terms_say(desk: Desk) -> None:
    desk.terms(payout_days=1, payout_accounts={"EUR": CREDITOR})
    desk.pay(amount_minor=10_000)
    desk.clock(advance_s=DAY_S)
    assert desk.http.get(f"/bank/v1/accounts/{CREDITOR}").json()["balance_minor"] == 9_835


def test_one_account_cannot_take_payouts_in_two_currencies(desk: Desk) -> None:
    before = desk.http.get("/v1/terms").json()
    refused = desk.http.put("/v1/terms", json={"payout_accounts": {"EUR": CREDITOR, "USD": CREDITOR}})
    assert (refused.status_code, refused.json()["code"]) == (409, "account_currency")
    assert desk.http.get("/v1/terms").json() == before


def test_a_day_is_settled_when_it_is_over(desk: Desk) -> None:
    desk.pay()
    for path in ("/v1/settlements/2026-03-01", "/v1/settlements/2026-03-01/csv", "/v1/settlements/2027-01-01"):
        refused = desk.http.get(path)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_ready")
    assert desk.http.get("/v1/settlements/2026-02-28").json() == {"date": "2026-02-28", "batches": []}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fees": {}}, "fees.default"),
        ({"fees": {"default": {"basis_points": 1, "fixed_minor": 1}, "cheque": {}}}, "fees.cheque"),
        ({"fees": {"default": {"basis_points": -1, "fixed_minor": 1}}}, "basis_points"),
        ({"fees": {"default": {"basis_points": 1}}}, "fixed_minor"),
        ({"fees": [1]}, "fees"),
        ({"payout_days": 0}, "payout_days"),
        ({"payout_accounts": {"EUR": "DE00370400440532013000"}}, "payout_accounts.EUR"),
        ({"payout_accounts": {"euro": CREDITOR}}, "payout_accounts.euro"),
        ({"capture_window_s": 0}, "capture_window_s"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_terms_that_make_no_sense_are_refused_by_their_field(desk: Desk, body: dict[str, Any], field: str) -> None:
    before = desk.http.get("/v1/terms").json()
    refused = desk.http.put("/v1/terms", json=body)
    assert (refused.status_code, refused.json()["field"]) == (400, field)
    assert desk.http.get("/v1/terms").json() == before


def test_the_account_the_bank_opens_for_a_currency_is_an_iban() -> None:
    assert is_iban(EURO_ACCOUNT)
    assert len({account_of_currency(currency) for currency in ("EUR", "USD", "JPY", "PLN")}) == 4
