"""Holds over HTTP: money leaves `available` at once, and is posted in parts, given back, or never moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

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
from tests.api.support import MERCHANT, Shop

HOLDS = "/v1/holds"


def place(shop: Shop, debited: str, credited: str, amount: int, **more: Any) -> str:
    """The id of a hold that was placed now."""
    return str(ok(send(shop, "POST", HOLDS, {"lines": lines(debited, credited, amount), **more}))["hold_id"])


def test_held_money_leaves_available_at_once_and_is_posted_by_the_commit(live: Shop) -> None:
    bank, alice = two_wallets(live)
    hold = place(live, alice, bank, 600)
    assert numbers(live, alice) == (1_000, 600, 400)
    assert numbers(live, bank) == (1_000, 600, 400)
    problem(send(live, "POST", "/v1/postings", {"lines": lines(alice, bank, 401)}), 422, "insufficient_funds")
    problem(send(live, "POST", HOLDS, {"lines": lines(alice, bank, 401)}), 422, "insufficient_funds", "lines.0")
    made = send(live, "POST", f"{HOLDS}/{hold}/commit", {})
    assert ok(made)["hold_id"] == hold
    assert (numbers(live, alice), numbers(live, bank)) == ((400, 0, 400), (400, 0, 400))
    shown = ok(send(live, "GET", f"{HOLDS}/{hold}"))
    assert (shown["state"], shown["commits"]) == ("committed", [ok(made)["posting_id"]])
    posting = ok(send(live, "GET", made.headers["Location"]))
    assert (posting["rule"], posting["hold_id"]) == ("hold-commit", hold)
    problem(send(live, "POST", f"{HOLDS}/{hold}/commit", {}), 422, "hold_not_pending")


def test_a_hold_is_committed_in_parts_until_one_is_final(live: Shop) -> None:
    bank, alice = two_wallets(live)
    hold = place(live, alice, bank, 600)
    path = f"{HOLDS}/{hold}/commit"
    ok(send(live, "POST", path, {"amount_minor": 100, "final": False}))
    assert numbers(live, alice) == (900, 500, 400)
    ok(send(live, "POST", path, {"lines": lines(alice, bank, 50), "final": False}))
    shown = ok(send(live, "GET", f"{HOLDS}/{hold}"))
    assert (shown["state"], [line["remaining_minor"] for line in shown["lines"]]) == (
        "partially_committed",
        [450, -450],
    )
    ok(send(live, "POST", path, {"amount_minor": 200}))
    assert numbers(live, alice) == (650, 0, 650)
    assert len(ok(send(live, "GET", f"{HOLDS}/{hold}"))["commits"]) == 3


def test_no_more_is_committed_than_was_held_and_only_as_it_was_held(live: Shop) -> None:
    bank, alice = two_wallets(live)
    hold = place(live, alice, bank, 600)
    path = f"{HOLDS}/{hold}/commit"
    problem(send(live, "POST", path, {"amount_minor": 601}), 422, "commit_exceeds_hold")
    problem(send(live, "POST", path, {"lines": lines(bank, alice, 1)}), 422, "commit_exceeds_hold", "lines")
    both = {"amount_minor": 1, "lines": lines(alice, bank, 1)}
    problem(send(live, "POST", path, both), 422, "invalid_request", "lines")
    ok(send(live, "POST", path, {"amount_minor": 400, "final": False}))
    problem(send(live, "POST", path, {"amount_minor": 201}), 422, "commit_exceeds_hold")
    assert numbers(live, alice) == (600, 200, 400)


def test_a_voided_hold_gives_back_what_was_left_of_it(live: Shop) -> None:
    bank, alice = two_wallets(live)
    hold = place(live, alice, bank, 600)
    ok(send(live, "POST", f"{HOLDS}/{hold}/commit", {"amount_minor": 100, "final": False}))
    ended = ok(send(live, "POST", f"{HOLDS}/{hold}/void"))
    assert [(line["amount_minor"], line["held_after"]) for line in ended["lines"]] == [(500, 0), (-500, 0)]
    assert numbers(live, alice) == (900, 0, 900)
    assert ok(send(live, "GET", f"{HOLDS}/{hold}"))["state"] == "voided"
    problem(send(live, "POST", f"{HOLDS}/{hold}/void"), 422, "hold_not_pending")
    problem(send(live, "POST", f"{HOLDS}/{hold}/commit", {}), 422, "hold_not_pending")


def test_every_request_about_a_hold_is_answered_alike_when_it_is_repeated(live: Shop) -> None:
    bank, alice = two_wallets(live)
    body = {"lines": lines(alice, bank, 600), "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    keys = [str(uuid4()) for _ in range(3)]
    first = send(live, "POST", HOLDS, body, key=keys[0])
    hold = ok(first)["hold_id"]
    part = {"amount_minor": 5, "final": False}
    committed = send(live, "POST", f"{HOLDS}/{hold}/commit", part, key=keys[1])
    voided = send(live, "POST", f"{HOLDS}/{hold}/void", key=keys[2])
    assert_same_again(live, "POST", HOLDS, body, keys[0], first)
    assert_same_again(live, "POST", f"{HOLDS}/{hold}/commit", part, keys[1], committed)
    assert_same_again(live, "POST", f"{HOLDS}/{hold}/void", None, keys[2], voided)


def test_holds_and_what_ends_them_can_be_tried_without_effect(live: Shop) -> None:
    bank, alice = two_wallets(live)
    body = {"lines": lines(alice, bank, 600)}
    key = str(uuid4())
    tried = ok(send(live, "POST", f"{HOLDS}?dry_run=true", body, key=key))
    hold = ok(send(live, "POST", HOLDS, body, key=key))
    assert (tried["lines"], tried["hold_id"]) == (hold["lines"], hold["hold_id"])
    before = written(live)
    for path, ending in (("commit", {"amount_minor": 100}), ("void", None)):
        assert ok(send(live, "POST", f"{HOLDS}/{hold['hold_id']}/{path}?dry_run=true", ending))["dry_run"] is True
    assert written(live) == before
    assert numbers(live, alice) == (1_000, 600, 400)


def test_a_hold_cannot_be_placed_already_expired(live: Shop) -> None:
    bank, alice = two_wallets(live)
    body = {"lines": lines(alice, bank, 1), "expires_at": "2020-01-01T00:00:00Z"}
    problem(send(live, "POST", HOLDS, body), 422, "hold_expiry_in_past")


def test_a_posting_is_no_hold_and_another_books_hold_is_not_there(live: Shop) -> None:
    bank, alice = two_wallets(live)
    posting = ok(send(live, "POST", "/v1/postings", {"lines": lines(bank, alice, 1)}))["posting_id"]
    hold = place(live, alice, bank, 600)
    for found, role in ((posting, "admin"), (hold, "foreign"), (str(uuid4()), "admin")):
        problem(send(live, "GET", f"{HOLDS}/{found}", role=role), 404, "not_found")
        problem(send(live, "POST", f"{HOLDS}/{found}/commit", {}, role=role), 404, "not_found")
        problem(send(live, "POST", f"{HOLDS}/{found}/void", role=role), 404, "not_found")
    problem(send(live, "GET", f"{HOLDS}/{hold}", role="merchant"), 404, "not_found")


def test_a_merchant_sees_holds_on_its_wallets(live: Shop) -> None:
    bank, _ = two_wallets(live)
    mine = open_wallet(live, "wallet:shop", merchant_id=MERCHANT)
    ok(send(live, "POST", "/v1/postings", {"lines": lines(bank, mine, 100)}))
    hold = place(live, mine, bank, 60)
    seen = ok(send(live, "GET", f"{HOLDS}/{hold}", role="merchant"))
    assert [line["wallet_id"] for line in seen["lines"]] == [mine]
