"""What the Stripe rail makes of every kind of reply: Stripe's words from a script, and a network that misbehaves."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from rails.http_calls import ReadTimeouts
from rails.port import (
    ActionRequired,
    Authorised,
    AuthoriseRequest,
    CapabilityNotDeclared,
    Captured,
    Declined,
    InquiryRequest,
    NotFound,
    NotSent,
    Pending,
    Unknown,
    Voided,
)
from rails.stripe import OPTIONAL
from rails.stripe_intents import StripeRail
from tests.rails.scripted import Scripted, answer, scripted
from tests.rails.stripe_words import (
    AUTHORISE,
    CAPTURE,
    CAPTURE_BEFORE,
    CHARGE,
    INQUIRE,
    INQUIRE_CAPTURE,
    KEY,
    VOID,
    error,
    intent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rails.port import RailReply

    Ask = Callable[[str, Any, bytes], RailReply]

UNTIL = datetime.fromtimestamp(CAPTURE_BEFORE, UTC)
REDIRECT = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://hooks.example.org/3ds", "return_url": "x"}}
FAILED_3DS = {"type": "invalid_request_error", "code": "payment_intent_authentication_failure"}
CAPTURED_BY_US = intent(metadata={"attempt_key": "attempt", "capture_key": "capture"}, capture_method="manual")
CAPTURED_BY_OTHERS = intent(metadata={"attempt_key": "attempt", "capture_key": "other"}, capture_method="manual")


@pytest.fixture(scope="module")
def desk() -> Iterator[tuple[Scripted, StripeRail]]:
    with scripted(b"") as server:
        rail = StripeRail(KEY, server.url, ReadTimeouts(5.0))
        yield server, rail
        rail.close()


@pytest.fixture
def ask(desk: tuple[Scripted, StripeRail]) -> Ask:
    """Gives the rail's answer when the server gives `reply`; it must have asked exactly once."""
    server, rail = desk

    def answered(operation: str, request: Any, reply: bytes) -> RailReply:
        server.reply = reply
        server.asked.clear()
        told: RailReply = getattr(rail, operation)(request)
        assert len(server.asked) == 1
        return told

    return answered


@pytest.mark.parametrize(
    ("told", "means"),
    [
        pytest.param(intent(), Captured("pi_1", 500, 39), id="succeeded"),
        pytest.param(intent(latest_charge="ch_1"), Captured("pi_1", 500, 0), id="nothing expanded"),
        pytest.param(
            intent(latest_charge={**CHARGE, "balance_transaction": {"fee": 41, "currency": "usd"}}),
            Captured("pi_1", 500, 0),
            id="fee in another currency",
        ),
        pytest.param(intent("requires_capture"), Authorised("pi_1", 500, UNTIL), id="held"),
        pytest.param(
            intent("requires_capture", latest_charge={"status": "succeeded"}),
            Authorised("pi_1", 500, None),
            id="held, for who knows how long",
        ),
        pytest.param(
            intent("requires_action", next_action=REDIRECT),
            ActionRequired("pi_1", "https://hooks.example.org/3ds", None),
            id="redirect",
        ),
        pytest.param(
            intent("requires_action", next_action={"type": "use_stripe_sdk", "use_stripe_sdk": {}}),
            ActionRequired("pi_1", None, None, (("type", "use_stripe_sdk"),)),
            id="action in the browser",
        ),
        pytest.param(intent("processing"), Pending("pi_1", None), id="processing"),
        pytest.param(
            intent("canceled", latest_charge=None), Declined("canceled", "soft", "rail"), id="cancelled, never held"
        ),
        pytest.param(
            intent("requires_payment_method", last_payment_error=FAILED_3DS),
            Declined("payment_intent_authentication_failure", "soft", "rail"),
            id="failed",
        ),
    ],
)
def test_a_status_is_told_alike_when_it_is_the_reply_and_when_it_is_asked_for(
    ask: Ask, told: dict[str, Any], means: RailReply
) -> None:
    assert ask("authorise", AUTHORISE, answer(200, told)) == means
    assert ask("inquire", INQUIRE, answer(200, told)) == means


