"""Postings over HTTP: any balanced lines, conditions, references, dry runs, notes, and their reversal."""

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
from tests.api.support import Shop

POSTINGS = "/v1/postings"


def post(shop: Shop, body: dict[str, Any], **more: Any) -> Any:
    return send(shop, "POST", POSTINGS, body, **more)


def test_a_posting_has_any_lines_that_balance_in_each_currency(live: Shop) -> None:
    bank, alice = two_wallets(live, 0)
    dollars = open_wallet(live, "bank:main:cash", currency="USD", overdraft_limit_minor=None)
    body = {
        "lines": [*lines(bank, alice, 700), *lines(dollars, "wallet:carol", 5, "USD"), *lines(bank, alice, 50)],
        "reference": "invoice-7",
        "metadata": {"note": "first"},
    }
    open_wallet(live, "wallet:carol", currency="USD")
    made = post(live, body)
    assert made.status_code == 201
    answer = ok(made)
    assert [line["posted_after"] for line in answer["lines"]] == [700, -700, 5, -5, 750, -750]
    shown = ok(send(live, "GET", made.headers["Location"]))
    assert (shown["state"], shown["reference"], shown["metadata"]) == ("recorded", "invoice-7", {"note": "first"})
    assert [line["amount_minor"] for line in shown["lines"]] == [700, -700, 5, -5, 50, -50]
    unbalanced = post(live, {"lines": [*lines(bank, alice, 1), *lines(bank, alice, 1)[:1]]})
    problem(unbalanced, 422, "posting_unbalanced", "lines")


def test_the_same_key_is_posted_once_and_answered_alike_and_never_for_another_request(live: Shop) -> None:
    bank, alice = two_wallets(live, 0)
    key, body = str(uuid4()), {"lines": lines(bank, alice, 10)}
    first = post(live, body, key=key)
    assert_same_again(live, "POST", POSTINGS, body, key, first)
    problem(post(live, {"lines": lines(bank, alice, 11)}, key=key), 422, "key_reused")
    assert numbers(live, alice) == (10, 0, 10)


def test_a_reference_is_taken_once_in_its_book(live: Shop) -> None:
    bank, alice = two_wallets(live, 0)
    ok(post(live, {"lines": lines(bank, alice, 1), "reference": "r"}))
    problem(post(live, {"lines": lines(bank, alice, 1), "reference": "r"}), 422, "reference_taken", "reference")
    theirs = [open_wallet(live, "bank:main:cash", "foreign", overdraft_limit_minor=None)]
    theirs.append(open_wallet(live, "wallet:alice", "foreign"))
    ok(post(live, {"lines": lines(*theirs, 1), "reference": "r"}, role="foreign"))


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"at_least_minor": 1_000}, True), ({"at_least_minor": 1_001}, False), ({"exactly_minor": 1_000}, True),
        ({"exactly_minor": 999}, False), ({"version": 2}, True), ({"version": 1}, False),
    ],
)  # fmt: skip
def test_a_posting_is_made_only_if_its_conditions_hold(live: Shop, condition: dict[str, int], holds: bool) -> None:
    bank, alice = two_wallets(live)
    asked = {"wallet": "wallet:alice", "currency": "EUR", **condition}
    answer = post(live, {"lines": lines(bank, alice, 1), "conditions": [asked]})
    if holds:
        ok(answer)
    else:
        problem(answer, 422, "condition_not_met", "conditions")
    assert numbers(live, alice)[0] == 1_000 + holds
    twice = {**asked, "exactly_minor": 1, "version": 1}
    problem(post(live, {"lines": lines(bank, alice, 1), "conditions": [twice]}), 422, "condition_not_usable")


def test_a_dry_run_answers_what_the_real_run_then_does_and_changes_nothing(live: Shop) -> None:
    bank, alice = two_wallets(live)
    key, body = str(uuid4()), {"lines": lines(alice, bank, 400), "reference": "dry"}
    before = written(live)
    tried = send(live, "POST", f"{POSTINGS}?dry_run=true", body, key=key)
    assert (tried.status_code, tried.get_json()["dry_run"], tried.get_json()["position"]) == (200, True, "0")
    assert written(live) == before
    assert numbers(live, alice) == (1_000, 0, 1_000)
    real = ok(post(live, body, key=key))
    expected = {name: value for name, value in tried.get_json().items() if name not in ("dry_run", "position")}
    assert {name: real[name] for name in expected} == expected
    assert numbers(live, alice) == (600, 0, 600)


