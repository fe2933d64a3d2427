"""What banks and providers tell later ends doubts, pays transfers, takes payments back and shows what was hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

import payments.evidence
from api.order_schemas import next_action
from domain.payment_order import PaymentOrder
from domain.told import told
from eventlog.recorded import Meta
from eventlog.sealing.memory_keys import MemoryKeyStore
from eventlog.sealing.seals import KeyedSeals
from payments.attempts import Attempts
from payments.checkout import Checkout
from payments.commands import CancelOrder
from payments.evidence import Evidence, Named
from payments.offered import Offered
from payments.orders import Orders
from projections.rail_references import VIEW
from projections.view import Fact, Rows
from rails.formats.identifiers import creditor_reference
from rails.http_calls import ReadTimeouts
from rails.port import Rail
from rails.registry import open_rail
from rails.sepa_bank import HttpBank
from rails.sepa_rail import SepaRail
from rails.simulator import magic
from rails.simulator.process import RunningSimulator, running_simulator
from tests.contracts.sepa_drill import CREDITOR, SimulatedBank
from tests.payments.shop import BOOK, TOKEN, Shop, open_shop

DAY = timedelta(days=1)
PAYER = {"name": "Ada Byron", "mandate": {"reference": "M-1", "signed_on": "2026-01-02"}}


@dataclass
class Desk:
    """A shop with a card rail and a bank, whose clocks go together."""

    shop: Shop
    bank: SimulatedBank
    rails: dict[str, Rail]
    evidence: Evidence

    def place(self, **asked: Any) -> PaymentOrder:
        """An order, and what its rail says to it."""
        return self.look(self.shop.checkout.create_order(self.shop.body(**asked)).order)

    def look(self, order: PaymentOrder) -> PaymentOrder:
        """Do what the order asks for now."""
        assert self.shop.attempts.advance(BOOK, order.id)
        return self.now(order)

    def now(self, order: PaymentOrder) -> PaymentOrder:
        found: PaymentOrder = self.shop.log.repository.get(order.id)
        return found

    def pass_(self, time: timedelta) -> None:
        """For the shop, the provider and the bank alike."""
        self.shop.clock.pass_(time)
        self.bank.client.post("/clock", json={"advance_s": time.total_seconds()}).raise_for_status()

    def tell(self) -> None:
        """Everything that the rails have to tell, and once more: nothing may come of it twice."""
        for rail in self.rails:
            while self.evidence.read(rail):
                pass
        before = self.shop.recorder.max_notification_id()
        forgetful = Evidence(*evidence_of(self.shop, self.rails))
        for rail in self.rails:
            forgetful.read(rail)
        assert self.shop.recorder.max_notification_id() == before

    def plan(self, **plan: Any) -> None:
        self.bank.client.post("/faults", json=plan).raise_for_status()


class Forgetful:
    """Checkpoints as after a crash that kept none."""

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}

    def insert_tracking(self, tracking: Any) -> None:
        self.kept[tracking.application_name] = tracking.notification_id

    def max_tracking_id(self, application_name: str) -> int | None:
        return self.kept.get(application_name)


def evidence_of(shop: Shop, rails: dict[str, Rail]) -> tuple[Any, ...]:
    def find(reference: str) -> list[Named]:
        rows: Rows = {}
        for row in shop.recorder.read(0, 10_000, topics=VIEW.topics):
            VIEW.fold(rows, Fact.of(row, shop.log.log_mapper.decode(row)))
        found = [row for row in rows.values() if row is not None and row["reference"] == reference]
        return [Named(row["book"], row["stream_id"], row["attempt"]) for row in found]

    return Orders(shop.log, Meta(actor="evidence")), rails, find, Forgetful(), shop.clock, 0.0


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with running_simulator(tmp_path_factory.mktemp("evidence") / "books.sqlite") as simulator:
        yield simulator


@pytest.fixture
def desk(simulator: RunningSimulator) -> Iterator[Desk]:
    httpx.post(f"{simulator.url}/reset", json={}, trust_env=False).raise_for_status()
    bank = SimulatedBank(simulator.url)
    cards = open_rail("simulated", {"url": simulator.url, "read_timeout": "5"})
    rails: dict[str, Rail] = {
        "simulated": cards,
        "sepa": SepaRail(HttpBank(simulator.url, ReadTimeouts(5.0)), CREDITOR, bank.now),
    }
    shop = open_shop(None)
    shop.clock.moment = bank.now()
    shop.checkout = Checkout(shop.log, shop.clock, Offered(rails), seals=KeyedSeals(MemoryKeyStore()))
    evidence = Evidence(*evidence_of(shop, rails))
    payer_of = shop.checkout.payers.for_call
    shop.attempts = Attempts(shop.log, rails, shop.clock, payer_of=payer_of, complete=evidence.complete)
    yield Desk(shop, bank, rails, evidence)
    for rail in rails.values():
        rail.close()
    bank.client.close()


def transfer(desk: Desk) -> PaymentOrder:
    order = desk.place(rail="sepa", method="bank_transfer")
    assert (order.status, order.captured_minor) == ("requires_action", 0)
    assert order.attempts[0].instructions["amount"] == "100.00 EUR"
    return order


def reference_of(order: PaymentOrder) -> str:
    return order.attempts[0].rail_reference or ""


def debit(desk: Desk, iban: str = "DE89370400440532013000") -> PaymentOrder:
    return desk.place(rail="sepa", method="direct_debit", payer={**PAYER, "iban": iban})


def test_a_transfer_is_paid_when_it_is_booked_and_not_before(desk: Desk) -> None:
    order = transfer(desk)
    desk.tell()
    assert desk.look(order).status == "requires_action"
    desk.bank.transfer(reference_of(order), 10_000)
    desk.tell()
    order = desk.now(order)
    assert (order.status, order.captured_minor, order.attempts[0].method) == ("captured", 10_000, "bank_transfer")


def test_who_transfers_twice_has_paid_twice_and_the_second_time_waits_for_people(desk: Desk) -> None:
    order = transfer(desk)
    desk.bank.transfer(reference_of(order), 10_000)
    desk.tell()
    desk.bank.transfer(reference_of(order), 9_999)
    desk.tell()
    order = desk.now(order)
    assert (order.status, order.captured_minor, len(order.late_successes)) == ("conflicted", 10_000, 1)


def test_each_transfer_of_too_much_waits_for_people(desk: Desk) -> None:
    order = transfer(desk)
    for amount_minor in (10_001, 10_002):
        desk.bank.transfer(reference_of(order), amount_minor)
        desk.tell()
    order = desk.now(order)
    assert (order.status, order.captured_minor, len(order.late_successes)) == ("conflicted", 10_000, 2)


def test_who_transfers_too_little_pays_the_rest_and_is_told_so(desk: Desk) -> None:
    order = transfer(desk)
    desk.bank.transfer(reference_of(order), 9_000)
    desk.tell()
    order = desk.now(order)
    assert (order.status, order.captured_minor, told(order).word) == ("captured", 9_000, "action_needed")
    asked = next_action(order)
    assert asked is not None
    assert asked["instructions"]["amount"] == "10.00 EUR"
    assert asked["instructions"]["reference"].replace(" ", "") == reference_of(order)
    desk.bank.transfer(reference_of(order), 1_000)
    desk.tell()
    order = desk.now(order)
    assert (order.status, order.captured_minor, told(order).word) == ("captured", 10_000, "paid")
    assert order.attempts[0].rail_reference == reference_of(order)
    desk.bank.transfer(reference_of(order), 1)
    desk.tell()
    assert (desk.now(order).status, desk.now(order).captured_minor) == ("conflicted", 10_000)


@pytest.mark.parametrize("first", [10_000, 4_000])
def test_of_a_transfer_of_too_much_the_surplus_alone_waits_for_people(desk: Desk, first: int) -> None:
    order = transfer(desk)
    if first < 10_000:
        desk.bank.transfer(reference_of(order), first)
        desk.tell()
    desk.bank.transfer(reference_of(order), 10_700)
    desk.tell()
    order = desk.now(order)
    assert (order.status, order.captured_minor, len(order.late_successes)) == ("conflicted", 10_000, 1)
    late = [
        desk.shop.log.log_mapper.decode(row).amount_minor
        for row in desk.shop.recorder.read(0, 1_000, topics=["payment-order.late-success-detected.v1"])
    ]
    assert late == [700 if first == 10_000 else 700 + first]


def test_a_transfer_that_never_comes_ends_once_all_bookings_of_its_time_are_known(desk: Desk) -> None:
    order = transfer(desk)
    desk.pass_(13 * DAY)
    desk.tell()
    assert desk.look(order).status == "requires_action"
    desk.pass_(2 * DAY)
    assert desk.look(order).status == "requires_action", "what was booked meanwhile is not known yet"
    desk.tell()
    order = desk.look(order)
    assert (order.status, order.attempts[0].decline_code) == ("declined", "action_expired")
    desk.bank.transfer(reference_of(order), 10_000)
    desk.tell()
    assert (desk.now(order).status, desk.now(order).captured_minor) == ("conflicted", 0)


def test_a_direct_debit_is_on_its_way_until_it_is_booked(desk: Desk) -> None:
    order = debit(desk)
    assert (order.status, order.captured_minor) == ("processing", 0)
    desk.tell()
    assert desk.now(order).status == "processing"
    desk.pass_(6 * DAY)
    desk.tell()
    order = desk.now(order)
    assert (order.status, order.captured_minor) == ("captured", 10_000)


def test_asking_and_being_told_of_one_debit_come_to_one_capture(desk: Desk) -> None:
    order = debit(desk)
    desk.pass_(6 * DAY)
    assert desk.look(order).captured_minor == 10_000
    desk.tell()
    order = desk.now(order)
    assert (order.status, order.captured_minor, len(order.captures)) == ("captured", 10_000, 1)


def test_a_debit_in_doubt_is_asked_about_without_looking_through_bookings(desk: Desk) -> None:
    desk.plan(seed=1, rates={"direct_debit": {"no_reply_before": 1.0}, "notification": {"server_error_before": 1.0}},
              parameters={"no_reply_before": {"seconds": 0.1}})  # fmt: skip
    order = debit(desk)
    assert order.status == "unknown"
    desk.plan(seed=1, rates={"notification": {"server_error_before": 1.0}})
    desk.pass_(timedelta(seconds=30))
    assert desk.look(order).status == "processing"
    played = desk.bank.client.get("/faults").json()["played"]
    assert "notification" not in played


def test_a_debit_that_goes_back_was_paid_and_is_paid_no_more(desk: Desk) -> None:
    order = debit(desk, desk.bank.debtor("MD06", "returned"))
    desk.pass_(6 * DAY)
    desk.tell()
    assert desk.now(order).status == "captured"
    desk.pass_(10 * DAY)
    desk.tell()
    order = desk.now(order)
    assert (order.status, order.captured_minor, order.returned_minor) == ("returned", 10_000, 10_000)


def test_a_debit_without_a_person_any_more_is_not_collected(desk: Desk) -> None:
    keys = MemoryKeyStore()
    payers = Checkout(desk.shop.log, desk.shop.clock, Offered(desk.rails), seals=KeyedSeals(keys))
    asked = desk.shop.body(rail="sepa", method="direct_debit", payer={**PAYER, "iban": "DE89370400440532013000"})
    order = payers.create_order(asked).order
    assert order.payer is not None
    keys.erase(BOOK, order.payer.subject)
    desk.shop.attempts = Attempts(desk.shop.log, desk.rails, desk.shop.clock, payer_of=payers.payers.for_call)
    order = desk.look(order)
    assert (order.status, order.attempts[0].decline_code) == ("failed", "debtor_missing")


def test_a_doubt_that_nobody_answers_ends_with_the_settlement(desk: Desk) -> None:
    order = desk.place(rail="simulated", payment_token=TOKEN, amount_minor=magic.SERVER_ERROR_AFTER_EFFECT)
    assert order.status == "unknown"
    desk.pass_(DAY)
    desk.tell()
    order = desk.now(order)
    assert (order.status, order.captured_minor) == ("captured", magic.SERVER_ERROR_AFTER_EFFECT)
    assert order.cost_minor > 0


def test_money_that_was_taken_after_a_decline_shows_once_however_it_is_learnt(desk: Desk) -> None:
    desk.plan(seed=1, rates={"authorise": {"late_success": 1.0}})
    order = desk.place(rail="simulated", payment_token=TOKEN)
    assert (order.status, order.attempts[0].decline_code) == ("declined", "issuer_unavailable")
    desk.pass_(timedelta(hours=2))
    order = desk.look(order)
    assert (order.status, [late[:2] for late in order.late_successes]) == ("conflicted", [(1, "capture")])
    desk.pass_(DAY)
    desk.tell()
    assert len(desk.now(order).late_successes) == 1


def test_money_that_is_held_after_a_decline_is_given_back(desk: Desk) -> None:
    desk.plan(seed=1, rates={"authorise": {"late_success": 1.0}})
    order = desk.place(rail="simulated", payment_token=TOKEN, capture_mode="manual")
    desk.pass_(timedelta(hours=2))
    order = desk.look(order)
    assert (order.status, len(order.late_voided)) == ("conflicted", 1)
    (row,) = desk.bank.client.get("/v1/payments").json()["payments"]
    assert (row["state"], row["held_minor"], row["captured_minor"]) == ("voided", 0, 0)


def test_a_decline_of_the_rails_own_is_asked_about_once(desk: Desk) -> None:
    order = desk.place(rail="simulated", payment_token="tok_issuer_unavailable")  # noqa: S106
    for _ in range(3):
        desk.pass_(timedelta(hours=2))
        order = desk.look(order)
    assert desk.shop.topics().count("decline-confirmed") == 1
    assert order.status == "declined"


def test_a_settled_capture_that_was_cancelled_here_is_kept_as_late(desk: Desk) -> None:
    desk.plan(seed=1, rates={"authorise": {"late_success": 1.0}})
    order = desk.place(rail="simulated", payment_token=TOKEN)
    desk.shop.checkout.request_cancel(CancelOrder(book=BOOK, order_id=order.order_id))
    desk.pass_(DAY)
    desk.tell()
    assert desk.now(order).status == "conflicted"


def test_money_of_others_is_nobodys_here_and_keeps_nothing_up(desk: Desk) -> None:
    order = transfer(desk)
    desk.bank.transfer("thanks for nothing", 700)
    desk.bank.transfer(reference_of(order), 10_000)
    desk.tell()
    assert desk.now(order).captured_minor == 10_000


def test_names_that_nobody_knows_keep_no_page_from_being_done_with_and_are_told_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come one after the other, and each is waited for on its own."""
    orders, _, find, checkpoints, clock, _ = evidence_of(desk.shop, desk.rails)
    seconds = [0.0]
    monkeypatch.setattr(payments.evidence.time, "monotonic", lambda: seconds[0])
    evidence = Evidence(orders, {"sepa": desk.rails["sepa"]}, find, checkpoints, clock)
    before = unclaimed()
    desk.bank.transfer("thanks for nothing", 700)
    desk.bank.transfer(creditor_reference("nobody's"), 10_000)
    assert not evidence.read("sepa")
    seconds[0] = 30.0
    desk.bank.transfer(creditor_reference("nobody's either"), 10_000)
    reads = 0
    while not evidence.read("sepa"):
        seconds[0] += 10.0
        reads += 1
        assert reads < 20
    assert (seconds[0], unclaimed() - before, evidence.read("sepa")) == (90.0, 3.0, False)


def unclaimed() -> float:
    """How many bookings were told of as nobody's."""
    return REGISTRY.get_sample_value("daybook_rail_facts_total", {"rail": "sepa", "outcome": "unclaimed"}) or 0.0


def test_a_fact_whose_order_cannot_be_found_yet_is_told_again(desk: Desk) -> None:
    order = transfer(desk)
    desk.bank.transfer(reference_of(order), 10_000)
    orders, rails, find, checkpoints, clock, _ = evidence_of(desk.shop, desk.rails)
    seen: list[str] = []

    def blind(reference: str) -> list[Named]:
        seen.append(reference)
        return []

    assert not Evidence(orders, rails, blind, checkpoints, clock, 60.0).read("sepa")
    assert (seen, checkpoints.kept, desk.now(order).captured_minor) == ([reference_of(order)], {}, 0)
    assert Evidence(orders, rails, find, checkpoints, clock).read("sepa")
    assert desk.now(order).captured_minor == 10_000
