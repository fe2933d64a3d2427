"""Conditions: one number of one wallet that must be so, or the request is refused with the number that it is."""

from __future__ import annotations

import msgspec
import pytest

from domain import Condition, WalletHead
from domain.conditions import ConditionNotUsable
from tests.domain.builders import a_wallet
from tests.domain.specification import refused

WALLET = a_wallet().id
HEAD = WalletHead("liability", 0, posted=-700, held=200, version=9)


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        ({"at_least_minor": 500}, True),
        ({"at_least_minor": 501}, False),
        ({"exactly_minor": 700}, True),
        ({"exactly_minor": 500}, False),
        ({"version": 9}, True),
        ({"version": 8}, False),
        ({"at_least_minor": 0}, True),
    ],
)
def test_a_condition_looks_at_what_is_available_what_is_posted_or_the_version(
    wanted: dict[str, int], met: bool
) -> None:
    refusal = Condition(WALLET, **wanted).refusal(HEAD)
    assert (refusal is None) == met
    assert refusal is None or refusal[0] == "condition_not_met"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"at_least_minor": 501}, "has 500 minor units available, not at least 501"),
        ({"exactly_minor": 500}, "has a posted balance of 700 minor units, not exactly 500"),
        ({"version": 8}, "is at version 9, not 8"),
    ],
)
def test_a_refusal_says_the_number_as_it_is(wanted: dict[str, int], said: str) -> None:
    refusal = Condition(WALLET, **wanted).refusal(HEAD)
    assert refusal == ("condition_not_met", f"conditions: wallet {WALLET} {said}")


def test_a_condition_names_exactly_one_number() -> None:
    refused(ConditionNotUsable, "conditions", lambda: Condition(WALLET))
    refused(ConditionNotUsable, "conditions", lambda: Condition(WALLET, at_least_minor=1, version=1))


def test_a_condition_is_read_from_json_and_a_wrong_one_is_malformed() -> None:
    condition = Condition(WALLET, exactly_minor=0)
    text = msgspec.json.encode(condition)
    assert text == f'{{"wallet_id":"{WALLET}","exactly_minor":0}}'.encode()
    assert msgspec.json.decode(text, type=Condition) == condition
    with pytest.raises(msgspec.ValidationError, match="exactly one of"):
        msgspec.json.decode(f'{{"wallet_id":"{WALLET}"}}', type=Condition)
