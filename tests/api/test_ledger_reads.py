"""Reads of the ledger over HTTP: numbers at any moment, statements, lists; by whom, and what is refused."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

import api.moments
from tests.api.ledger import lines, ok, open_wallet, problem, send
from tests.api.reading import Reading
from tests.api.support import MERCHANT

YESTERDAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
def stocked(reading: Reading) -> Reading:
    """Alice has 1,000 of today and 200 of yesterday; a merchant has 70."""
    for address in ("wallet:alice", f"merchant:{MERCHANT}:available"):
        open_wallet(reading.shop, address)
    open_wallet(reading.shop, "bank:main:cash", overdraft_limit_minor=None)
    reading.post("bank:main:cash", "wallet:alice", 1_000, metadata={"invoice": "9"}, reference="top-up-1")
    reading.post("bank:main:cash", "wallet:alice", 200, effective_at=YESTERDAY.isoformat())
    reading.post("bank:main:cash", f"merchant:{MERCHANT}:available", 70, metadata={"secret": "1"})
    reading.machine.catch_up()
    return reading


def test_a_balance_is_answered_now_as_of_a_position_and_at_an_effective_moment(stocked: Reading) -> None:
    alice = "/wallets/wallet:alice/balance?currency=EUR"
    now = ok(stocked.get(alice))
    assert (now["posted_minor"], now["available_minor"], now["account_kind"]) == (1_200, 1_200, "liability")
    (last, first) = ok(stocked.get("/wallets/wallet:alice/entries?currency=EUR"))["items"]
    then = ok(stocked.get(f"{alice}&as_of={first['position']}"))
    assert (then["posted_minor"], int(then["as_of"]) >> 20) == (1_000, int(first["position"]) >> 20)
    true = ok(stocked.get(f"{alice}&effective_at={YESTERDAY.strftime('%Y-%m-%dT%H:%M:%SZ')}"))
    assert (true["posted_minor"], "held_minor" in true) == (200, False)
    both = f"{alice}&effective_at={YESTERDAY.strftime('%Y-%m-%dT%H:%M:%SZ')}&as_of={first['position']}"
    assert ok(stocked.get(both))["posted_minor"] == 0
    assert last["amount_minor"] == 200


def test_balances_and_volumes_are_summed_by_pattern_and_group(stocked: Reading) -> None:
    rows = ok(stocked.get("/balances?address=merchant:*:available&group_by=segment.2"))["items"]
    assert [(row["group"], row["posted_minor"], row["wallets"]) for row in rows] == [({"segment.2": MERCHANT}, 70, 1)]
    found = ok(stocked.get("/balances"))
    assert {(row["account_kind"], row["posted_minor"]) for row in found["items"]} == {
        ("asset", 1_270),
        ("liability", 1_270),
    }
    day = YESTERDAY.strftime("%Y-%m-%dT00:00:00Z")
    (row,) = ok(stocked.get(f"/volumes?kind=asset&effective_from={day}&effective_to={YESTERDAY:%Y-%m-%d}T23:00:00Z"))[
        "items"
    ]
    assert (row["debit_minor"], row["credit_minor"], row["entries"]) == (200, 0, 1)
    (row,) = ok(stocked.get("/volumes?kind=asset&recorded_from=0"))["items"]
    assert (row["debit_minor"], row["entries"]) == (1_270, 3)


def test_a_statement_ties_as_json_page_by_page_and_as_csv(stocked: Reading) -> None:
    path = "/wallets/wallet:alice/statement?currency=EUR"
    first = ok(stocked.get(f"{path}&limit=1"))
    second = ok(stocked.get(f"{path}&limit=1&cursor={first['next_cursor']}"))
    assert [entry["amount_minor"] for page in (first, second) for entry in page["entries"]] == [200, 1_000]
    assert (first["opening_minor"], second["closing_minor"], second["next_cursor"]) == (0, 1_200, None)
    for asked in (stocked.get(f"{path}&format=csv"), stocked.get(path, Accept="text/csv")):
        assert asked.content_type.startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(asked.text)))
        assert [row["kind"] for row in rows] == ["opening", "entry", "entry", "closing"]
        assert [row["balance_minor"] for row in rows] == ["0", "200", "1200", "1200"]
    recorded = ok(stocked.get(f"{path}&recorded_from={first['entries'][0]['position']}"))
    assert (recorded["opening_minor"], recorded["entries"]) == (1_200, [])


def test_lists_find_what_callers_know(stocked: Reading) -> None:
    assert [row["address"] for row in ok(stocked.get("/wallets?address=wallet:**&balance_from=1"))["items"]] == [
        "wallet:alice"
    ]
    assert ok(stocked.get("/wallets?balance_below=-5"))["items"] == []
    (posting,) = ok(stocked.get("/postings?metadata.invoice=9&wallet=wallet:alice&currency=EUR"))["items"]
    assert (posting["reference"], posting["state"], posting["refusal_code"]) == ("top-up-1", "recorded", None)
    assert ok(stocked.get("/postings?reference=top-up-1&rule=posting"))["items"] == [posting]
    entries = ok(stocked.get("/wallets/wallet:alice/entries?currency=EUR&min_amount_minor=500"))["items"]
    assert [entry["amount_minor"] for entry in entries] == [1_000]
    hold = {"lines": lines("wallet:alice", "bank:main:cash", 300)}
    held = ok(send(stocked.shop, "POST", "/v1/holds", hold))
    monitor = {"wallet": "wallet:alice", "currency": "EUR", "measure": "available", "threshold_minor": 1_000}
    ok(send(stocked.shop, "POST", "/v1/monitors", monitor))
    proposal = {
        "lines": [
            {"address": "exp:writeoff", "currency": "EUR", "amount_minor": 1},
            {"address": "bank:main:cash", "currency": "EUR", "amount_minor": -1},
        ],
        "reason": "lost",
    }
    ok(send(stocked.shop, "POST", "/v1/adjustments", proposal))
    stocked.machine.catch_up()
    (open_hold,) = ok(stocked.get("/holds?open=true"))["items"]
    assert open_hold["hold_id"] == held["hold_id"]
    assert [line["remaining_minor"] for line in open_hold["lines"]] == [300, -300]
    assert [row["measure"] for row in ok(stocked.get("/monitors?removed=false"))["items"]] == ["available"]
    assert [row["reason"] for row in ok(stocked.get("/adjustments?state=proposed"))["items"]] == ["lost"]


def test_neither_books_nor_merchants_leak(stocked: Reading) -> None:
    for path in ("/wallets", "/postings", "/balances", "/volumes"):
        assert ok(stocked.get(path, "foreign"))["items"] == [], path
    own = f"merchant:{MERCHANT}:available"
    assert [row["address"] for row in ok(stocked.get("/wallets", "merchant"))["items"]] == [own]
    assert [row["posted_minor"] for row in ok(stocked.get("/balances", "merchant"))["items"]] == [70]
    (posting,) = ok(stocked.get("/postings", "merchant"))["items"]
    assert ([line["address"] for line in posting["lines"]], posting["metadata"]) == ([own], {})
    for tail in ("balance", "statement", "statement?format=csv"):
        mark = "&" if "?" in tail else "?"
        problem(stocked.get(f"/wallets/wallet:alice/{tail}{mark}currency=EUR", "merchant"), 404, "not_found")
        problem(stocked.get(f"/wallets/{uuid4()}/{tail}"), 404, "not_found")


UNANSWERABLE = [
    ("/balances?address=savings:*", "unknown_pattern", "address"),
    ("/balances?address=wallet:**:x", "unknown_pattern", "address"),
    ("/balances?group_by=colour", "group_unknown", "group_by"),
    ("/balances?kind=equity", "invalid_request", "kind"),
    ("/balances?as_of=yesterday", "invalid_request", "as_of"),
    ("/balances?as_of=9223372036854775807", "moment_not_reached", "as_of"),
    ("/balances?as_of=9999999999999999999", "invalid_request", "as_of"),
    ("/balances?as_of=2999-01-01T00:00:00Z", "moment_not_reached", "as_of"),
    ("/balances?as_of=1&as_of=2026-01-01T00:00:00Z", "invalid_request", "as_of"),
    ("/balances?effective_at=2026-01-01", "invalid_request", "effective_at"),
    ("/balances?effective_at=0001-01-01T00:00:00%2B10:00", "invalid_request", "effective_at"),
    ("/balances?metadata=x", "invalid_request", "metadata"),
    ("/balances?frozen=yes", "invalid_request", "frozen"),
    ("/balances?cursor=bm9uc2Vuc2U", "cursor_unreadable", "cursor"),
    ("/volumes?recorded_from=0&effective_from=2026-01-01T00:00:00Z", "invalid_request", "recorded_from"),
    (
        "/volumes?effective_from=2026-01-02T00:00:00Z&effective_to=2026-01-01T00:00:00Z",
        "invalid_request",
        "effective_to",
    ),
    ("/volumes?recorded_from=2999-01-01T00:00:00Z", "moment_not_reached", "recorded_from"),
    ("/wallets?balance_from=1.5", "invalid_request", "balance_from"),
    ("/wallets/wallet:alice/balance", "invalid_request", "currency"),
    ("/wallets/wallet:alice/statement?currency=EUR&format=pdf", "invalid_request", "format"),
    ("/wallets/wallet:alice/statement?currency=EUR&cursor=bm9uc2Vuc2U", "cursor_unreadable", "cursor"),
    ("/wallets/wallet:alice/entries?currency=EUR&min_amount_minor=x", "invalid_request", "min_amount_minor"),
    ("/postings?state=lost", "invalid_request", "state"),
    ("/postings?wallet=wallet:alice", "invalid_request", "currency"),
    ("/postings?metadata.a%20b=1", "invalid_request", "metadata.a b (a key)"),
    ("/postings?colour=red", "invalid_request", "colour"),
    ("/holds?expires_before=soon", "invalid_request", "expires_before"),
    ("/monitors?side=left", "invalid_request", "side"),
    ("/adjustments?state=done", "invalid_request", "state"),
]


def test_a_question_that_cannot_be_answered_is_refused_by_field(reading: Reading) -> None:
    for path, code, field in UNANSWERABLE:
        problem(reading.get(path), 422, code, field)


def test_a_page_waits_for_its_view_and_says_when_it_does_not_come(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.moments, "WAIT_S", 0.1)
    problem(reading.get(f"/postings?at_least={2**60}"), 503, "view_behind")