def test_a_hold_that_is_gone_is_voided_when_asked_for_and_unexpected_as_a_reply(ask: Ask) -> None:
    assert ask("inquire", INQUIRE, answer(200, intent("canceled"))) == Voided("pi_1", 500)
    assert isinstance(ask("authorise", AUTHORISE, answer(200, intent("canceled"))), Unknown)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="hung up"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="not HTTP"),
        pytest.param(answer(200, intent())[:-9], id="cut off"),
        pytest.param(answer(200, b"\xff{"), id="not JSON"),
        pytest.param(answer(200, {}), id="empty object"),
        pytest.param(answer(200, []), id="list"),
        pytest.param(answer(200, b"null"), id="null"),
        pytest.param(answer(200, b'"succeeded"'), id="text"),
        pytest.param(answer(200, {"object": "payment_intent"}), id="payment of nothing"),
        pytest.param(answer(200, intent(amount_received="500")), id="amount as text"),
        pytest.param(answer(200, intent(amount_received=500.5)), id="amount as fraction"),
        pytest.param(answer(200, intent(metadata=None)), id="no metadata"),
        pytest.param(answer(200, intent("on_holiday")), id="status never heard of"),
        pytest.param(answer(200, intent("requires_confirmation")), id="not confirmed"),
        pytest.param(answer(200, intent(id="pi_2", metadata={"attempt_key": "other"})), id="another payment"),
        pytest.param(answer(302, {}, "Location: http://127.0.0.1:1/"), id="redirect"),
        pytest.param(answer(400, {"error": {"type": "idempotency_error"}}), id="key used for something else"),
        pytest.param(answer(400, {"error": []}), id="error that is a list"),
        pytest.param(answer(400, {"error": None}), id="error that is nothing"),
        pytest.param(answer(400, b"<html>bad request</html>", kind="text/html"), id="bad request of a proxy"),
        pytest.param(answer(402, b"<html>pay the proxy</html>", kind="text/html"), id="decline of a proxy"),
        pytest.param(answer(402, error("card_error")), id="decline without a code"),
        pytest.param(answer(403, error("invalid_request_error", code="more_permissions_required")), id="forbidden"),
        pytest.param(answer(404, b"<html>not here</html>", kind="text/html"), id="404 of a proxy"),
        pytest.param(answer(409, error("idempotency_error", code="idempotency_key_in_use")), id="key in use"),
        pytest.param(answer(409, error("invalid_request_error")), id="conflict"),
        *(
            pytest.param(answer(status, error("invalid_request_error", code=code)), id=f"{code}, {status}")
            for code, status in (("lock_timeout", 429), ("lock_timeout", 400), ("idempotency_key_in_use", 400))
        ),
        pytest.param(answer(429, b"<html>slow down</html>", kind="text/html"), id="429 of a proxy"),
        pytest.param(answer(500, error("api_error")), id="server error"),
        pytest.param(answer(500, error("card_error", code="card_declined")), id="5xx that talks like a decline"),
        pytest.param(answer(500, error("api_error", payment_intent=CAPTURED_BY_US)), id="5xx with a payment"),
        pytest.param(answer(500, error("api_error", payment_intent=intent("canceled"))), id="5xx, cancelled"),
        pytest.param(answer(502, b"<html>bad gateway</html>", kind="text/html"), id="bad gateway"),
        pytest.param(answer(503, error("invalid_request_error")), id="5xx that talks like a refusal"),
    ],
)
@pytest.mark.parametrize(
    ("operation", "request_"),
    [("authorise", AUTHORISE), ("capture", CAPTURE), ("void", VOID), ("inquire", INQUIRE)],
)
def test_whatever_stripe_has_not_said_leaves_the_outcome_unknown_and_is_asked_once(
    ask: Ask, operation: str, request_: Any, reply: bytes
) -> None:
    told = ask(operation, request_, reply)
    assert isinstance(told, Unknown)
    assert told.reason


@pytest.mark.parametrize(
    ("status", "body", "means"),
    [
        pytest.param(402, error("card_error", code="card_declined"), Declined("card_declined", "soft"), id="bare"),
        pytest.param(
            402,
            error(
                "card_error",
                code="card_declined",
                decline_code="stolen_card",
                payment_intent=intent("requires_payment_method"),
            ),
            Declined("stolen_card", "hard"),
            id="stolen",
        ),
        pytest.param(
            402,
            error("card_error", code="card_declined", decline_code="insufficient_funds"),
            Declined("insufficient_funds", "soft"),
            id="no funds",
        ),
        pytest.param(
            402,
            error("card_error", code="card_declined", decline_code="generic_decline", advice_code="do_not_try_again"),
            Declined("generic_decline", "hard"),
            id="issuer says never",
        ),
        pytest.param(402, error("card_error", code="expired_card"), Declined("expired_card", "hard"), id="expired"),
        pytest.param(
            402, error("card_error", code="card_declined", decline_code="new_in_2031"), Declined("new_in_2031", "soft")
        ),
        pytest.param(
            400,
            error("invalid_request_error", code="amount_too_small", param="amount"),
            Declined("amount_too_small", "hard", "rail"),
            id="too small",
        ),
        pytest.param(
            404, error("invalid_request_error"), Declined("invalid_request", "hard", "rail"), id="no such thing"
        ),
        pytest.param(429, error("invalid_request_error", code="rate_limit"), NotSent, id="rate"),
        pytest.param(429, error("rate_limit_error"), NotSent, id="rate, without code"),
        pytest.param(401, error("invalid_request_error"), NotSent, id="key not accepted"),
    ],
)
def test_an_error_that_stripe_explains_decides(ask: Ask, status: int, body: object, means: Any) -> None:
    for operation, request in (("authorise", AUTHORISE), ("capture", CAPTURE), ("void", VOID)):
        told = ask(operation, request, answer(status, body))
        assert isinstance(told, NotSent) if means is NotSent else told == means


