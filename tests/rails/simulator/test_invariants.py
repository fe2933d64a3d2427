"""Whatever is done in whatever order, the books tie: payments with batches, batches with payouts, all with the bank."""

from __future__ import annotations

import contextlib
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rails.simulator.bank.fates import FATES
from rails.simulator.bank.requests import Transfer
from rails.simulator.books import Books
from rails.simulator.faults.kinds import fault
from rails.simulator.problem import Problem
from rails.simulator.psp import oracle
from rails.simulator.psp.requests import Authorisation, Capture, Void
from rails.simulator.psp.tokens import INSTRUMENTS
from tests.rails.simulator.desk import CREDITOR, DEBTOR
from tests.rails.simulator.files import batch, debit, file

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
HOUR_S = 3_600
FAULTS = (None, fault("late_success", {"seconds": "90000"}), fault("wrong_amount", {"by_minor": "-70"}))
# Most holds are larger than most captures, and some days bring less than they cost.
HELD = st.one_of(st.integers(5_000, 20_000), st.integers(1, 20), st.sampled_from([66_601, 66_602, 66_605]))
TAKEN = st.one_of(st.integers(1, 900), st.integers(1, 30_000))
TOKENS = st.sampled_from(["tok_visa"] * 10 + ["tok_3ds"] * 4 + sorted(INSTRUMENTS))
PLACES = st.integers(0, 2)

PAY = st.tuples(
    st.just("pay"), HELD, TOKENS, st.booleans(), st.sampled_from(FAULTS), st.sampled_from(["EUR", "EUR", "EUR", "JPY"])
)
CAPTURE = st.tuples(st.just("capture"), PLACES, TAKEN, st.booleans(), st.sampled_from(FAULTS))
VOID = st.tuples(st.just("void"), PLACES)
ANSWER = st.tuples(st.just("answer"), PLACES, st.sampled_from(["approve", "approve", "decline"]))
WAIT = st.tuples(st.just("wait"), st.sampled_from([600, HOUR_S, 20 * HOUR_S, 49 * HOUR_S, 8 * 24 * HOUR_S]))
TRANSFER = st.tuples(st.just("transfer"), st.integers(1, 50_000))
DEBIT = st.tuples(st.just("debit"), st.sampled_from([DEBTOR, *FATES]), st.booleans(), st.integers(0, 4))
STEPS = st.lists(st.one_of(PAY, PAY, CAPTURE, CAPTURE, VOID, ANSWER, WAIT, TRANSFER, DEBIT), min_size=8, max_size=40)


