"""SIGKILL of any process during load: after restart no acknowledged order is missing, none is doubled, the books
balance."""

from __future__ import annotations

import random
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from daybook.bootstrap import key_store
from daybook.session import session
from daybook.views import wait_for_views
from eventlog.sealing.seals import KeyedSeals
from payments.payers import Payers
from tests.faults.audit import Books, Entry, Line, Taken, findings, read_books
from tests.faults.running_copy import BACKEND, PATIENCE_S, POSTMASTER, SUPERVISOR, RunningCopy, wait_until
from tests.faults.traffic import Acknowledged, Traffic, payer_name

VICTIMS = ("simulator", "engine", "views", "payments", "api", POSTMASTER, BACKEND)
UNPAID = """
select count(*) filter (where topic = 'payment-order.created.v1')
     - count(distinct stream_id) filter (where topic = 'payment-order.captured.v1') from log.events
"""


def kills(seed: int, count: int) -> list[str]:
    """Victims in a random order, each of them at least once when `count` allows."""
    rng = random.Random(seed)
    plan = rng.sample(VICTIMS, len(VICTIMS))
    plan += rng.choices((*VICTIMS, SUPERVISOR), k=count)
    return plan[:count]


def kill_under_load(copy: RunningCopy, victims: list[str], seed: int) -> Traffic:
    """Kill one after the other; between two, everything must have worked again: orders paid and money moved."""
    rng = random.Random(seed)
    traffic = Traffic(copy.settings.api_url, copy.api_key, seed)
    traffic.start()
    try:
        for victim in victims:
            traffic.wait_for_more(rng.randint(2, 12), rng.randint(2, 12))
            copy.kill(victim)
        traffic.wait_for_more(5, 5)
    finally:
        traffic.stop()
    return traffic


def books_at_rest(copy: RunningCopy) -> Books:
    """Wait until every order is paid, everything paid is posted and the views have seen it; then read."""
    with psycopg.connect(copy.database_url, autocommit=True) as connection:
        wait_until(lambda: connection.execute(UNPAID).fetchone() == (0,), "every order is paid")
    with session(copy.settings, roles=()) as opened:
        assert opened.wait_for_books(PATIENCE_S)
        assert wait_for_views(opened, PATIENCE_S)
    return read_books(copy.database_url, copy.settings.simulator_database)


def names_of_payers(copy: RunningCopy, orders: Iterable[str]) -> dict[str, str | None]:
    """By order, as they are opened with the keys that the copy has left."""
    with session(copy.settings, roles=()) as opened, closing(key_store(copy.settings)) as keys:
        payers = Payers(KeyedSeals(keys))
        found = {key: payers.opened(opened.checkout.order(1, key), 1) for key in orders}
    return {key: payer and payer.name for key, payer in found.items()}


@pytest.mark.parametrize(
    ("seed", "count"), [(1, len(VICTIMS)), *(pytest.param(seed, 40, marks=pytest.mark.long) for seed in (2, 3, 4))]
)
def test_whatever_is_killed_nothing_acknowledged_is_lost_or_doubled_and_the_books_balance(
    server_directory: Path, seed: int, count: int
) -> None:
    with RunningCopy(server_directory) as copy:
        traffic = kill_under_load(copy, kills(seed, count), seed)
        books = books_at_rest(copy)
        payers = names_of_payers(copy, traffic.acknowledged.orders)
        copy.stop()
    assert traffic.unexpected == []
    assert findings(traffic.acknowledged, books) == []
    assert payers == {key: payer_name(key) for key in traffic.acknowledged.orders}
    assert len(traffic.acknowledged.captured) > 2 * count


LINES = (Line("a", "wallet:source", "EUR", 5), Line("b", "wallet:sink", "EUR", -5))
TOLD = Acknowledged(orders={"o": 70}, transfers={"t": 5}, captured={"o"})
SOUND = Books(
    created=[("o", 70)],
    taken=[Taken("o", 70, "payment-order/s/4")],
    taken_by_rail=[("o", 70)],
    postings=[
        ("p", "transfer/t", LINES),
        ("q", "payment-order/s/4", (Line("c", "psp", "EUR", 70), Line("d", "merchant", "EUR", -70))),
    ],
    entries=[
        Entry("a", 2, "p", 5, 5, 0),
        Entry("b", 2, "p", -5, -5, 0),
        Entry("c", 2, "q", 70, 70, 0),
        Entry("d", 2, "q", -70, -70, 0),
    ],
    balances={"a": (5, 0, 2), "b": (-5, 0, 2), "c": (70, 0, 2), "d": (-70, 0, 2)},
    trial_balance={
        ("EUR", "wallet:source"): (5, 0),
        ("EUR", "wallet:sink"): (0, 5),
        ("EUR", "psp"): (70, 0),
        ("EUR", "merchant"): (0, 70),
    },
    orders_view={"o": ("captured", 70)},
)
DOCTORED: dict[str, tuple[Books, str]] = {
    "an order is missing": (replace(SOUND, created=[]), "acknowledged order o"),
    "an order is there twice": (replace(SOUND, created=SOUND.created * 2), "created 2 times"),
    "an order has another amount": (replace(SOUND, created=[("o", 71)]), "acknowledged order o"),
    "an order was never captured": (replace(SOUND, taken=[]), "captured 0 times"),
    "an order was captured twice": (replace(SOUND, taken=SOUND.taken * 2), "captured 2 times"),
    "an order is not captured in its view": (replace(SOUND, orders_view={"o": ("unknown", 0)}), "in its view"),
    "the rail took nothing": (replace(SOUND, taken_by_rail=[]), "more than the rail did"),
    "the rail took the money twice": (replace(SOUND, taken_by_rail=SOUND.taken_by_rail * 2), "more than we know"),
    "the rail took another amount": (replace(SOUND, taken_by_rail=[("o", 69)]), "more than we know"),
    "a transfer is missing": (replace(SOUND, postings=SOUND.postings[1:]), "acknowledged transfer t"),
    "a transfer was posted twice": (replace(SOUND, postings=[*SOUND.postings, ("r", "transfer/t", LINES)]), "2 times"),
    "a capture was not posted": (replace(SOUND, postings=SOUND.postings[:1]), "was posted 0 times"),
    "a posting does not balance": (replace(SOUND, postings=[("p", "x", LINES[:1])]), "does not balance"),
    "a line never reached its wallet": (replace(SOUND, entries=SOUND.entries[1:]), "lacks the line"),
    "a line reached its wallet twice": (replace(SOUND, entries=[*SOUND.entries, SOUND.entries[0]]), "too many"),
    "a stream does not add up": (replace(SOUND, entries=[Entry("a", 2, "p", 5, 6, 0)]), "does not add up"),
    "balances lags behind": (replace(SOUND, balances={**SOUND.balances, "a": (0, 0, 1)}), "in balances"),
    "trial_balance has lost an account": (
        replace(SOUND, trial_balance=dict([*SOUND.trial_balance.items()][1:])),
        "in trial_balance",
    ),
    "the trial balance is off": (
        replace(SOUND, trial_balance={**SOUND.trial_balance, ("EUR", "psp"): (71, 0)}),
        "1 EUR off",
    ),
}


def test_the_audit_finds_nothing_in_sound_books() -> None:
    assert findings(TOLD, SOUND) == []


@pytest.mark.parametrize("wrong", DOCTORED)
def test_the_audit_finds_what_was_doctored(wrong: str) -> None:
    books, sentence = DOCTORED[wrong]
    assert any(sentence in found for found in findings(TOLD, books))
