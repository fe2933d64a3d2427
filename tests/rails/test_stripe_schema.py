"""Every request of the Stripe rail fits Stripe's own schema, by stripe-mock, and one that does not fit is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
import pytest

from rails.port import Unknown
from rails.registry import open_rail
from tests.api.proxy import serving
from tests.rails.stripe_front import Seen, StripeFront
from tests.rails.stripe_mock import running_stripe_mock
from tests.rails.stripe_words import AUTHORISE, CAPTURE, INQUIRE, KEY, VOID

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    with running_stripe_mock() as url:
        yield url


@pytest.fixture(scope="module")
def sent(mock: str) -> list[Seen]:
    """All that the rail ever sends, with what stripe-mock said to it."""
    front = StripeFront(mock)
    with serving(front) as port:
        rail = open_rail("stripe", {"key": KEY, "url": f"http://127.0.0.1:{port}", "read_timeout": "10"})
        rail.authorise(AUTHORISE)
        rail.authorise(replace(AUTHORISE, attempt_key="a2", capture=False, return_url="https://shop.example.org/back"))
        rail.capture(replace(CAPTURE, amount_minor=300))
        rail.void(VOID)
        rail.inquire(INQUIRE)
        rail.close()
    return front.seen


def test_every_request_is_accepted(sent: list[Seen]) -> None:
    assert [(seen.method, seen.path, seen.status) for seen in sent] == [
        ("POST", "/v1/payment_intents", 200),
        ("POST", "/v1/payment_intents", 200),
        ("POST", "/v1/payment_intents/pi_1/capture", 200),
        ("POST", "/v1/payment_intents/pi_1/cancel", 200),
        ("GET", "/v1/payment_intents/pi_1", 200),
    ]
    assert {"allowed_payment_method_types[0]", "return_url", "metadata[attempt_key]"} <= set(sent[1].fields)
    assert {"amount_to_capture", "metadata[capture_key]"} <= set(sent[2].fields)


@pytest.mark.parametrize(
    ("number", "planted"),
    [
        *((number, planted) for number in (0, 2, 3) for planted in ({"amount_minor": "500"}, {"expand": "charge"})),
        (0, {"amount": "five"}),
        (0, {"capture_method": "by_hand"}),
        (0, {"metadata": "order"}),
        (0, {"payment_method_options[card][capture_method]": "automatic"}),
        (2, {"amount_to_capture": "all"}),
        (2, {"capture": "true"}),
        (3, {"cancellation_reason": "because"}),
    ],
)
def test_a_planted_mistake_is_refused(mock: str, sent: list[Seen], number: int, planted: dict[str, str]) -> None:
    seen = sent[number]
    assert _again(mock, seen, seen.fields).status_code == 200
    refused = _again(mock, seen, {**seen.fields, **planted})
    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "invalid_request_error"


def test_a_payment_without_its_amount_is_refused(mock: str, sent: list[Seen]) -> None:
    assert _again(mock, sent[0], {k: v for k, v in sent[0].fields.items() if k != "amount"}).status_code == 400


def test_the_fixtures_that_stripe_mock_answers_with_are_read_and_taken_for_nobodys_payment(mock: str) -> None:
    rail = open_rail("stripe", {"key": KEY, "url": mock})
    for told in (rail.authorise(AUTHORISE), rail.inquire(INQUIRE)):
        assert isinstance(told, Unknown)
        assert "another attempt" in told.reason
    rail.close()


def _again(mock: str, seen: Seen, fields: dict[str, str]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-www-form-urlencoded"}
    return httpx.post(f"{mock}{seen.path}", content=urlencode(fields), headers=headers, trust_env=False)