def test_a_dry_run_of_what_would_be_refused_says_why_and_leaves_the_key_free(live: Shop) -> None:
    bank, alice = two_wallets(live)
    key = str(uuid4())
    refused = send(live, "POST", f"{POSTINGS}?dry_run=true", {"lines": lines(alice, bank, 1_001)}, key=key)
    problem(refused, 422, "insufficient_funds", "lines.0")
    ok(post(live, {"lines": lines(alice, bank, 1_000)}, key=key))
    problem(send(live, "POST", f"{POSTINGS}?dry_run=yes", {"lines": lines(alice, bank, 1)}), 422, "invalid_request")


def test_a_transfer_has_conditions_a_reference_and_a_dry_run_too(live: Shop) -> None:
    bank, alice = two_wallets(live)
    body = {"source": alice, "destination": bank, "amount_minor": 100, "currency": "EUR", "reference": "t"}
    tried = ok(send(live, "POST", "/v1/transfers?dry_run=true", body))
    assert (tried["dry_run"], tried["source_posted_after"]) == (True, -900)
    assert numbers(live, alice)[0] == 1_000
    strict = {**body, "conditions": [{"wallet": alice, "at_least_minor": 1_001}]}
    problem(send(live, "POST", "/v1/transfers", strict), 422, "condition_not_met")
    ok(send(live, "POST", "/v1/transfers", body))
    problem(send(live, "POST", "/v1/transfers", body), 422, "reference_taken", "reference")


def test_a_posting_is_taken_back_once_and_both_know_each_other(live: Shop) -> None:
    bank, alice = two_wallets(live, 0)
    original = ok(post(live, {"lines": lines(bank, alice, 300)}))["posting_id"]
    key = str(uuid4())
    path = f"{POSTINGS}/{original}/revert"
    first = send(live, "POST", path, {"reference": "back"}, key=key)
    reversal = ok(first)
    assert (reversal["reverts"], [line["amount_minor"] for line in reversal["lines"]]) == (original, [-300, 300])
    assert_same_again(live, "POST", path, {"reference": "back"}, key, first)
    problem(send(live, "POST", path, {}), 422, "already_reverted")
    shown, back = (ok(send(live, "GET", f"{POSTINGS}/{each}")) for each in (original, reversal["posting_id"]))
    assert (shown["state"], shown["reversals"]) == ("reverted", [reversal["posting_id"]])
    assert (back["reverts"], back["rule"], back["reference"]) == (original, "reversal", "back")
    assert numbers(live, alice) == (0, 0, 0)


def test_a_posting_of_two_lines_is_taken_back_in_parts_up_to_the_whole(live: Shop) -> None:
    bank, alice = two_wallets(live, 0)
    original = ok(post(live, {"lines": lines(bank, alice, 300)}))["posting_id"]
    path = f"{POSTINGS}/{original}/revert"
    ok(send(live, "POST", path, {"amount_minor": 100}))
    shown = ok(send(live, "GET", f"{POSTINGS}/{original}"))
    assert (shown["state"], [line["reverted_minor"] for line in shown["lines"]]) == ("partially_reverted", [100, -100])
    problem(send(live, "POST", path, {"amount_minor": 201}), 422, "reversal_exceeds_posting")
    tried = ok(send(live, "POST", f"{path}?dry_run=true", {}))
    assert [line["amount_minor"] for line in tried["lines"]] == [-200, 200]
    ok(send(live, "POST", path, {}))
    assert numbers(live, alice)[0] == 0


def test_a_reversal_is_effective_now_or_when_its_posting_was(live: Shop) -> None:
    bank, alice = two_wallets(live, 0)
    earlier = datetime.now(UTC) - timedelta(days=3)
    made = [ok(post(live, {"lines": lines(bank, alice, 1), "effective_at": earlier.isoformat()})) for _ in range(2)]
    for posting, at_effective_date in zip(made, (True, False), strict=True):
        asked = {"at_effective_date": at_effective_date}
        back = ok(send(live, "POST", f"{POSTINGS}/{posting['posting_id']}/revert", asked))
        shown = ok(send(live, "GET", f"{POSTINGS}/{back['posting_id']}"))
        assert (datetime.fromisoformat(shown["effective_at"]) == earlier) is at_effective_date


