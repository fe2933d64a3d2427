"""The customer's step: the page that a person clicks through, the endpoints for machines, the deadline."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.rails.simulator.desk import Desk

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
ASKED = "tok_3ds"
REFUSED_LATER = "tok_3ds_insufficient_funds"
RETURN_URL = "https://shop.example/orders/7?step=3ds"


class Page(HTMLParser):
    """What a person sees and can press."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.buttons: dict[str, tuple[str, str]] = {}
        self.links: list[str] = []
        self.words: list[str] = []
        self._form = ("", "")
        self._in_button = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = (given["method"], given["action"])
        self._in_button = tag == "button"
        if tag == "a":
            self.links.append(given["href"])

    def handle_data(self, data: str) -> None:
        if self._in_button:
            self.buttons[data] = self._form
        self.words.append(data)
        self._in_button = False


def opened(desk: Desk, **changes: Any) -> dict[str, Any]:
    fields = {"payment_token": ASKED, "return_url": RETURN_URL, **changes}
    response = desk.pay("asked", **fields)
    assert response.status_code == 201
    return response.json()


def page_of(desk: Desk, payment: dict[str, Any]) -> Page:
    response = desk.http.get(payment["action_url"], headers=BROWSER)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    return Page(response.text)


def press(desk: Desk, page: Page, label: str) -> httpx.Response:
    method, action = page.buttons[label]
    return desk.http.request(method, action, headers=BROWSER)


def test_a_payment_that_needs_its_customer_says_where_and_until_when_and_takes_nothing(desk: Desk) -> None:
    payment = opened(desk)
    assert payment["status"] == "requires_action"
    assert payment["action_url"].startswith(str(desk.http.base_url)[:-1])
    assert payment["action_expires_at"] == "2026-03-01T09:15:00.000000+00:00"
    assert desk.by_key("asked") == payment
    assert desk.http.get("/v1/totals").json()["currencies"] == {}


@pytest.mark.parametrize(("capture", "status"), [(True, "captured"), (False, "authorised")])
def test_approve_pays_and_leads_back_to_the_shop(desk: Desk, capture: bool, status: str) -> None:
    payment = opened(desk, capture=capture)
    page = page_of(desk, payment)
    assert set(page.buttons) == {"Approve", "Decline"}
    assert "100.00 EUR" in page.words
    back = press(desk, page, "Approve")
    assert back.status_code == 303
    target = urlsplit(back.headers["Location"])
    assert (target.netloc, target.path) == ("shop.example", "/orders/7")
    assert parse_qs(target.query) == {"step": ["3ds"], "authorisation_id": [payment["id"]], "status": [status]}
    told = desk.by_key("asked")
    assert (told["status"], told["authentication"], told["action_url"]) == (status, "approved", None)
    assert told["captured_minor"] == (10_000 if capture else 0)
    assert told["cost_minor"] == (165 if capture else 0)


def test_decline_takes_nothing_and_is_a_soft_decline(desk: Desk) -> None:
    payment = opened(desk)
    assert "status=declined" in press(desk, page_of(desk, payment), "Decline").headers["Location"]
    told = desk.by_key("asked")
    assert (told["status"], told["decline_code"], told["decline_class"]) == (
        "declined",
        "authentication_failed",
        "soft",
    )
    assert desk.captured() == 0


def test_a_page_without_a_shop_to_go_back_to_shows_how_it_went(desk: Desk) -> None:
    payment = opened(desk, return_url=None)
    response = press(desk, page_of(desk, payment), "Approve")
    shown = Page(desk.http.get(response.headers["Location"], headers=BROWSER).text)
    assert shown.buttons == {}
    assert "You have approved this payment." in shown.words