class World:
    """Books in which steps happen; what is refused is refused."""

    def __init__(self) -> None:
        self.books = Books(Path(":memory:"), real=lambda: START)
        self.keys = itertools.count()
        self.payments: list[str] = []

    def step(self, kind: str, *details: Any) -> None:
        self.books.days.catch_up()
        with contextlib.suppress(Problem):
            getattr(self, f"_{kind}")(*details)

    def _pay(self, amount: int, token: str, capture: bool, twist: Any, currency: str) -> None:
        key = f"pay-{next(self.keys)}"
        request = Authorisation(key, 1, amount, currency, token, capture=capture)
        outcome = self.books.payments.authorise(key, request, twist)
        again = self.books.payments.authorise(key, request, None)
        assert outcome.failure or (again.status, again.body, again.replayed) == (outcome.status, outcome.body, True)
        self.payments.append(key)

    def _id(self, place: int) -> str:
        key = self.payments[-1 - place] if place < len(self.payments) else "none"
        return str(self.books.payments.authorisation("attempt_key", key)["id"])

    def _capture(self, place: int, amount: int, final: bool, twist: Any) -> None:
        request = Capture(amount, "EUR", final=final)
        self.books.payments.capture(f"capture-{next(self.keys)}", self._id(place), request, twist)

    def _void(self, place: int) -> None:
        self.books.payments.void(f"void-{next(self.keys)}", self._id(place), Void())

    def _answer(self, place: int, decision: str) -> None:
        self.books.challenges.answer(self._id(place), decision)

    def _wait(self, seconds: int) -> None:
        self.books.change_clock({"advance_s": seconds})

    def _transfer(self, amount: int) -> None:
        request = Transfer(CREDITOR, amount, "EUR", "Ann Example", None, "NOTPROVIDED", None)
        self.books.bookings.transfer(f"transfer-{next(self.keys)}", request)

    def _debit(self, debtor: str, booking: bool, days: int) -> None:
        number = next(self.keys)
        day = (self.books.days.today + timedelta(days=days)).isoformat()
        debits = [debit(f"E{number}-{place}", debtor=debtor) for place in range(2)]
        content = file(batch(*debits, booking=str(booking).lower(), date=day), message_id=f"M{number}")
        self.books.direct_debits.submit(content)

    def sums(self, statement: str) -> dict[str, int]:
        return {row["name"]: row["sum"] for row in self.books.store.rows(statement)}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_the_books_tie_after_anything(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    for step in steps:
        world.step(*step)
    world.step("wait", 30 * 24 * HOUR_S)
    check_payments(world)
    check_batches(world)
    check_bank(world)
    world.books.close()


def check_payments(world: World) -> None:
    """What payments say was captured and charged is what moved; nothing is held after a month."""
    totals = oracle.totals(world.books.store)
    moved = world.sums("select currency as name, sum(gross_minor) as sum from movements group by currency")
    fees = world.sums("select currency as name, sum(fee_minor) as sum from movements group by currency")
    for currency, row in totals.items():
        assert (row["captured_minor"], row["cost_minor"]) == (moved.get(currency, 0), fees.get(currency, 0))
        assert row["held_minor"] == 0
        assert row["authorised_minor"] == row["captured_minor"] + row["released_minor"]
    states = {row["state"] for row in oracle.payments(world.books.store, None, "", 1_000)}
    assert states <= {"captured", "declined", "voided", "expired"}


def check_batches(world: World) -> None:
    """Every movement is in one batch; every batch nets; what was carried out of the last is all that is not paid."""
    store = world.books.store
    for batch_row in store.rows("select * from batches"):
        whole = batch_row["carried_in_minor"] + batch_row["gross_minor"] - batch_row["fee_minor"]
        assert whole == batch_row["payout_minor"] + batch_row["carried_out_minor"]
        assert (batch_row["entry"] is not None) == (batch_row["payout_minor"] > 0)
    for currency in ("EUR", "JPY"):
        chain = store.rows("select * from batches where currency = ? order by day", currency)
        carried = [0, *(batch_row["carried_out_minor"] for batch_row in chain)]
        assert [batch_row["carried_in_minor"] for batch_row in chain] == carried[:-1]
    batched = world.sums("select currency as name, sum(movements) as sum from batches group by currency")
    assert batched == world.sums("select currency as name, count(*) as sum from movements group by currency")


def check_bank(world: World) -> None:
    """Details sum to entries; entries to balances; each kind of booking to what caused it."""
    store = world.books.store
    apart = (
        "select e.number from entries e join details d on d.entry = e.number group by e.number "
        "having sum(d.amount_minor) <> e.amount_minor or count(*) <> e.transactions"
    )
    assert store.rows(apart) == []
    booked = world.sums("select kind as name, sum(amount_minor) as sum from entries group by kind")
    debits = world.sums("select status as name, sum(amount_minor) as sum from direct_debits group by status")
    assert booked.get("payout", 0) == store.value("select coalesce(sum(payout_minor), 0) from batches")
    assert booked.get("direct_debit", 0) == debits.get("booked", 0) + debits.get("returned", 0)
    assert booked.get("return", 0) == -debits.get("returned", 0)
    assert "accepted" not in debits
    assert sum(row["balance_minor"] for row in world.books.accounts.all()) == sum(booked.values())


@pytest.mark.parametrize("kind", ["pay", "capture", "void", "answer", "transfer", "debit"])
def test_a_step_in_empty_books_leaves_them_whole(kind: str) -> None:
    world = World()
    details: dict[str, tuple[Any, ...]] = {
        "pay": (1_000, "tok_3ds", True, None, "EUR"),
        "capture": (0, 5, True, None),
        "void": (0,),
        "answer": (0, "approve"),
        "transfer": (1,),
        "debit": (DEBTOR, True, 0),
    }
    world.step(kind, *details[kind])
    world.step("wait", 30 * 24 * HOUR_S)
    check_payments(world)
    check_batches(world)
    check_bank(world)
    world.books.close()
