"""What the tests of the ledger's doors share: asking, opening wallets, giving them money, reading them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.api.support import Shop
from tests.last_written import last_written


def send(shop: Shop, method: str, path: str, body: Any = None, *, key: str | None = None, role: str = "admin") -> Any:
    """One request with a key of its own, unless the test names one."""
    more = {} if body is None else {"json": body}
    headers = shop.headers(role, Idempotency_Key=key or str(uuid4()))
    return shop.client().open(path, method=method, headers=headers, **more)


def ok(answer: Any) -> dict[str, Any]:
    """The document of a request that succeeded."""
    assert answer.status_code in (200, 201), answer.text
    document: dict[str, Any] = answer.get_json()
    return document


def problem(answer: Any, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """The problem document of a request that failed, with its code and the field it names."""
    document: dict[str, Any] = answer.get_json(force=True)
    assert (answer.status_code, document["code"]) == (status, code), answer.text
    if field is not None:
        assert field in [error["field"] for error in document.get("errors", [])], answer.text
    return document


def open_wallet(shop: Shop, address: str, role: str = "admin", **more: Any) -> str:
    """The id of a wallet that was opened now."""
    body = {"address": address, "currency": "EUR", **more}
    return str(ok(send(shop, "POST", "/v1/wallets", body, role=role))["wallet_id"])


def two_wallets(shop: Shop, amount: int = 1_000) -> tuple[str, str]:
    """A bank that gives without limit, and Alice with some money of it."""
    bank = open_wallet(shop, "bank:main:cash", overdraft_limit_minor=None)
    alice = open_wallet(shop, "wallet:alice")
    if amount:
        ok(send(shop, "POST", "/v1/postings", {"lines": lines(bank, alice, amount)}))
    return bank, alice


def lines(debited: str, credited: str, amount: int, currency: str = "EUR") -> list[dict[str, Any]]:
    """Two lines that balance."""
    return [
        {"wallet": debited, "currency": currency, "amount_minor": amount},
        {"wallet": credited, "currency": currency, "amount_minor": -amount},
    ]


def numbers(shop: Shop, wallet: str) -> tuple[int, int, int]:
    """Posted, held and available money of a wallet."""
    found = ok(send(shop, "GET", f"/v1/wallets/{wallet}"))
    return found["posted_minor"], found["held_minor"], found["available_minor"]


def written(shop: Shop) -> int:
    """How far the log goes."""
    return last_written(shop.log)


def assert_same_again(shop: Shop, method: str, path: str, body: Any, key: str, first: Any) -> None:
    """The same key with the same request gets the same answer, and writes nothing."""
    before = written(shop)
    again = send(shop, method, path, body, key=key)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true"), again.text
    assert again.get_json() == first.get_json()
    assert written(shop) == before
