"""Adjustments over HTTP: proposed with one key, approved with another, posted as a fact."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.api.ledger import assert_same_again, ok, problem, send, written
from tests.api.support import Shop

ADJUSTMENTS = "/v1/adjustments"
PROPOSAL: dict[str, Any] = {
    "lines": [
        {"address": "exp:writeoff", "currency": "EUR", "amount_minor": 500},
        {"address": "suspense:psp", "currency": "EUR", "amount_minor": -500},
    ],
    "reason": "written off after the audit",
}


def propose(shop: Shop, role: str = "operator", **changes: Any) -> str:
    """The address of a proposal made now."""
    key = str(uuid4())
    assert ok(send(shop, "POST", ADJUSTMENTS, {**PROPOSAL, **changes}, key=key, role=role))["adjustment_id"] == key
    return f"{ADJUSTMENTS}/{key}"


def test_an_adjustment_is_posted_once_somebody_else_has_approved_it(live: Shop) -> None:
    path = propose(live)
    problem(send(live, "POST", f"{path}/approve", role="operator"), 422, "self_approval", "approved_by")
    proposed = ok(send(live, "GET", path, role="auditor"))
    assert (proposed["state"], proposed["posting_id"]) == ("proposed", None)
    approved = ok(send(live, "POST", f"{path}/approve", role="admin"))
    assert approved["state"] == "approved"
    assert approved["decided_by"] != approved["proposed_by"]
    posting = f"/v1/postings/{approved['posting_id']}"
    for _ in range(200):
        if send(live, "GET", posting).status_code == 200:
            break
        threading.Event().wait(0.05)
    shown = ok(send(live, "GET", posting))
    assert [(line["address"], line["amount_minor"]) for line in shown["lines"]] == [
        ("exp:writeoff", 500), ("suspense:psp", -500),
    ]  # fmt: skip
    assert shown["metadata"]["adjustment_id"] == approved["adjustment_id"]
    problem(send(live, "POST", f"{posting}/revert", {}), 422, "fact_not_revertible")


def test_a_proposal_and_its_decision_are_made_once_and_answered_alike(shop: Shop) -> None:
    key = str(uuid4())
    first = send(shop, "POST", ADJUSTMENTS, PROPOSAL, key=key, role="operator")
    before = written(shop)
    again = send(shop, "POST", ADJUSTMENTS, PROPOSAL, key=key, role="operator")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert (again.get_json(), written(shop)) == (first.get_json(), before)
    for other, role in (({**PROPOSAL, "reason": "another"}, "operator"), (PROPOSAL, "admin")):
        problem(send(shop, "POST", ADJUSTMENTS, other, key=key, role=role), 422, "key_reused")
    path = f"{ADJUSTMENTS}/{key}"
    approved = send(shop, "POST", f"{path}/approve")
    assert ok(approved)["state"] == "approved"
    assert_same_again(shop, "POST", f"{path}/approve", None, str(uuid4()), approved)
    problem(send(shop, "POST", f"{path}/reject", {"reason": "late"}), 422, "adjustment_already_decided")


def test_a_rejected_adjustment_says_why_and_is_never_approved(shop: Shop) -> None:
    path = propose(shop)
    rejected = send(shop, "POST", f"{path}/reject", {"reason": "not ours"}, role="operator")
    assert ok(rejected)["rejection_reason"] == "not ours"
    again = send(shop, "POST", f"{path}/reject", {"reason": "not ours"}, role="operator")
    assert (again.get_json(), again.headers["Idempotent-Replayed"]) == (rejected.get_json(), "true")
    problem(send(shop, "POST", f"{path}/approve"), 422, "adjustment_already_decided")


def test_an_adjustment_into_a_closed_period_is_neither_proposed_nor_approved(live: Shop) -> None:
    day = datetime.now(UTC) - timedelta(days=2)
    early = propose(live, effective_at=day.isoformat())
    ok(send(live, "POST", "/v1/periods/close", {"through": day.date().isoformat()}))
    problem(send(live, "POST", f"{early}/approve"), 422, "period_closed", "effective_at")
    assert ok(send(live, "GET", early))["state"] == "proposed"
    late = {**PROPOSAL, "effective_at": day.isoformat()}
    problem(send(live, "POST", ADJUSTMENTS, late), 422, "period_closed", "effective_at")


def test_an_adjustment_of_the_future_waits_for_it(shop: Shop) -> None:
    path = propose(shop, effective_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    problem(send(shop, "POST", f"{path}/approve"), 422, "effective_in_future", "effective_at")


def test_a_proposal_that_makes_no_sense_is_refused_by_field_and_leaves_the_key_free(shop: Shop) -> None:
    key, before = str(uuid4()), written(shop)
    unbalanced = {**PROPOSAL, "lines": PROPOSAL["lines"][:1]}
    problem(send(shop, "POST", ADJUSTMENTS, unbalanced, key=key), 422, "posting_unbalanced", "lines")
    wrong = [{**line, "address": "cash"} for line in PROPOSAL["lines"]]
    problem(send(shop, "POST", ADJUSTMENTS, {**PROPOSAL, "lines": wrong}, key=key), 422, "unknown_account", "address")
    problem(send(shop, "POST", ADJUSTMENTS, {**PROPOSAL, "reason": " "}, key=key), 422, "reason_missing", "reason")
    assert written(shop) == before
    ok(send(shop, "POST", ADJUSTMENTS, PROPOSAL, key=key))


def test_an_adjustment_of_another_book_is_not_there_and_merchants_have_none(shop: Shop) -> None:
    path = propose(shop)
    problem(send(shop, "GET", path, role="foreign"), 404, "not_found")
    problem(send(shop, "POST", f"{path}/approve", role="foreign"), 404, "not_found")
    problem(send(shop, "POST", f"{path}/reject", {"reason": "r"}, role="foreign"), 404, "not_found")
    problem(send(shop, "GET", path, role="merchant"), 403, "forbidden")
    problem(send(shop, "GET", f"{ADJUSTMENTS}/x"), 404, "not_found")