@pytest.mark.parametrize("status", ["succeeded", "requires_capture", "processing", "requires_action"])
def test_a_refusal_whose_payment_says_otherwise_declines_nothing(ask: Ask, status: str) -> None:
    for code, kind in ((402, "card_error"), (400, "invalid_request_error")):
        body = error(kind, code="card_declined", payment_intent=intent(status))
        assert isinstance(ask("authorise", AUTHORISE, answer(code, body)), Unknown)


def test_a_capture_sent_again_when_its_key_is_forgotten_finds_its_own_work(ask: Ask) -> None:
    done = answer(400, error("invalid_request_error", code="payment_intent_unexpected_state",
                             payment_intent=CAPTURED_BY_US))  # fmt: skip
    assert ask("capture", CAPTURE, done) == Captured("pi_1", 500, 39)
    other = answer(400, error("invalid_request_error", code="payment_intent_unexpected_state",
                              payment_intent=CAPTURED_BY_OTHERS))  # fmt: skip
    assert ask("capture", CAPTURE, other) == Declined("payment_intent_unexpected_state", "hard", "rail")


def test_a_void_sent_again_when_its_key_is_forgotten_finds_its_own_work(ask: Ask) -> None:
    done = error("invalid_request_error", code="payment_intent_unexpected_state", payment_intent=intent("canceled"))
    assert ask("void", VOID, answer(400, done)) == Voided("pi_1", 500)
    taken = error("invalid_request_error", code="payment_intent_unexpected_state", payment_intent=intent())
    assert ask("void", VOID, answer(400, taken)) == Declined("payment_intent_unexpected_state", "hard", "rail")


def test_silence_leaves_the_outcome_unknown_after_the_time_that_was_set() -> None:
    with scripted(None) as server:
        rail = StripeRail(KEY, server.url, ReadTimeouts(0.05))
        told = rail.authorise(AUTHORISE)
        rail.close()
    assert isinstance(told, Unknown)
    assert "ReadTimeout" in told.reason


def test_a_payment_of_another_id_is_not_the_one_that_was_named(ask: Ask) -> None:
    for operation, request, told in (
        ("capture", CAPTURE, intent(id="pi_2")),
        ("void", VOID, intent("canceled", id="pi_2")),
        ("inquire", INQUIRE, intent(id="pi_2")),
    ):
        assert isinstance(ask(operation, request, answer(200, told)), Unknown)


def test_a_void_gives_back_what_was_not_taken(ask: Ask) -> None:
    assert ask("void", VOID, answer(200, intent("canceled", amount_received=200))) == Voided("pi_1", 300)


def test_a_void_of_a_payment_that_held_nothing_gives_nothing_back(ask: Ask) -> None:
    assert ask("void", VOID, answer(200, intent("canceled", latest_charge=None))) == Voided("pi_1", 0)
    assert isinstance(ask("void", VOID, answer(200, intent())), Unknown)


@pytest.mark.parametrize(
    ("told", "means"),
    [
        (CAPTURED_BY_US, Captured("pi_1", 500, 39)),
        (CAPTURED_BY_OTHERS, NotFound("capture")),
        (intent("requires_capture"), NotFound("capture")),
        (intent("canceled"), NotFound("capture")),
    ],
)
def test_a_capture_is_found_by_the_key_it_left(ask: Ask, told: dict[str, Any], means: RailReply) -> None:
    assert ask("inquire", INQUIRE_CAPTURE, answer(200, told)) == means
    assert isinstance(ask("inquire", INQUIRE_CAPTURE, answer(200, intent())), Unknown)


