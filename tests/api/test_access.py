"""Who may call what: keys, roles, ownership, and the description of every route."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg_pool import ConnectionPool
from werkzeug.routing import Rule

import api.auth
from api.access import ACCESS, PUBLIC
from api.auth import ROLES, Authenticator, InvalidApiKeyError, MemoryApiKeys, PostgresApiKeys, create_key
from api.problem import PROBLEM_TYPE
from eventlog.errors import LogUnavailable
from tests.api.support import Shop

ADDRESS = {
    "order_id": str(uuid4()), "wallet": "wallet:alice", "posting_id": str(uuid4()), "hold_id": str(uuid4()),
    "monitor_id": str(uuid4()), "adjustment_id": str(uuid4()),
    "replay_id": str(uuid4()),
}  # fmt: skip

LISTS = {
    "balances.index", "balances.volumes", "statements.index", "statements.balance", "statements.statement",
    "ledger_lists.postings", "ledger_lists.holds", "ledger_lists.monitors", "explanations.wallet", "explanations.order",
    "order_events.follow",
}  # fmt: skip

# Written out a second time on purpose: a change of the table must be meant.
ALLOWED = {
    "merchant": {
        "wallets.show", "wallets.entries", "payment_orders.create", "payment_orders.show", "payment_orders.index",
        "payment_orders.capture", "payment_orders.cancel", "postings.show", "holds.show", "monitors.show",
        *LISTS,
    },
    "auditor": {
        "wallets.show", "wallets.entries", "payment_orders.show", "payment_orders.index", "events.index",
        "postings.show", "holds.show", "monitors.show", "periods.show", "adjustments.show",
        "ledger_lists.adjustments", "rails.index", "replays.index", "replays.show", *LISTS,
    },
    "operator": set(ACCESS),
    "admin": set(ACCESS),
}  # fmt: skip


def method_of(rule: Rule) -> str:
    """The one method of a route, besides those that every route has."""
    (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
    return method


def routes(shop: Shop) -> dict[str, tuple[str, str]]:
    """Method and address of every endpoint."""
    found = {}
    for rule in shop.app.url_map.iter_rules():
        method = method_of(rule)
        found[rule.endpoint] = (
            method,
            shop.app.url_map.bind("localhost").build(rule.endpoint, {a: ADDRESS[a] for a in rule.arguments}),
        )
    return found


def test_every_endpoint_is_in_the_table_or_public(shop: Shop) -> None:
    assert set(routes(shop)) == set(ACCESS) | PUBLIC


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reaches_exactly_its_endpoints(shop: Shop, role: str) -> None:
    client = shop.client()
    for endpoint, (method, address) in routes(shop).items():
        if endpoint in PUBLIC:
            continue
        status = client.open(address, method=method, headers=shop.headers(role)).status_code
        assert (status != 403) == (endpoint in ALLOWED[role]), f"{role} {endpoint}: {status}"


def test_without_a_key_only_public_endpoints_answer(shop: Shop) -> None:
    client = shop.client()
    for endpoint, (method, address) in routes(shop).items():
        answer = client.open(address, method=method)
        assert (answer.status_code == 401) == (endpoint not in PUBLIC), endpoint
        if answer.status_code == 401:
            assert answer.content_type == PROBLEM_TYPE
            assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Basic abc", f"Bearer dbk_test_{'A' * 43}", "Bearer dbk_test_é"]
)
def test_a_bad_key_is_401(shop: Shop, header: str) -> None:
    assert shop.client().get("/v1/payment-orders", headers={"Authorization": header}).status_code == 401


class SetClock:
    """A clock a test moves."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


def test_a_key_is_kept_as_its_hash_only_and_ends_when_it_expires() -> None:
    keys, clock = MemoryApiKeys(), SetClock()
    text = create_key(keys, book=1, role="operator", at=clock.at, life=timedelta(hours=1))
    assert len(text) == len("dbk_test_") + 43
    kept = keys.find(hashlib.sha256(text.encode()).digest())
    assert kept is not None
    assert text not in repr(kept)
    authenticator = Authenticator(keys, clock)
    assert authenticator.caller(f"Bearer {text}").book == 1
    clock.at += timedelta(hours=1)
    with pytest.raises(InvalidApiKeyError):
        authenticator.caller(f"Bearer {text}")


def test_a_revoked_key_is_refused_once_the_cache_has_forgotten_it() -> None:
    keys, clock = MemoryApiKeys(), SetClock()
    passed = [0.0]
    authenticator = Authenticator(keys, clock, monotonic=lambda: passed[0])
    header = f"Bearer {create_key(keys, book=1, role='admin', at=clock.at)}"
    key_id = authenticator.caller(header).key_id
    keys.revoke(key_id, clock.at)
    passed[0] = 6.0
    with pytest.raises(InvalidApiKeyError):
        authenticator.caller(header)


def test_a_merchants_key_must_name_its_merchant_and_others_must_not() -> None:
    keys, at = MemoryApiKeys(), datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="merchant_id"):
        create_key(keys, book=1, role="merchant", at=at)
    with pytest.raises(ValueError, match="merchant_id"):
        create_key(keys, book=1, role="admin", at=at, merchant_id="x")


def test_the_openapi_document_describes_every_route_and_problem_json(shop: Shop) -> None:
    spec = shop.client().get("/openapi.json").get_json()
    assert spec["openapi"] == "3.1.0"
    for rule in shop.app.url_map.iter_rules():
        if rule.endpoint.startswith("docs."):
            continue
        path = rule.rule.replace("<", "{").replace(">", "}")
        method = method_of(rule).lower()
        operation = spec["paths"][path][method]
        assert operation["summary"], path
        assert PROBLEM_TYPE in spec["components"]["responses"]["DEFAULT_ERROR"]["content"]
        assert "default" in operation["responses"], path
        if rule.endpoint in ("payment_orders.create", "transfers.create"):
            assert "Idempotency-Key" in [p["name"] for p in operation["parameters"]]


def test_the_documentation_page_needs_nothing_from_elsewhere(shop: Shop) -> None:
    client = shop.client()
    assert b'href="/docs"' in client.get("/").data
    page = client.get("/docs")
    assert b"/openapi.json" in page.data
    assert b"https://" not in page.data
    assert b"src=" not in page.data
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_probes_and_metrics_answer_by_route_without_ids(shop: Shop) -> None:
    client = shop.client()
    assert client.get("/healthz").get_json() == {"status": "ok"}
    assert client.get("/readyz").status_code == 200
    client.get(f"/v1/payment-orders/{ADDRESS['order_id']}", headers=shop.headers())
    text = client.get("/metrics").text
    assert 'daybook_http_requests_total{method="GET",route="/v1/payment-orders/<order_id>",status="404"} 1.0' in text
    assert ADDRESS["order_id"] not in text


def test_a_key_is_found_after_the_database_ended_every_session(database_url: str) -> None:
    with ConnectionPool(database_url, min_size=2, max_size=2, open=True) as pool:
        pool.wait()
        keys = PostgresApiKeys(pool)
        text = create_key(keys, book=1, role="admin", at=datetime.now(UTC))
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        found = keys.find(hashlib.sha256(text.encode()).digest())
    assert found is not None
    assert found.role == "admin"


def test_keys_that_cannot_be_read_are_no_failure_of_ours_but_a_reason_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.auth, "LOOK_UP_S_MAX", 0.05)
    with (
        ConnectionPool(f"host={tmp_path}", min_size=0, max_size=1, open=True) as pool,
        pytest.raises(LogUnavailable),
    ):
        PostgresApiKeys(pool).find(b"digest")
