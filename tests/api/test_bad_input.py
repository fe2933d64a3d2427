"""Bad input gets a clear error and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.api.support import OTHER_MERCHANT, Shop, close_shop, memory_shop

ORDERS = "/v1/payment-orders"
CARD = "4111 1111 1111 1111"
GOOD: dict[str, Any] = {"amount_minor": 1234, "currency": "EUR"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One for all of this file: what changes nothing needs no shop of its own."""
    shop = memory_shop(str(tmp_path_factory.mktemp("bad-input") / "no-engine.sock"))
    yield shop
    close_shop(shop)


def post(
    shop: Shop, body: Any, *, path: str = ORDERS, role: str = "admin", raw: bytes | None = None, key: str | None = None
) -> Any:
    headers = shop.headers(role, Idempotency_Key=key or str(uuid4()), Content_Type="application/json")
    return shop.client().post(path, data=raw if raw is not None else json.dumps(body).encode(), headers=headers)


def assert_problem(answer: Any, status: int, field: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    problem: dict[str, Any] = answer.get_json(force=True)
    assert problem["status"] == status
    assert {"type", "title", "detail", "code", "request_id", "retryable"} <= problem.keys()
    assert answer.headers["X-Request-Id"] == problem["request_id"]
    if field is not None:
        assert field in [error["field"] for error in problem["errors"]], problem
    return problem


BAD_BODIES = [
    pytest.param({"amount_minor": 12.34}, "amount_minor", id="a float"),
    pytest.param({"amount_minor": 12.0}, "amount_minor", id="a float without a fraction"),
    pytest.param({"amount_minor": "1234"}, "amount_minor", id="a number as text"),
    pytest.param({"amount_minor": "10.50", "currency": "JPY"}, "amount_minor", id="a wrong currency exponent"),
    pytest.param({"amount_minor": 1.2345, "currency": "KWD"}, "amount_minor", id="too many digits for the currency"),
    pytest.param({"amount_minor": True}, "amount_minor", id="a boolean"),
    pytest.param({"amount_minor": None}, "amount_minor", id="no amount"),
    pytest.param({"amount_minor": 0}, "amount_minor", id="zero"),
    pytest.param({"amount_minor": -1}, "amount_minor", id="negative"),
    pytest.param({"amount_minor": 10**15 + 1}, "amount_minor", id="huge"),
    pytest.param({"amount_minor": 10**30}, "amount_minor", id="beyond 64 bits"),
    pytest.param({"currency": "XXX"}, "currency", id="an unknown currency"),
    pytest.param({"currency": "eur"}, "currency", id="a currency in small letters"),
    pytest.param({"currency": 978}, "currency", id="a numeric currency"),
    pytest.param(
        {"splits": [{"seller_id": OTHER_MERCHANT, "amount_minor": 1000}]}, "splits", id="splits that do not sum"
    ),
    pytest.param(
        {"splits": [{"seller_id": OTHER_MERCHANT, "amount_minor": 1.5}]},
        "splits.0.amount_minor",
        id="a float in a split",
    ),
    pytest.param({"amount": 1}, "amount", id="an unknown field"),
    pytest.param({"merchant_id": "shop"}, "merchant_id", id="an id that is no UUID"),
    pytest.param({"capture_mode": "later"}, "capture_mode", id="an unknown capture mode"),
    pytest.param({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at", id="an expiry in the past"),
    pytest.param({"expires_at": "2090-01-01T00:00:00"}, "expires_at", id="a time without an offset"),
    pytest.param({"rail": "carrier-pigeon", "payment_token": "tok"}, "rail", id="an unknown rail"),
    pytest.param({"reference": "a\x00b"}, "reference", id="a control character"),
    pytest.param({"reference": "\ud800"}, "reference", id="half a surrogate pair"),
    pytest.param({"reference": ""}, "reference", id="an empty text"),
    pytest.param({"metadata": {"note": 7}}, "metadata.note", id="metadata that is no text"),
    pytest.param({"metadata": {"a b": "x"}}, "metadata.a b (a key)", id="a bad metadata key"),
]


@pytest.mark.parametrize(("change", "field"), BAD_BODIES)
def test_a_wrong_value_is_refused_by_name_and_nothing_is_written(
    shop: Shop, change: dict[str, Any], field: str
) -> None:
    before = shop.log.log_recorder.max_notification_id()
    assert_problem(post(shop, {**GOOD, **change}), 422, field)
    assert shop.log.log_recorder.max_notification_id() == before


CARD_PLACES = [
    ("reference", {"reference": CARD}),
    ("payment_token", {"payment_token": f"tok {CARD}"}),
    ("metadata.note", {"metadata": {"note": CARD}}),
    ("metadata (a key)", {"metadata": {"4111111111111111": "x"}}),
    ("splits.0.seller_id", {"splits": [{"seller_id": CARD, "amount_minor": 1234}]}),
    ("method", {"method": "4111111111111111"}),
    ("rail", {"rail": "4111111111111111"}),
    ("merchant_id", {"merchant_id": CARD}),
    ("currency", {"currency": CARD}),
    ("body (a key)", {"4111111111111111": 1}),
    ("capture_mode", {"capture_mode": CARD}),
    ("expires_at", {"expires_at": CARD}),
]


@pytest.mark.parametrize(("field", "change"), CARD_PLACES)
def test_a_card_number_in_any_text_field_is_refused_without_being_repeated(
    shop: Shop, field: str, change: dict[str, Any], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = post(shop, {**GOOD, **change})
    problem = assert_problem(answer, 422, field)
    assert problem["code"] == "card_number"
    everything = answer.text + caplog.text + "".join(capsys.readouterr())
    assert "1111" not in everything


MALFORMED = [
    pytest.param(b"{", id="cut off"),
    pytest.param(b"", id="empty"),
    pytest.param(b'{"amount_minor": 1, "amount_minor": 2, "currency": "EUR"}', id="a key twice"),
    pytest.param(b'{"metadata": {"a": "1", "a": "2"}}', id="a key twice further in"),
    pytest.param(b'{"amount_minor": NaN}', id="NaN"),
    pytest.param(b'{"amount_minor": -Infinity}', id="infinity"),
    pytest.param(b'{"reference": "\xff\xfe"}', id="invalid UTF-8"),
    pytest.param(b'{"amount_minor": ' + b"9" * 5000 + b"}", id="a number of five thousand digits"),
    pytest.param(b"[" * 100_000, id="deep nesting"),
    pytest.param(b"{} {}", id="two documents"),
]


@pytest.mark.parametrize("raw", MALFORMED)
def test_bytes_that_are_not_one_clear_json_document_are_refused_with_400(shop: Shop, raw: bytes) -> None:
    assert assert_problem(post(shop, None, raw=raw), 400)["code"] == "malformed_json"


def test_the_place_of_malformed_json_is_named(shop: Shop) -> None:
    assert "byte 15" in post(shop, None, raw=b'{"reference": "\xff"}').get_json(force=True)["detail"]
    assert "line 2, column 1" in post(shop, None, raw=b'{"a": 1,\n}').get_json(force=True)["detail"]
    twice = post(shop, None, raw=b'{"currency": "EUR", "currency": "USD"}').get_json(force=True)
    assert "'currency'" in twice["detail"]


def test_a_moderately_deep_document_is_refused_with_422(shop: Shop) -> None:
    assert_problem(post(shop, None, raw=b'{"metadata": ' + b'{"a":' * 12 + b"1" + b"}" * 13), 422)


def test_a_body_that_is_no_object_is_refused(shop: Shop) -> None:
    assert_problem(post(shop, [GOOD]), 422)


def test_a_body_of_two_megabytes_is_refused_with_413(shop: Shop) -> None:
    assert_problem(post(shop, {**GOOD, "reference": "x" * 2_000_000}), 413)


def test_another_media_type_is_refused_with_415(shop: Shop) -> None:
    headers = shop.headers(Idempotency_Key=str(uuid4()), Content_Type="text/plain")
    assert_problem(shop.client().post(ORDERS, data=b"{}", headers=headers), 415)


def test_an_unknown_address_is_404_and_a_wrong_method_405_with_allow(shop: Shop) -> None:
    assert_problem(shop.client().get("/v1/nothing"), 404)
    answer = shop.client().delete(ORDERS)
    assert_problem(answer, 405)
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("key", [None, "", "abc", '"abc"', CARD])
def test_a_missing_or_malformed_idempotency_key_is_refused_with_400(shop: Shop, key: str | None) -> None:
    headers = shop.headers(**({} if key is None else {"Idempotency_Key": key}))
    answer = shop.client().post(ORDERS, json=GOOD, headers=headers)
    assert_problem(answer, 400, "Idempotency-Key")


def test_a_failure_of_ours_shows_nothing_of_its_inside(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(type(shop.services.checkout), "order", broken)
    answer = shop.client().get(f"{ORDERS}/{uuid4()}", headers=shop.headers())
    assert_problem(answer, 500)
    assert "secret" not in answer.text


def test_a_stopped_engine_is_503_and_says_that_repeating_is_safe(shop: Shop) -> None:
    body = {"source": "wallet:a", "destination": "wallet:b", "amount_minor": 1, "currency": "EUR"}
    problem = assert_problem(post(shop, body, path="/v1/transfers"), 503)
    assert problem["retryable"] is True


def test_a_merchant_may_not_create_an_order_for_another(shop: Shop) -> None:
    assert_problem(post(shop, {**GOOD, "merchant_id": OTHER_MERCHANT}, role="merchant"), 422, "merchant_id")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=x", "status=paid", "at_least=-1", "at_least=9223372036854775808", "who=me", "limit=1&limit=2"],
)
def test_a_wrong_query_parameter_is_refused_with_422(shop: Shop, query: str) -> None:
    assert_problem(shop.client().get(f"{ORDERS}?{query}", headers=shop.headers()), 422)
