"""The Stripe rail's settings, classes of declines and units of money."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from daybook.bootstrap import rails
from daybook.running import child_environment
from daybook.settings import Settings
from domain.money import EXPONENTS
from rails.registry import open_rail
from rails.stripe import OPTIONAL, StripeSettingInvalid
from rails.stripe_amounts import AmountNotAtStripe, at_home, at_stripe
from rails.stripe_declines import CLASSES, decline_class
from tests.docs.blocks import ROOT
from tests.rails.scripted import answer, scripted
from tests.rails.stripe_words import AUTHORISE, KEY, error


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "key"),
        ({"key": ""}, "key"),
        ({"key": "pk_test_51NotAKey"}, "key"),
        ({"key": f"{KEY}\r\nX: y"}, "key"),
        ({"key": "sk_test_ключ"}, "key"),
        ({"key": KEY, "url": "api.stripe.com"}, "url"),
        ({"key": KEY, "url": "http://api.stripe.com"}, "url"),
        ({"key": KEY, "url": "https://"}, "url"),
        ({"key": KEY, "read_timeout": "soon"}, "read_timeout"),
        ({"key": KEY, "read_timeout": "0"}, "read_timeout"),
        ({"key": KEY, "read_timeout": "nan"}, "read_timeout"),
        ({"key": KEY, "read_timeout": "9999"}, "read_timeout"),
        ({"key": KEY, "omit": "create.amount"}, "omit"),
    ],
)
def test_a_setting_that_cannot_be_is_named_and_the_key_is_not_shown(settings: dict[str, str], field: str) -> None:
    with pytest.raises(StripeSettingInvalid, match=f"^{field} is") as refused:
        open_rail("stripe", settings)
    assert "51NotAKey" not in str(refused.value)


def test_settings_that_can_be_open_the_rail() -> None:
    for settings in ({}, {"url": "http://127.0.0.1:12111/"}, {"url": "http://[::1]:1"}, {"omit": ",".join(OPTIONAL)}):
        open_rail("stripe", {"key": KEY, **settings}).close()
    open_rail("stripe", {"key": "rk_live_51NotAKey"}).close()


def test_only_rails_that_have_what_they_need_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    without = rails(Settings())
    monkeypatch.setenv("DAYBOOK_STRIPE_KEY", KEY)
    with_key = rails(Settings())
    assert (sorted(set(with_key) - set(without)), set(without) - set(with_key)) == (["stripe"], set())
    for rail in (*without.values(), *with_key.values()):
        rail.close()


def test_the_key_is_shown_to_nobody_but_the_processes_that_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_STRIPE_KEY", KEY)
    settings = Settings()
    assert KEY not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert child_environment(settings)["DAYBOOK_STRIPE_KEY"] == KEY
    monkeypatch.setenv("DAYBOOK_MASTER_KEYS", str(settings.key_store_file))
    with pytest.raises(ValidationError) as wrong:
        Settings()
    assert KEY not in str(wrong.value)


LOUD = """
import sys
from daybook.logs import configure_logging
from rails.registry import open_rail
from tests.rails.stripe_words import AUTHORISE
configure_logging("DEBUG", "payments")
rail = open_rail("stripe", {"key": sys.argv[1], "url": sys.argv[2]})
print(rail.authorise(AUTHORISE))
"""


def test_at_the_loudest_neither_key_nor_token_nor_payer_is_logged() -> None:
    with scripted(answer(402, error("card_error", code="card_declined"))) as server:
        command = [sys.executable, "-c", LOUD, KEY, server.url]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "card_declined" in done.stdout
    for secret in (KEY, AUTHORISE.payment_token, "Erika"):
        assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "advice", "expected"),
    [
        ("stolen_card", None, "hard"),
        ("lost_card", None, "hard"),
        ("pickup_card", None, "hard"),
        ("fraudulent", None, "hard"),
        ("expired_card", None, "hard"),
        ("insufficient_funds", None, "soft"),
        ("try_again_later", None, "soft"),
        ("processing_error", None, "soft"),
        ("a_code_of_tomorrow", None, "soft"),
        ("insufficient_funds", "do_not_try_again", "hard"),
        ("stolen_card", "try_again_later", "soft"),
        ("stolen_card", "confirm_card_data", "hard"),
    ],
)
def test_a_decline_is_final_where_stripe_or_the_issuer_says_so(code: str, advice: str | None, expected: str) -> None:
    assert decline_class(code, advice) == expected
    assert set(CLASSES.values()) == {"hard", "soft"}


def test_units_differ_from_iso_4217_in_three_currencies_only() -> None:
    differing = {currency for currency in EXPONENTS if at_stripe(100, currency) != 100}
    assert differing == {"ISK", "MGA", "UGX"}
    assert (at_stripe(500, "ISK"), at_stripe(500, "UGX"), at_stripe(500, "MGA")) == (50_000, 50_000, 5)
    with pytest.raises(AmountNotAtStripe):
        at_stripe(501, "MGA")
    with pytest.raises(AmountNotAtStripe):
        at_home(50_001, "ISK")


@given(st.integers(1, 10**12), st.sampled_from(sorted(EXPONENTS)))
def test_an_amount_comes_back_as_it_went(amount: int, currency: str) -> None:
    try:
        there = at_stripe(amount, currency)
    except AmountNotAtStripe:
        assert currency == "MGA"
    else:
        assert at_home(there, currency) == amount
