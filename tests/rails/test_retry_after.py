"""How rails say when they want to be asked again, and what is made of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from rails.http_calls import ReadTimeouts, retry_after_s
from rails.port import NotSent, Unknown
from rails.stripe_intents import StripeRail
from tests.rails.scripted import answer, scripted
from tests.rails.stripe_words import AUTHORISE, KEY, error


@pytest.mark.parametrize(
    ("status", "given", "expected"),
    [
        (429, "3", 3.0),
        (503, " 120 ", 120.0),
        (429, "0", 0.0),
        (429, "Thu, 01 Jan 2026 00:00:00 GMT", 0.0),
        (500, "3", None),
        (200, "3", None),
        (429, "", None),
        (429, "-3", None),
        (429, "3.5", None),
        (429, "nan", None),
        (429, "٣", None),
        (503, "soon", None),
        (503, "Thu, 01 Jan 99999999 00:00:00 GMT", None),
        (503, "Thu, 99 Jan 2026 00:00:00", None),
    ],
)
def test_a_busy_peer_says_when_to_come_back_in_seconds_or_by_a_date(
    status: int, given: str, expected: float | None
) -> None:
    assert retry_after_s(status, {"Retry-After": given}) == expected


def test_a_date_to_come_back_at_is_as_far_away_as_it_says() -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    for text in (format_datetime(until, usegmt=True), until.strftime("%a, %d %b %Y %H:%M:%S")):
        assert retry_after_s(503, {"Retry-After": text}) == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(
    ("reply", "wait_s"),
    [
        pytest.param(answer(429, error("rate_limit_error"), "Retry-After: 3"), 3.0, id="rate"),
        pytest.param(answer(429, error("rate_limit_error")), None, id="rate, without a word about when"),
        pytest.param(answer(503, error("api_error"), "Retry-After: 4"), 4.0, id="busy"),
        pytest.param(answer(503, b"<html>", "Retry-After: 5", kind="text/html"), 5.0, id="a proxy is busy"),
        pytest.param(answer(409, error("idempotency_error", code="idempotency_key_in_use")), None, id="key in use"),
        pytest.param(answer(500, error("api_error"), "Stripe-Should-Retry: true"), None, id="may be sent again"),
        pytest.param(answer(500, error("api_error"), "Stripe-Should-Retry: false"), math.inf, id="may not"),
        pytest.param(answer(401, error("invalid_request_error")), math.inf, id="key not accepted"),
    ],
)
def test_a_reply_of_stripes_that_decides_nothing_says_when_to_send_it_again(reply: bytes, wait_s: float | None) -> None:
    with scripted(reply) as server:
        rail = StripeRail(KEY, server.url, ReadTimeouts(5.0))
        told = rail.authorise(AUTHORISE)
        rail.close()
    assert isinstance(told, NotSent | Unknown)
    assert told.retry_after_s == wait_s