def test_after_the_deadline_nobody_can_approve(desk: Desk) -> None:
    payment = opened(desk)
    page = page_of(desk, payment)
    desk.clock(advance_s=899.999)
    assert desk.by_key("asked")["status"] == "requires_action"
    desk.clock(advance_s=0.001)
    late = press(desk, page, "Approve")
    assert late.status_code == 409
    assert "The time to confirm this payment is over." in Page(late.text).words
    assert Page(late.text).links[0].startswith("https://shop.example/orders/7?")
    told = desk.by_key("asked")
    assert (told["status"], told["decline_code"], told["authentication"]) == (
        "declined",
        "authentication_expired",
        "expired",
    )


def test_the_bank_may_refuse_after_the_customer_has_agreed(desk: Desk) -> None:
    payment = opened(desk, payment_token=REFUSED_LATER)
    press(desk, page_of(desk, payment), "Approve")
    told = desk.by_key("asked")
    assert (told["status"], told["decline_code"], told["authentication"]) == (
        "declined",
        "insufficient_funds",
        "approved",
    )


def test_machines_get_data_instead_of_pages(desk: Desk) -> None:
    payment = opened(desk)
    path = f"/3ds/{payment['id']}"
    assert desk.http.get(path).json() == payment
    approved = desk.http.post(f"{path}/approve")
    assert (approved.status_code, approved.json()["status"]) == (200, "captured")
    assert desk.http.post(f"{path}/approve").json() == approved.json()
    refused = desk.http.post(f"{path}/decline")
    assert (refused.status_code, refused.json()["code"]) == (409, "challenge_closed")
    assert desk.captured() == 10_000


def test_a_shop_can_give_a_payment_up_while_its_customer_is_being_asked(desk: Desk) -> None:
    payment = opened(desk)
    page = page_of(desk, payment)
    void = desk.http.post(f"/v1/authorisations/{payment['id']}/voids", json={}, headers={"Idempotency-Key": "v"})
    assert (void.status_code, void.json()["status"], void.json()["released_minor"]) == (201, "voided", 0)
    late = press(desk, page, "Approve")
    assert late.status_code == 409
    assert "The shop has given this payment up." in Page(late.text).words
    assert desk.by_key("asked")["authentication"] == "cancelled"
    assert desk.http.get("/v1/totals").json()["currencies"] == {}
    assert desk.http.get("/v1/payments").json()["payments"][0]["authorised_minor"] == 0


def test_the_window_is_a_matter_of_terms(desk: Desk) -> None:
    desk.terms(challenge_window_s=30)
    assert opened(desk)["action_expires_at"] == "2026-03-01T09:00:30.000000+00:00"


def test_the_same_key_is_answered_the_same_after_the_customer_has_decided(desk: Desk) -> None:
    payment = opened(desk)
    desk.http.post(f"/3ds/{payment['id']}/approve")
    assert opened(desk) == payment


def test_what_a_shop_sends_cannot_become_a_part_of_the_page(desk: Desk) -> None:
    payment = opened(desk, order_id='"><script>alert(1)</script>', return_url='https://shop.example/?a="><script>')
    response = desk.http.get(payment["action_url"], headers=BROWSER)
    assert "<script" not in response.text
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' https://shop.example;" in policy


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "//shop.example",
        "https://",
        "https://shop.example/\r\nX: y",
        "ftp://a.example",
        "x",
        "https://shop.example;script-src",
        "https://a'b.example/",
    ],
)
def test_a_way_back_that_is_no_web_address_is_refused(desk: Desk, url: str) -> None:
    refused = desk.pay(payment_token=ASKED, return_url=url)
    assert (refused.status_code, refused.json()["field"]) == (400, "return_url")


@pytest.mark.parametrize("path", ["/3ds/au_none", "/3ds/au_none/approve", "/3ds/au_none/think"])
def test_a_challenge_that_is_not_there_is_not_found(desk: Desk, path: str) -> None:
    method = "GET" if path.count("/") == 2 else "POST"
    assert desk.http.request(method, path).status_code == 404
    assert desk.http.request(method, path, headers=BROWSER).status_code == 404
