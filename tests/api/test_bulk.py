"""Bulk over HTTP: many requests in one, each as if alone or all or none, and read as strictly as a single one."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.api.ledger import assert_same_again, lines, numbers, ok, open_wallet, problem, send, two_wallets, written
from tests.api.support import Shop

BULK = "/v1/bulk"


def transfer(source: str, destination: str, amount: int, **more: Any) -> dict[str, Any]:
    """An item that moves money."""
    return {
        "action": "transfer", "source": source, "destination": destination, "amount_minor": amount, "currency": "EUR",
        **more,
    }  # fmt: skip


def test_independent_items_succeed_and_fail_each_for_itself(live: Shop) -> None:
    bank, alice = two_wallets(live)
    items = [
        transfer(alice, bank, 600), transfer(alice, bank, 600), transfer(alice, bank, 400),
        transfer(alice, "wallet:nobody", 1),
    ]  # fmt: skip
    key = str(uuid4())
    answer = ok(send(live, "POST", BULK, {"items": items}, key=key))
    assert [item["status"] for item in answer["items"]] == ["posted", "refused", "posted", "refused"]
    assert [item.get("code") for item in answer["items"]] == [None, "insufficient_funds", None, "unknown_wallet"]
    assert [item["index"] for item in answer["items"]] == [0, 1, 2, 3]
    assert answer["items"][2]["key"] == f"{key}/2"
    assert (answer["succeeded"], answer["failed"]) == (2, 2)
    assert numbers(live, alice) == (0, 0, 0)
    posting = ok(send(live, "GET", f"/v1/postings/{answer['items'][0]['posting_id']}"))
    assert [line["amount_minor"] for line in posting["lines"]] == [600, -600]


def test_of_an_atomic_bulk_all_items_happen_or_none(live: Shop) -> None:
    bank, alice = two_wallets(live)
    before = numbers(live, alice)
    wrong = {"atomic": True, "items": [transfer(alice, bank, 600), transfer(alice, bank, 600)]}
    problem(send(live, "POST", BULK, wrong), 422, "insufficient_funds", "items.1")
    assert numbers(live, alice) == before
    right = {"atomic": True, "items": [transfer(alice, bank, 600), transfer(bank, alice, 200)]}
    assert ok(send(live, "POST", BULK, right))["succeeded"] == 2
    assert numbers(live, alice) == (600, 0, 600)


@pytest.mark.parametrize("atomic", [True, False])
def test_a_bulk_is_applied_once_per_key_and_answered_alike(live: Shop, atomic: bool) -> None:
    bank, alice = two_wallets(live)
    body = {"atomic": atomic, "items": [transfer(alice, bank, 1, key=f"k{number}") for number in range(3)]}
    key = str(uuid4())
    first = send(live, "POST", BULK, body, key=key)
    assert ok(first)["succeeded"] == 3
    assert_same_again(live, "POST", BULK, body, key, first)
    other_key = ok(send(live, "POST", BULK, body))
    assert [item["replayed"] for item in other_key["items"]] == [True, True, True]
    assert numbers(live, alice)[0] == 997
    problem(send(live, "POST", BULK, {"items": [transfer(alice, bank, 9)]}, key=key), 422, "key_reused")


def test_a_bulk_mixes_all_actions_in_order(live: Shop) -> None:
    bank, alice = two_wallets(live)
    hold = ok(send(live, "POST", "/v1/holds", {"lines": lines(alice, bank, 100)}))["hold_id"]
    ended = ok(send(live, "POST", "/v1/holds", {"lines": lines(alice, bank, 50)}))["hold_id"]
    posting = ok(send(live, "POST", "/v1/postings", {"lines": lines(bank, alice, 70)}))["posting_id"]
    named = {"wallet": "wallet:bob", "currency": "EUR"}
    items = [
        {"action": "open_wallet", "address": "wallet:bob", "currency": "EUR"},
        transfer(bank, "wallet:bob", 10),
        {"action": "posting", "lines": lines(bank, "wallet:bob", 5), "reference": "p", "metadata": {"a": "b"}},
        {"action": "hold", "lines": lines("wallet:bob", bank, 15)},
        {"action": "commit", "hold_id": hold, "amount_minor": 30},
        {"action": "void", "hold_id": ended},
        {"action": "revert", "posting_id": posting, "amount_minor": 7},
        {"action": "limit", **named, "overdraft_limit_minor": 3},
        {"action": "freeze", **named, "reason": "r"},
        {"action": "unfreeze", **named, "reason": "r"},
        {"action": "metadata", "target": "posting", "target_id": posting, "metadata": {"x": "y"}},
    ]
    answer = ok(send(live, "POST", BULK, {"atomic": True, "items": items}))
    assert [item["status"] for item in answer["items"]] == [
        "opened", "posted", "posted", "held", "committed", "voided", "reverted", "changed", "changed", "changed",
        "changed",
    ]  # fmt: skip
    assert numbers(live, "wallet:bob?currency=EUR") == (15, 15, 0)
    assert numbers(live, alice) == (1_000 + 70 - 30 - 7, 0, 1_033)
    assert ok(send(live, "GET", f"/v1/postings/{posting}"))["metadata"] == {"x": "y"}


def raw(shop: Shop, text: str) -> Any:
    """A body as bytes."""
    headers = shop.headers(Idempotency_Key=str(uuid4()), Content_Type="application/json")
    return shop.client().post(BULK, data=text.encode(), headers=headers)


ITEM = transfer("wallet:a", "wallet:b", 1)


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({**ITEM, "amount_minor": 1.0}, "items.1.amount_minor"),
        ({**ITEM, "amount_minor": True}, "items.1.amount_minor"),
        ({**ITEM, "amount_minor": 0}, "items.1.amount_minor"), ({**ITEM, "extra": 1}, "items.1"),
        ({**ITEM, "action": "steal"}, "items.1.action"), ({"action": "transfer"}, "items.1"), (7, "items.1"),
        ({**ITEM, "metadata": {"n": "x" * 256}}, "items.1.metadata"), ({**ITEM, "source": "cash"}, "items.1.source"),
        ({**ITEM, "source": "savings:x"}, "items.1.source"),
        ({**ITEM, "effective_at": "2026-01-01"}, "items.1.effective_at"),
        ({**ITEM, "metadata": {"n": "4111 1111 1111 1111"}}, "items.1.metadata.n"),
        ({**ITEM, "metadata": {"n": "a\u0000b"}}, "items.1.metadata.n"),
        ({**ITEM, "metadata": {"n": "a\u007fb"}}, "items.1.metadata.n"),
        ({"action": "posting", "lines": lines("wallet:a", "bank:x", 1)}, "items.1.lines.1.wallet"),
    ],
)  # fmt: skip
def test_an_item_that_makes_no_sense_is_named_and_nothing_of_the_bulk_happens(
    live: Shop, item: Any, field: str
) -> None:
    two_wallets(live, 0)
    before = written(live)
    good = transfer("bank:main:cash", "wallet:alice", 1)
    answer = raw(live, json.dumps({"items": [good, item]}))
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.get_json(force=True)["errors"]] == [field]
    assert written(live) == before


def test_a_body_of_a_bulk_is_read_as_strictly_as_any_other(live: Shop) -> None:
    twice = '{"items": [], "items": []}'
    assert raw(live, twice).get_json(force=True)["code"] == "malformed_json"
    inside = f'{{"items": [{json.dumps(ITEM)[:-1]}, "source": "wallet:c"}}]}}'
    assert raw(live, inside).get_json(force=True)["code"] == "malformed_json"
    assert raw(live, "").status_code == 400
    for items in ([], [ITEM] * 1_001):
        problem(send(live, "POST", BULK, {"items": items}), 422, "invalid_request", "items")
    headers = live.headers(Idempotency_Key=str(uuid4()))
    assert live.client().post(BULK, data="x", headers=headers).status_code == 415
    unbalanced = {"action": "posting", "lines": lines("wallet:a", "wallet:b", 1)[:1]}
    problem(send(live, "POST", BULK, {"items": [unbalanced]}), 422, "posting_unbalanced")


def test_large_amounts_and_ids_are_no_card_numbers(live: Shop) -> None:
    bank, alice = two_wallets(live, 0)
    item = transfer(bank, alice, 378_282_246_310_005, metadata={"trace": "4111"})
    assert ok(send(live, "POST", BULK, {"items": [item]}))["succeeded"] == 1


def test_what_is_too_long_for_the_engine_is_told_so_and_nothing_happens(live: Shop) -> None:
    before = written(live)
    many = [*lines("wallet:a", "wallet:b", 1)] * 490
    body = {"items": [{"action": "posting", "lines": many}] * 16}
    text = json.dumps(body, separators=(",", ":"))
    assert len(text) < 1_000_000
    answer = raw(live, text)
    problem(answer, 413, "body_too_large", "items")
    assert written(live) == before


def test_a_bulk_with_more_lines_than_its_answer_can_show_is_applied_all_the_same(live: Shop) -> None:
    for name, limit in (("a", None), ("b", 0)):
        open_wallet(live, f"wallet:{name}", overdraft_limit_minor=limit)
    body = {"items": [{"action": "posting", "lines": [*lines("wallet:a", "wallet:b", 1)] * 490}] * 12}
    answer = ok(raw(live, json.dumps(body, separators=(",", ":"))))
    assert (answer["succeeded"], "lines" in answer["items"][0]) == (12, False)
    assert numbers(live, "wallet:b?currency=EUR")[0] == 12 * 490


def test_another_books_wallets_and_postings_take_no_part_in_a_bulk(live: Shop) -> None:
    bank, alice = two_wallets(live)
    theirs = open_wallet(live, "wallet:alice", "foreign")
    posting = ok(send(live, "POST", "/v1/postings", {"lines": lines(bank, alice, 1)}))["posting_id"]
    hold = ok(send(live, "POST", "/v1/holds", {"lines": lines(alice, bank, 1)}))["hold_id"]
    items = [
        transfer(theirs, alice, 1), {"action": "revert", "posting_id": posting}, {"action": "void", "hold_id": hold},
        {"action": "freeze", "wallet": alice, "reason": "r"},
        {"action": "metadata", "target": "wallet", "target_id": alice, "metadata": {"a": "b"}},
    ]  # fmt: skip
    answer = ok(send(live, "POST", BULK, {"items": items}, role="foreign"))
    codes = [item["code"] for item in answer["items"]]
    assert codes == ["unknown_wallet", "unknown_posting", "unknown_posting", "unknown_wallet", "unknown_wallet"]
    assert numbers(live, alice) == (1_001, 1, 1_000)


def test_the_description_names_every_action(live: Shop) -> None:
    spec = live.client().get("/openapi.json").get_json()
    schemas = spec["components"]["schemas"]
    actions = schemas["BulkBody"]["properties"]["items"]["items"]["discriminator"]["mapping"]
    assert set(actions) == {
        "transfer", "posting", "hold", "commit", "void", "revert", "open_wallet", "freeze", "unfreeze", "close",
        "reopen", "limit", "metadata",
    }  # fmt: skip
    assert all(reference.rpartition("/")[2] in schemas for reference in actions.values())
    body = spec["paths"][BULK]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/BulkBody"}
