"""Freezing, closing, limits and notes of wallets, closed periods and monitors, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.api.ledger import (
    assert_same_again,
    lines,
    numbers,
    ok,
    open_wallet,
    problem,
    send,
    two_wallets,
    written,
)
from tests.api.support import MERCHANT, OTHER_MERCHANT, Shop

WHY = {"reason": "asked for"}


def change(shop: Shop, wallet: str, what: str, body: Any = WHY, **more: Any) -> Any:
    return send(shop, "POST", f"/v1/wallets/{wallet}/{what}", body, **more)


def test_a_frozen_wallet_takes_no_request_until_it_is_unfrozen(live: Shop) -> None:
    bank, alice = two_wallets(live)
    ok(change(live, alice, "freeze"))
    assert ok(send(live, "GET", f"/v1/wallets/{alice}"))["frozen"] is True
    for asked in (lines(bank, alice, 1), lines(alice, bank, 1)):
        problem(send(live, "POST", "/v1/postings", {"lines": asked}), 422, "wallet_frozen")
    problem(change(live, alice, "freeze"), 422, "wallet_frozen")
    ok(change(live, alice, "unfreeze"))
    problem(change(live, alice, "unfreeze"), 422, "wallet_not_frozen")
    ok(send(live, "POST", "/v1/postings", {"lines": lines(alice, bank, 1)}))


def test_a_wallet_is_closed_only_at_zero_and_may_be_opened_again(live: Shop) -> None:
    bank, alice = two_wallets(live)
    problem(change(live, alice, "close"), 422, "wallet_not_empty")
    problem(change(live, alice, "reopen"), 422, "wallet_not_closed")
    ok(send(live, "POST", "/v1/postings", {"lines": lines(alice, bank, 1_000)}))
    ok(change(live, alice, "close"))
    problem(send(live, "POST", "/v1/postings", {"lines": lines(bank, alice, 1)}), 422, "wallet_closed")
    ok(change(live, alice, "reopen"))
    ok(send(live, "POST", "/v1/postings", {"lines": lines(bank, alice, 1)}))


def test_the_overdraft_limit_changes_while_the_wallet_is_in_use(live: Shop) -> None:
    bank, alice = two_wallets(live)
    over = {"lines": lines(alice, bank, 1_200)}
    problem(send(live, "POST", "/v1/postings", over), 422, "insufficient_funds")
    ok(change(live, alice, "limit", {"overdraft_limit_minor": 200}))
    ok(send(live, "POST", "/v1/postings", over))
    ok(change(live, alice, "limit", {"overdraft_limit_minor": 0}))
    assert numbers(live, alice) == (-200, 0, -200)
    problem(send(live, "POST", "/v1/postings", {"lines": lines(alice, bank, 1)}), 422, "insufficient_funds")
    ok(change(live, alice, "limit", {"overdraft_limit_minor": None}))
    ok(send(live, "POST", "/v1/postings", over))
    problem(
        change(live, alice, "limit", {"overdraft_limit_minor": -1}), 422, "invalid_request", "overdraft_limit_minor"
    )


@pytest.mark.parametrize(
    ("method", "what", "body"),
    [
        ("POST", "freeze", WHY), ("POST", "close", WHY), ("POST", "limit", {"overdraft_limit_minor": 7}),
        ("PATCH", "metadata", {"metadata": {"tier": "gold"}}),
    ],
)  # fmt: skip
def test_a_change_is_made_once_per_key_and_only_to_a_wallet_of_ones_own_book(
    live: Shop, method: str, what: str, body: Any
) -> None:
    alice = open_wallet(live, "wallet:alice")
    path, key = f"/v1/wallets/wallet:alice/{what}?currency=EUR", str(uuid4())
    first = send(live, method, path, body, key=key)
    assert ok(first)["wallet_id"] == alice
    assert_same_again(live, method, path, body, key, first)
    before = written(live)
    problem(send(live, method, f"/v1/wallets/{alice}/{what}", body, role="foreign"), 404, "not_found")
    problem(send(live, method, f"/v1/wallets/{uuid4()}/{what}", body), 404, "not_found")
    assert written(live) == before


# periods


def test_nothing_is_back_dated_into_a_closed_period(live: Shop) -> None:
    bank, alice = two_wallets(live)
    today = datetime.now(UTC)
    yesterday, before = today - timedelta(days=1), today - timedelta(days=2)
    body = {"lines": lines(bank, alice, 1), "effective_at": before.isoformat()}
    posting = ok(send(live, "POST", "/v1/postings", body))["posting_id"]
    assert ok(send(live, "GET", "/v1/periods")) == {"closed_through": None, "open_from": None, "closings": []}
    key, through = str(uuid4()), {"through": before.date().isoformat()}
    first = send(live, "POST", "/v1/periods/close", through, key=key)
    assert ok(first)["through"] == through["through"]
    assert_same_again(live, "POST", "/v1/periods/close", through, key, first)
    for path in ("/v1/postings", "/v1/holds"):
        problem(send(live, "POST", path, body), 422, "period_closed", "effective_at")
    back = {"at_effective_date": True}
    problem(send(live, "POST", f"/v1/postings/{posting}/revert", back), 422, "period_closed", "effective_at")
    ok(send(live, "POST", "/v1/postings", {**body, "effective_at": yesterday.isoformat()}))
    shown = ok(send(live, "GET", "/v1/periods"))
    assert (shown["closed_through"], len(shown["closings"])) == (through["through"], 1)
    assert shown["open_from"] == f"{yesterday.date().isoformat()}T00:00:00Z"
    assert ok(send(live, "GET", "/v1/periods", role="foreign"))["closings"] == []


def test_a_period_closes_once_and_only_when_it_is_over(live: Shop) -> None:
    today = datetime.now(UTC).date()
    problem(send(live, "POST", "/v1/periods/close", {"through": today.isoformat()}), 422, "period_not_over", "through")
    over = {"through": (today - timedelta(days=1)).isoformat()}
    ok(send(live, "POST", "/v1/periods/close", over))
    problem(send(live, "POST", "/v1/periods/close", over), 422, "period_already_closed", "through")
    problem(send(live, "POST", "/v1/periods/close", {"through": "soon"}), 422, "invalid_request", "through")


def test_the_future_takes_no_posting(live: Shop) -> None:
    bank, alice = two_wallets(live)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {"lines": lines(bank, alice, 1), "effective_at": later}
    problem(send(live, "POST", "/v1/postings", body), 422, "effective_in_future", "effective_at")


# monitors


def test_a_monitor_shows_each_crossing_of_its_threshold_until_it_is_removed(live: Shop) -> None:
    bank, alice = two_wallets(live)
    body = {"wallet": "wallet:alice", "currency": "EUR", "measure": "available", "threshold_minor": 500}
    key = str(uuid4())
    first = send(live, "POST", "/v1/monitors", body, key=key)
    monitor = ok(first)["monitor_id"]
    assert_same_again(live, "POST", "/v1/monitors", body, key, first)
    ok(send(live, "POST", "/v1/holds", {"lines": lines(alice, bank, 501)}))
    ok(send(live, "POST", "/v1/postings", {"lines": lines(alice, bank, 1)}))
    ok(send(live, "POST", "/v1/postings", {"lines": lines(bank, alice, 2)}))
    shown = ok(send(live, "GET", f"/v1/monitors/{monitor}"))
    crossings = [(one["side"], one["balance_minor"]) for one in shown["crossings"]]
    assert (crossings, shown["removed"]) == ([("at_or_above", 500), ("below", 499)], False)
    removed = send(live, "DELETE", f"/v1/monitors/{monitor}")
    assert ok(removed)["status"] == "removed"
    again = send(live, "DELETE", f"/v1/monitors/{monitor}")
    assert (again.get_json(), again.headers["Idempotent-Replayed"]) == (removed.get_json(), "true")
    ok(send(live, "POST", "/v1/postings", {"lines": lines(alice, bank, 400)}))
    after = ok(send(live, "GET", f"/v1/monitors/{monitor}"))
    assert (len(after["crossings"]), after["removed"]) == (2, True)


def test_a_monitor_of_another_book_or_merchant_is_not_there(live: Shop) -> None:
    wallets = [open_wallet(live, "wallet:shop", merchant_id=MERCHANT)]
    wallets.append(open_wallet(live, f"merchant:{OTHER_MERCHANT}:available"))
    body = {"measure": "posted", "threshold_minor": 0}
    mine, other = (ok(send(live, "POST", "/v1/monitors", {"wallet": w, **body}))["monitor_id"] for w in wallets)
    ok(send(live, "GET", f"/v1/monitors/{mine}", role="merchant"))
    problem(send(live, "GET", f"/v1/monitors/{other}", role="merchant"), 404, "not_found")
    problem(send(live, "GET", f"/v1/monitors/{mine}", role="foreign"), 404, "not_found")
    problem(send(live, "DELETE", f"/v1/monitors/{mine}", role="foreign"), 404, "not_found")
    problem(send(live, "POST", "/v1/monitors", {"wallet": wallets[0], **body}, role="foreign"), 404, "not_found")
    wrong = {"wallet": wallets[0], "measure": "natural", "threshold_minor": 0}
    problem(send(live, "POST", "/v1/monitors", wrong), 422, "invalid_request", "measure")
