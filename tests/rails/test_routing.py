"""The choice of a rail follows from what is known of rails, and is the same for the same facts."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rails.port import Capabilities
from rails.routing import Cost, Offer, Payment, ranked, takes

ABLE = Capabilities(
    authorise=True, capture=True, partial_capture=True, multiple_capture=True, void=True, inquiry=True,
    idempotency_keys=True, calls=True,
)  # fmt: skip
CARD = Payment("card", "EUR", 10_000, "tok_visa")


def names(offers: list[Offer]) -> list[str]:
    return [offer.rail for offer in offers]


@pytest.mark.parametrize(
    ("able", "fits"),
    [
        (ABLE, True),
        (replace(ABLE, currencies=frozenset({"EUR", "USD"})), True),
        (replace(ABLE, currencies=frozenset({"USD"})), False),
        (replace(ABLE, methods=frozenset({"direct_debit"})), False),
        (replace(ABLE, token_prefixes=("tok_", "pm_")), True),
        (replace(ABLE, token_prefixes=("pm_",)), False),
        (replace(ABLE, authorise=False), False),
        (replace(ABLE, calls=False), False),
    ],
)
def test_a_rail_is_offered_what_it_can_do(able: Capabilities, fits: bool) -> None:
    assert takes(Offer("one", able), CARD) == fits


def test_rails_that_answer_come_first_then_cheap_ones_then_names() -> None:
    offers = [
        Offer("down-and-free", ABLE, why_not="held to be down"),
        Offer("dear", ABLE, Cost(bps=290, fixed_minor=30)),
        Offer("cheap-b", ABLE, Cost(bps=140, fixed_minor=25)),
        Offer("cheap-a", ABLE, Cost(bps=140, fixed_minor=25)),
    ]
    for mixed in itertools.permutations(offers):
        assert names(ranked(CARD, mixed)) == ["cheap-a", "cheap-b", "dear", "down-and-free"]


def test_what_is_cheap_depends_on_the_amount() -> None:
    share, fixed = Offer("share", ABLE, Cost(bps=100)), Offer("fixed", ABLE, Cost(fixed_minor=50))
    assert names(ranked(replace(CARD, amount_minor=4_000), [fixed, share])) == ["share", "fixed"]
    assert names(ranked(replace(CARD, amount_minor=6_000), [fixed, share])) == ["fixed", "share"]


@given(st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_nobody_is_asked_twice_and_nobody_is_forgotten(present: set[str], asked: set[str], down: set[str]) -> None:
    offers = [Offer(name, ABLE, why_not="down" if name in down else None) for name in present]
    found = names(ranked(CARD, offers, asked))
    assert sorted(found) == sorted(present - asked)
    assert found == sorted(found, key=lambda name: name in down)
