"""Wallets and transfers over HTTP, kept by a real posting engine over PostgreSQL."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.api.support import Shop
from tests.last_written import last_written


def post(shop: Shop, path: str, body: dict[str, Any], role: str = "admin", key: str | None = None) -> Any:
    return shop.client().post(path, json=body, headers=shop.headers(role, Idempotency_Key=key or str(uuid4())))


def open_wallet(shop: Shop, address: str, role: str = "admin", **more: Any) -> Any:
    answer = shop.client().post(
        "/v1/wallets", json={"address": address, "currency": "EUR", **more}, headers=shop.headers(role)
    )
    assert answer.status_code == 201, answer.text
    return answer.get_json()


def test_money_moves_once_per_key_and_only_within_the_rules(live: Shop) -> None:
    alice = open_wallet(live, "wallet:alice")
    bank = open_wallet(live, "bank:main:cash", overdraft_limit_minor=None)
    assert (alice["account_kind"], alice["posted_minor"], bank["account_kind"]) == ("liability", 0, "asset")
    body = {"source": bank["wallet_id"], "destination": "wallet:alice", "amount_minor": 500, "currency": "EUR"}
    key = str(uuid4())
    posted = post(live, "/v1/transfers", body, key=key)
    assert (posted.status_code, posted.get_json()["status"]) == (201, "posted")
    again = post(live, "/v1/transfers", body, key=key)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.get_json()["posting_id"] == posted.get_json()["posting_id"]
    other = post(live, "/v1/transfers", {**body, "amount_minor": 1}, key=key)
    assert (other.status_code, other.get_json(force=True)["code"]) == (422, "key_reused")
    read = live.client().get("/v1/wallets/wallet:alice?currency=EUR", headers=live.headers()).get_json()
    assert (read["posted_minor"], read["held_minor"], read["available_minor"]) == (500, 0, 500)
    too_much = {"source": "wallet:alice", "destination": "bank:main:cash", "amount_minor": 501, "currency": "EUR"}
    refused = post(live, "/v1/transfers", too_much)
    assert (refused.status_code, refused.get_json(force=True)["code"]) == (422, "insufficient_funds")


def test_a_foreign_or_unknown_wallet_takes_no_part_in_a_transfer(live: Shop) -> None:
    mine, foreign = (
        open_wallet(live, "wallet:mine", overdraft_limit_minor=None),
        open_wallet(live, "wallet:theirs", "foreign"),
    )
    for destination in (foreign["wallet_id"], str(uuid4()), "wallet:nobody"):
        body = {"source": mine["wallet_id"], "destination": destination, "amount_minor": 1, "currency": "EUR"}
        assert post(live, "/v1/transfers", body).status_code in (404, 422), destination
    client = live.client()
    for path in ("", "/entries"):
        assert client.get(f"/v1/wallets/{foreign['wallet_id']}{path}", headers=live.headers()).status_code == 404
        assert client.get(f"/v1/wallets/{uuid4()}{path}", headers=live.headers()).status_code == 404
        assert client.get(f"/v1/wallets/{mine['wallet_id']}{path}", headers=live.headers("merchant")).status_code == 404


def test_a_wallet_outside_the_chart_or_without_a_currency_is_refused_by_field(live: Shop) -> None:
    answer = post(live, "/v1/wallets", {"address": "savings:alice", "currency": "EUR"})
    assert (answer.status_code, answer.get_json(force=True)["errors"][0]["field"]) == (422, "address")
    unnamed = live.client().get("/v1/wallets/wallet:alice", headers=live.headers())
    assert unnamed.get_json(force=True)["errors"][0]["field"] == "currency"


def test_a_transfer_with_a_card_number_or_a_float_changes_nothing(live: Shop) -> None:
    before = last_written(live.log)
    good = {"source": "wallet:a", "destination": "wallet:b", "amount_minor": 1, "currency": "EUR"}
    for change in ({"metadata": {"note": "4111111111111111"}}, {"amount_minor": 1.0}, {"source": "4111111111111111"}):
        assert post(live, "/v1/transfers", {**good, **change}).status_code == 422
    assert last_written(live.log) == before