def test_what_is_not_there_or_moved_nothing_cannot_be_taken_back(live: Shop) -> None:
    problem(send(live, "POST", f"{POSTINGS}/{uuid4()}/revert", {}), 404, "not_found")
    bank, alice = two_wallets(live, 0)
    hold = ok(send(live, "POST", "/v1/holds", {"lines": lines(bank, alice, 1)}))["hold_id"]
    problem(send(live, "POST", f"{POSTINGS}/{hold}/revert", {}), 422, "nothing_to_revert")


def test_notes_on_a_posting_change_and_keep_their_history(live: Shop) -> None:
    bank, alice = two_wallets(live, 0)
    posting = ok(post(live, {"lines": lines(bank, alice, 1), "metadata": {"a": "1", "b": "2"}}))["posting_id"]
    key, body = str(uuid4()), {"metadata": {"a": "3", "b": None}}
    path = f"{POSTINGS}/{posting}/metadata"
    first = send(live, "PATCH", path, body, key=key)
    assert ok(first)["posting_id"] == posting
    assert_same_again(live, "PATCH", path, body, key, first)
    shown = ok(send(live, "GET", f"{POSTINGS}/{posting}"))
    assert shown["metadata"] == {"a": "3"}
    assert [(one["version"], one["changes"]) for one in shown["metadata_history"]] == [(2, {"a": "3", "b": None})]
    problem(send(live, "PATCH", path, {"metadata": {}}), 422, "invalid_request", "metadata")


@pytest.mark.parametrize(("size", "status"), [(256, 422), (900_000, 422), (1_000_000, 413)])
def test_metadata_that_is_too_large_is_refused_by_name_changes_nothing_and_leaves_the_key_free(
    live: Shop, size: int, status: int
) -> None:
    bank, alice = two_wallets(live, 0)
    before, key = written(live), str(uuid4())
    refused = post(live, {"lines": lines(bank, alice, 1), "metadata": {"note": "x" * size}}, key=key)
    assert refused.status_code == status, refused.text[:200]
    fields = [error["field"] for error in refused.get_json(force=True)["errors"]]
    assert fields == (["metadata.note"] if status == 422 else ["body"])
    assert written(live) == before
    ok(post(live, {"lines": lines(bank, alice, 1), "metadata": {"note": "short"}}, key=key))


def test_an_account_outside_the_chart_and_another_books_wallet_take_no_part(live: Shop) -> None:
    bank, _ = two_wallets(live, 0)
    theirs = open_wallet(live, "wallet:alice", "foreign")
    before = written(live)
    problem(post(live, {"lines": lines(bank, "savings:alice", 1)}), 422, "unknown_account", "lines.1.wallet")
    assert written(live) == before
    problem(post(live, {"lines": lines(bank, theirs, 1)}), 404, "unknown_wallet", "lines.1")
    problem(post(live, {"lines": lines(bank, "wallet:nobody", 1)}), 404, "unknown_wallet", "lines.1")


def test_another_books_posting_is_not_there_and_a_merchant_sees_its_own_lines_only(live: Shop) -> None:
    bank, alice = two_wallets(live, 0)
    mine = open_wallet(live, "merchant:00000000-0000-0000-0000-00000000aaaa:available")
    shared = ok(post(live, {"lines": [*lines(bank, alice, 3), *lines(bank, mine, 4)], "metadata": {"n": "secret"}}))
    alien = ok(post(live, {"lines": lines(bank, alice, 3)}))
    seen = ok(send(live, "GET", f"{POSTINGS}/{shared['posting_id']}", role="merchant"))
    assert [(line["wallet_id"], line["amount_minor"]) for line in seen["lines"]] == [(mine, -4)]
    assert seen["metadata"] == {}
    problem(send(live, "GET", f"{POSTINGS}/{alien['posting_id']}", role="merchant"), 404, "not_found")
    for method, path, body in (
        ("GET", "", None), ("POST", "/revert", {}), ("PATCH", "/metadata", {"metadata": {"a": "b"}}),
    ):  # fmt: skip
        found = send(live, method, f"{POSTINGS}/{alien['posting_id']}{path}", body, role="foreign")
        problem(found, 404, "not_found")
