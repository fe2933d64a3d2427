"""What rails are told by the settings of a copy: which time-outs, by rail and operation."""

from __future__ import annotations

import json

import pytest
from click import UsageError
from pydantic import ValidationError

from daybook.bootstrap import rails
from daybook.commands import read_settings
from daybook.running import child_environment
from daybook.settings import Settings
from rails.health import declared
from rails.registry import FACTORIES, OPERATIONS_OF

NAME = "DAYBOOK_RAIL_TIMEOUTS"


def test_a_rail_waits_as_its_operation_is_told_to_and_as_usual_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, json.dumps({"stripe": {"authorise": 30, "inquire": 5}, "sepa": {"facts": 60}}))
    monkeypatch.setenv("DAYBOOK_RAIL_TIMEOUT_S", "8")
    settings = Settings()
    assert settings.rail_timeouts_of("stripe") == {"authorise": 30.0, "capture": 8.0, "void": 8.0, "inquire": 5.0}
    assert settings.rail_timeouts_of("sepa") == {"authorise": 8.0, "inquire": 8.0, "facts": 60.0}
    assert settings.rail_timeouts_of("recorded") == {}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"strype": {"authorise": 30}}, f"{NAME}: .*strype is no rail that is called: use one of sepa, simulated, st"),
        ({"recorded": {"authorise": 30}}, f"{NAME}: .*recorded is no rail"),
        ({"stripe": {"authorize": 30}}, f"{NAME}: .*stripe.authorize is nothing that is waited for: use one of autho"),
        ({"stripe": {"facts": 30}}, f"{NAME}: .*stripe.facts is nothing"),
        ({"sepa": {"capture": 30}}, f"{NAME}: .*sepa.capture is nothing"),
        ({"stripe": {"authorise": 0}}, f"{NAME}.stripe.authorise: .*greater than 0"),
        ({"stripe": {"authorise": 301}}, f"{NAME}.stripe.authorise: .*less than or equal to 300"),
        ({"stripe": {"authorise": "soon"}}, f"{NAME}.stripe.authorise: .*valid number"),
        ({"stripe": 30}, f"{NAME}.stripe: .*dictionary"),
        ([], f"{NAME}: .*dictionary"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch, given: object, told: str) -> None:
    monkeypatch.setenv(NAME, json.dumps(given))
    with pytest.raises(UsageError, match=told):
        read_settings()


def test_what_is_no_json_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "{stripe: 30}")
    with pytest.raises(UsageError, match="rail_timeouts"):
        read_settings()


def test_nothing_is_waited_for_longer_than_any_rail_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_RAIL_TIMEOUT_S", "301")
    with pytest.raises(ValidationError, match="rail_timeout_s"):
        Settings()


def test_worker_processes_are_told_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, json.dumps({"stripe": {"authorise": 30}}))
    monkeypatch.setenv("DAYBOOK_RAIL_COSTS", json.dumps({"stripe": {"bps": 140}}))
    settings = Settings()
    for name, value in child_environment(settings).items():
        monkeypatch.setenv(name, value)
    told = Settings()
    assert (told.rail_timeouts, told.rail_costs) == (settings.rail_timeouts, settings.rail_costs)


def test_every_rail_that_calls_anybody_says_what_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_STRIPE_KEY", "sk_test_1")
    monkeypatch.setenv("DAYBOOK_BANK_IBAN", "DE89370400440532013000")
    monkeypatch.setenv("DAYBOOK_BANK_CREDITOR_NAME", "Daybook")
    monkeypatch.setenv("DAYBOOK_BANK_CREDITOR_ID", "DE98ZZZ09999999999")
    opened = rails(Settings())
    assert set(opened) == set(FACTORIES)
    for name, rail in opened.items():
        assert set(declared(rail.capabilities)) == set(OPERATIONS_OF.get(name, ()))
        assert rail.capabilities.calls == (name in OPERATIONS_OF)
        rail.close()