def test_an_inquiry_needs_the_reference_and_takes_no_other_payment_for_it(ask: Ask) -> None:
    rail = StripeRail(KEY, "http://127.0.0.1:1", ReadTimeouts(1.0))
    told = rail.inquire(InquiryRequest("attempt"))
    rail.close()
    assert isinstance(told, Unknown)
    assert "reference" in told.reason
    unknown_there = answer(404, error("invalid_request_error", code="resource_missing"))
    assert isinstance(ask("inquire", INQUIRE, unknown_there), Unknown)


def test_what_is_asked_for_is_what_stripe_is_told() -> None:
    request = AuthoriseRequest("order", 1, "attempt", 500, "ISK", "pm_1", capture=False, return_url="https://shop/back")
    with scripted(answer(200, intent("requires_capture", amount=50_000, currency="isk"))) as server:
        rail = StripeRail(KEY, server.url, ReadTimeouts(5.0))
        assert rail.authorise(request) == Authorised("pi_1", 500, UNTIL)
        rail.close()
    line, headers, form = server.asked[0]
    assert line == "POST /v1/payment_intents HTTP/1.1"
    assert (headers["idempotency-key"], headers["authorization"]) == ("attempt", f"Bearer {KEY}")
    assert form == {
        "amount": "50000",
        "currency": "isk",
        "confirm": "true",
        "capture_method": "manual",
        "payment_method": "pm_1",
        "allowed_payment_method_types[0]": "card",
        "metadata[order_id]": "order",
        "metadata[attempt_key]": "attempt",
        "return_url": "https://shop/back",
        "expand[0]": "latest_charge.balance_transaction",
    }


def test_a_capture_asks_for_its_amount_in_stripes_units_and_leaves_its_key() -> None:
    taken = intent(amount=90_000, amount_received=50_000, currency="isk", capture_method="manual")
    with scripted(answer(200, taken)) as server:
        rail = StripeRail(KEY, server.url, ReadTimeouts(5.0))
        assert rail.capture(replace(CAPTURE, currency="ISK")) == Captured("pi_1", 500, 0)
        rail.close()
    line, headers, form = server.asked[0]
    assert line == "POST /v1/payment_intents/pi_1/capture HTTP/1.1"
    assert headers["idempotency-key"] == "capture"
    assert (form["amount_to_capture"], form["metadata[capture_key]"]) == ("50000", "capture")


def test_what_a_server_does_not_take_is_left_out() -> None:
    with scripted(answer(200, intent())) as server:
        rail = StripeRail(KEY, server.url, ReadTimeouts(5.0), OPTIONAL)
        rail.authorise(replace(AUTHORISE, return_url="https://shop.example.org/back"))
        rail.capture(CAPTURE)
        rail.close()
    created, captured = (set(form) for _, _, form in server.asked)
    assert not created & {"return_url", "allowed_payment_method_types[0]"}
    assert captured == {"amount_to_capture", "expand[0]"}


def test_a_reason_tells_the_request_and_never_what_stripe_wrote(ask: Ask) -> None:
    for status in (400, 401, 403, 409, 429, 500):
        body = error("idempotency_error", code="lock_timeout" if status == 429 else None)
        told = ask("authorise", AUTHORISE, answer(status, body, "Request-Id: req_7"))
        assert isinstance(told, NotSent if status == 401 else Unknown)
        assert "req_7" in told.reason
        assert "Erika" not in told.reason
        assert KEY not in told.reason


@pytest.fixture
def full_house() -> Iterator[int]:
    """A port where nobody is let in any more: connecting to it takes for ever."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()


def test_what_was_never_sent_is_told_apart_from_what_may_have_arrived(full_house: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = listener.getsockname()[1]
    for url in (f"http://127.0.0.1:{nobody}", "http://stripe.invalid", f"http://127.0.0.1:{full_house}"):
        rail = StripeRail(KEY, url, ReadTimeouts(5.0))
        told = rail.authorise(AUTHORISE)
        assert isinstance(told, NotSent)
        assert "Connect" in told.reason
        rail.close()


def test_a_way_to_pay_that_is_not_declared_is_the_callers_mistake() -> None:
    rail = StripeRail(KEY, "http://127.0.0.1:1", ReadTimeouts(1.0))
    with pytest.raises(CapabilityNotDeclared, match="bank_transfer"):
        rail.authorise(AuthoriseRequest("order", 1, "attempt", 5, "EUR", "pm_1", capture=True, method="bank_transfer"))
    rail.close()
