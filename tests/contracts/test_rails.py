"""What every rail in the registry promises, within the capabilities it declares.

A rail that does not declare a capability is held to refusing the call. Money is counted in the rail's own books, never
in the adapter's answers. A new rail needs a drill (`tests/contracts/rail_drills.py`). A row that what stands for a rail
here cannot do is waived by name in `rails/waived.py`; it is run all the same, and must fail.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from rails.facts import MoneyIn
from rails.port import (
    ActionRequired,
    Authorised,
    CapabilityNotDeclared,
    Captured,
    Declined,
    InquiryRequest,
    NotFound,
    Pending,
    Unknown,
    Voided,
)
from rails.registry import FACTORIES
from rails.waived import EXAMINED_AGAINST, WAIVED, waiver
from tests.contracts.drill import CURRENCY, Drill, Moved
from tests.contracts.rail_drills import DRILLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rails.port import RailReply

BEFORE_EFFECT = ("no_reply_before", "server_error_before")
AFTER_EFFECT = ("no_reply_after", "server_error_after", "broken_reply_after")


@pytest.fixture(scope="module", params=sorted(FACTORIES))
def drill(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    assert request.param in DRILLS, f"the rail {request.param!r} has no drill: write one, so that it can be examined"
    yield from DRILLS[request.param](tmp_path_factory)


@pytest.fixture
def moved(drill: Drill) -> Callable[[], Moved]:
    """What changed in the rail's own books since the test began."""
    before = drill.totals()
    return lambda: Moved({name: total - before[name] for name, total in drill.totals().items()})


@pytest.fixture(autouse=True)
def waived(request: pytest.FixtureRequest) -> None:
    """A waived row that passes is a waiver to be taken back."""
    node = request.node
    if hasattr(node, "callspec") and "drill" in node.callspec.params:
        reason = waiver(node.callspec.params["drill"], node.originalname, list(node.callspec.params.values()))
        if reason is not None:
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


def test_only_rows_that_exist_are_waived() -> None:
    rows = {row.split("[")[0] for waivers in WAIVED.values() for row in waivers}
    assert rows - set(dir(TestRail)) == set()
    assert set(WAIVED) <= set(FACTORIES) == set(EXAMINED_AGAINST)


def declared(drill: Drill, *capabilities: str) -> bool:
    return all(getattr(drill.rail.capabilities, capability) for capability in capabilities)


def found_by_key(drill: Drill) -> bool:
    """Whether an attempt can be asked about that the rail gave no reference for."""
    return drill.rail.capabilities.inquiry and not drill.rail.capabilities.inquiry_needs_reference


def taken(drill: Drill, *, capture: bool) -> type[Authorised | Captured]:
    """What a payment that goes well comes to: a rail that cannot hold takes at once, whatever was asked for."""
    return Captured if capture or not declared(drill, "capture") else Authorised


class TestRail:
    """Read top to bottom: what is declared, the good days, the refusals, the bad days."""

    def test_it_carries_the_name_it_is_registered_under(self, drill: Drill, request: pytest.FixtureRequest) -> None:
        assert f"[{drill.rail.name}]" in request.node.name

    def test_a_rail_that_makes_no_calls_declares_no_operation(self, drill: Drill) -> None:
        told = {each.name: getattr(drill.rail.capabilities, each.name) for each in fields(drill.rail.capabilities)}
        flags = {name: value for name, value in told.items() if isinstance(value, bool)}
        assert flags["calls"] == any(value for name, value in flags.items() if name != "calls")

    def test_what_is_not_declared_is_refused_and_the_refusal_says_so(self, drill: Drill) -> None:
        nothing = Authorised("reference", 1, None)
        calls: dict[str, Callable[[], object]] = {
            "authorise": lambda: drill.rail.authorise(drill.authorisation(1, capture=True)),
            "capture": lambda: drill.rail.capture(drill.capture_of(nothing, 1)),
            "void": lambda: drill.rail.void(drill.void_of(nothing)),
            "inquiry": lambda: drill.rail.inquire(InquiryRequest("attempt/none")),
        }
        for capability, call in calls.items():
            if not declared(drill, capability):
                with pytest.raises(CapabilityNotDeclared, match=f"'{drill.rail.name}'.*'{capability}'"):
                    call()

    def test_an_automatic_payment_is_captured_in_full(self, drill: Drill, moved: Callable[[], Moved]) -> None:
        if declared(drill, "authorise"):
            request = drill.authorisation(10_000, capture=True)
            reply = drill.decided(request, drill.rail.authorise(request))
            assert isinstance(reply, Captured)
            assert reply.amount_minor == 10_000
            assert moved() == {"captured": 10_000, "cost": reply.cost_minor}

    def test_a_pending_payment_has_moved_nothing_until_the_rail_tells_of_it(
        self, drill: Drill, moved: Callable[[], Moved]
    ) -> None:
        if declared(drill, "pending", "inquiry"):
            request = drill.authorisation(10_100, capture=True)
            waits = drill.rail.authorise(request)
            assert isinstance(waits, Pending)
            assert drill.rail.inquire(InquiryRequest(request.attempt_key, None, waits.rail_reference)) == waits
            assert moved() == {}
            told = drill.decided(request, waits)
            assert isinstance(told, Captured)
            assert (told.rail_reference, told.amount_minor) == (waits.rail_reference, 10_100)
            assert moved() == {"captured": 10_100, "cost": told.cost_minor}

    def test_money_that_was_taken_is_told_of_later_and_the_same_when_asked_again(self, drill: Drill) -> None:
        if declared(drill, "facts"):
            rail: Any = drill.rail
            request = drill.authorisation(10_200, capture=True)
            reference = rail.authorise(request).rail_reference
            assert drill.pass_time is not None, "the drill must let time pass for a rail that tells later"
            drill.pass_time()
            told, after = [], -1
            page = rail.facts(0)
            while page.next_after > after:
                assert rail.facts(max(after, 0)) == page, "a page that is asked for again tells the same"
                told, after = [*told, *page.facts], page.next_after
                page = rail.facts(after)
            found = [fact for fact in told if isinstance(fact, MoneyIn)]
            (fact,) = [fact for fact in found if fact.payment in (request.attempt_key, reference)]
            assert (fact.amount_minor, fact.currency) == (10_200, CURRENCY)
            assert len({fact.booking_key for fact in found}) == len(found)

    def test_a_manual_payment_is_held_until_it_is_captured(self, drill: Drill, moved: Callable[[], Moved]) -> None:
        if declared(drill, "authorise", "capture"):
            _, held = drill.hold(12_345)
            assert held.capture_before is None or held.capture_before > datetime.now(UTC)
            assert moved() == {"held": 12_345}
            reply = drill.rail.capture(drill.capture_of(held, 12_345, final=True))
            assert isinstance(reply, Captured)
            assert (reply.rail_reference, reply.amount_minor) == (held.rail_reference, 12_345)
            assert moved() == {"captured": 12_345, "cost": reply.cost_minor}

    def test_a_final_partial_capture_gives_the_rest_back(self, drill: Drill, moved: Callable[[], Moved]) -> None:
        if declared(drill, "capture", "partial_capture"):
            _, held = drill.hold(10_000)
            reply = drill.rail.capture(drill.capture_of(held, 4_000, final=True))
            assert isinstance(reply, Captured)
            assert moved() == {"captured": 4_000, "released": 6_000, "cost": reply.cost_minor}
            assert isinstance(drill.rail.capture(drill.capture_of(held, 1)), Declined)

    def test_several_captures_take_their_sum_and_inquiry_tells_it(
        self, drill: Drill, moved: Callable[[], Moved]
    ) -> None:
        if declared(drill, "capture", "multiple_capture", "inquiry"):
            request, held = drill.hold(10_000)
            replies = [drill.rail.capture(drill.capture_of(held, amount)) for amount in (3_000, 2_500, 4_500)]
            cost = sum(reply.cost_minor for reply in replies if isinstance(reply, Captured))
            assert moved() == {"captured": 10_000, "cost": cost}
            told = drill.rail.inquire(InquiryRequest(request.attempt_key, None, held.rail_reference))
            assert told == Captured(held.rail_reference, 10_000, cost)

    def test_a_void_gives_back_what_was_not_captured(self, drill: Drill, moved: Callable[[], Moved]) -> None:
        if declared(drill, "void", "multiple_capture", "inquiry"):
            request, held = drill.hold(10_000)
            taken = drill.rail.capture(drill.capture_of(held, 1_000))
            assert isinstance(taken, Captured)
            assert drill.rail.void(drill.void_of(held)) == Voided(held.rail_reference, 9_000)
            assert moved() == {"captured": 1_000, "released": 9_000, "cost": taken.cost_minor}
            told = drill.rail.inquire(InquiryRequest(request.attempt_key, None, held.rail_reference))
            assert told == Voided(held.rail_reference, 9_000)
            assert isinstance(drill.rail.capture(drill.capture_of(held, 1)), Declined)

    def test_a_void_before_any_capture_gives_back_the_whole_hold(
        self, drill: Drill, moved: Callable[[], Moved]
    ) -> None:
        if declared(drill, "void", "inquiry"):
            request, held = drill.hold(10_000)
            assert drill.rail.void(drill.void_of(held)) == Voided(held.rail_reference, 10_000)
            assert moved() == {"released": 10_000}
            told = drill.rail.inquire(InquiryRequest(request.attempt_key, None, held.rail_reference))
            assert told == Voided(held.rail_reference, 10_000)

    def test_what_was_voided_cannot_be_captured(self, drill: Drill, moved: Callable[[], Moved]) -> None:
        if declared(drill, "void", "capture"):
            _, held = drill.hold(10_000)
            drill.rail.void(drill.void_of(held))
            assert isinstance(drill.rail.capture(drill.capture_of(held, 1)), Declined)
            assert moved() == {"released": 10_000}

    def test_captured_money_cannot_be_voided(self, drill: Drill, moved: Callable[[], Moved]) -> None:
        if declared(drill, "void", "capture"):
            _, held = drill.hold(5_000)
            drill.rail.capture(drill.capture_of(held, 5_000, final=True))
            after_capture = moved()
            assert isinstance(drill.rail.void(drill.void_of(held)), Declined)
            assert moved() == after_capture

    @pytest.mark.parametrize("extra", [1, 10**12])
    def test_a_capture_of_more_than_is_left_is_refused_and_takes_nothing(
        self, drill: Drill, moved: Callable[[], Moved], extra: int
    ) -> None:
        if declared(drill, "capture", "multiple_capture", "inquiry"):
            request, held = drill.hold(10_000)
            taken = drill.rail.capture(drill.capture_of(held, 6_000))
            assert isinstance(taken, Captured)
            too_much = drill.capture_of(held, 4_000 + extra)
            refusal = drill.rail.capture(too_much)
            assert isinstance(refusal, Declined)
            inquiry = InquiryRequest(request.attempt_key, too_much.capture_key, held.rail_reference)
            assert drill.rail.inquire(inquiry) == refusal
            assert moved() == {"captured": 6_000, "held": 4_000, "cost": taken.cost_minor}

    def test_a_capture_of_more_than_is_held_is_refused_and_leaves_the_hold(
        self, drill: Drill, moved: Callable[[], Moved]
    ) -> None:
        if declared(drill, "capture"):
            _, held = drill.hold(10_000)
            assert isinstance(drill.rail.capture(drill.capture_of(held, 10_001)), Declined)
            assert moved() == {"held": 10_000}

    @pytest.mark.parametrize("capture", [True, False])
    @pytest.mark.parametrize("success", [True, False])
    def test_an_action_is_told_and_what_became_of_it_is_found(
        self, drill: Drill, moved: Callable[[], Moved], success: bool, capture: bool
    ) -> None:
        if declared(drill, "action", "inquiry") and (success or drill.action_can_fail):
            assert drill.act is not None, "the drill must do what the payer is asked to"
            amount = drill.amounts["action"]
            request = drill.authorisation(amount, capture=capture)
            waits = drill.rail.authorise(request)
            assert isinstance(waits, ActionRequired)
            inquiry = InquiryRequest(request.attempt_key, None, waits.rail_reference)
            still = drill.rail.inquire(inquiry)
            assert isinstance(still, ActionRequired)
            assert (still.rail_reference, still.url) == (waits.rail_reference, waits.url)
            assert moved() == {}
            drill.act(waits.rail_reference, success)
            told = drill.rail.inquire(inquiry)
            assert isinstance(told, taken(drill, capture=capture) if success else Declined)
            if isinstance(told, Captured):
                assert moved() == {"captured": amount, "cost": told.cost_minor}
            else:
                assert moved() == ({"held": amount} if success else {})

    @pytest.mark.parametrize("kind", ["hard", "soft"])
    @pytest.mark.parametrize("capture", [True, False])
    def test_a_decline_tells_its_class_and_moves_nothing(
        self, drill: Drill, moved: Callable[[], Moved], kind: str, capture: bool
    ) -> None:
        if declared(drill, "authorise"):
            request = drill.authorisation(drill.amounts[f"{kind}_decline"], capture=capture)
            reply = drill.rail.authorise(request)
            assert isinstance(reply, Declined)
            assert (reply.decline_class, bool(reply.code)) == (kind, True)
            if found_by_key(drill):
                assert drill.rail.inquire(InquiryRequest(request.attempt_key)) == reply
            assert moved() == {}

    def test_a_declined_capture_leaves_the_hold(self, drill: Drill, moved: Callable[[], Moved]) -> None:
        if declared(drill, "capture", "partial_capture"):
            _, held = drill.hold(100_000)
            assert isinstance(drill.rail.capture(drill.capture_of(held, drill.amounts["soft_decline"])), Declined)
            assert moved() == {"held": 100_000}

    def test_one_key_sent_twice_has_one_effect_and_one_reply(self, drill: Drill, moved: Callable[[], Moved]) -> None:
        if declared(drill, "idempotency_keys", "capture", "void", "multiple_capture"):
            request, held = drill.hold(9_000)
            capture, void = drill.capture_of(held, 2_000), drill.void_of(held)
            assert drill.rail.authorise(request) == held
            taken = drill.rail.capture(capture)
            assert drill.rail.capture(capture) == taken
            assert drill.rail.void(void) == drill.rail.void(void) == Voided(held.rail_reference, 7_000)
            assert isinstance(taken, Captured)
            assert moved() == {"captured": 2_000, "released": 7_000, "cost": taken.cost_minor}

    def test_one_key_sent_twice_has_one_effect_where_a_hold_is_captured_once(
        self, drill: Drill, moved: Callable[[], Moved]
    ) -> None:
        if declared(drill, "idempotency_keys", "capture", "void") and not declared(drill, "multiple_capture"):
            request, held = drill.hold(9_000)
            assert drill.rail.authorise(request) == held
            capture = drill.capture_of(held, 9_000, final=True)
            taken = drill.rail.capture(capture)
            assert isinstance(taken, Captured)
            assert drill.rail.capture(capture) == taken
            _, other = drill.hold(7_000)
            void = drill.void_of(other)
            assert drill.rail.void(void) == drill.rail.void(void) == Voided(other.rail_reference, 7_000)
            assert moved() == {"captured": 9_000, "released": 7_000, "cost": taken.cost_minor}

    def test_one_key_sent_by_many_at_once_has_one_effect(self, drill: Drill, moved: Callable[[], Moved]) -> None:
        if declared(drill, "idempotency_keys"):
            request = drill.authorisation(7_700, capture=True)
            with ThreadPoolExecutor(8) as pool:
                replies = set(pool.map(drill.rail.authorise, [request] * 16))
            # A rail may answer that it is still at it; what it knows, it says to all alike.
            known = {reply for reply in replies if not isinstance(reply, Unknown)}
            assert len(known) == 1
            drill.decided(request, known.pop())
            assert moved()["captured"] == 7_700

    def test_a_key_used_again_for_another_request_is_unknown_and_never_a_decline(
        self, drill: Drill, moved: Callable[[], Moved]
    ) -> None:
        if declared(drill, "idempotency_keys", "inquiry"):
            first = drill.authorisation(3_000, capture=True)
            reply = drill.decided(first, drill.rail.authorise(first))
            assert isinstance(reply, Captured)
            other = replace(first, amount_minor=3_001)
            assert isinstance(drill.rail.authorise(other), Unknown)
            assert drill.rail.inquire(InquiryRequest(first.attempt_key, None, reply.rail_reference)) == reply
            assert moved()["captured"] == 3_000

    @pytest.mark.parametrize("fault", BEFORE_EFFECT)
    @pytest.mark.parametrize("capture", [True, False])
    def test_a_payment_lost_on_the_way_is_unknown_until_inquiry_finds_nothing(
        self, drill: Drill, moved: Callable[[], Moved], fault: str, capture: bool
    ) -> None:
        if declared(drill, "authorise") and found_by_key(drill):
            request = drill.authorisation(drill.amounts[fault], capture=capture)
            assert isinstance(drill.rail.authorise(request), Unknown)
            assert drill.rail.inquire(InquiryRequest(request.attempt_key)) == NotFound(request.attempt_key)
            assert moved() == {}

    @pytest.mark.parametrize("fault", AFTER_EFFECT)
    @pytest.mark.parametrize("capture", [True, False])
    def test_a_payment_whose_reply_was_lost_is_unknown_until_the_rail_tells_of_the_money(
        self, drill: Drill, moved: Callable[[], Moved], fault: str, capture: bool
    ) -> None:
        if declared(drill, "authorise", "idempotency_keys"):
            amount = drill.amounts[fault]
            request = drill.authorisation(amount, capture=capture)
            assert isinstance(drill.rail.authorise(request), Unknown)
            if found_by_key(drill):
                told: RailReply = drill.rail.inquire(InquiryRequest(request.attempt_key))
            else:
                told = drill.rail.authorise(request)
            assert drill.rail.authorise(request) == told
            assert isinstance(drill.decided(request, told), taken(drill, capture=capture))
            assert moved()["captured" if taken(drill, capture=capture) is Captured else "held"] == amount

    @pytest.mark.parametrize("fault", BEFORE_EFFECT + AFTER_EFFECT)
    def test_a_capture_of_unknown_outcome_is_resolved_by_its_own_key(
        self, drill: Drill, moved: Callable[[], Moved], fault: str
    ) -> None:
        if declared(drill, "capture", "partial_capture", "inquiry"):
            amount = drill.amounts[fault]
            request, held = drill.hold(100_000)
            capture = drill.capture_of(held, amount)
            assert isinstance(drill.rail.capture(capture), Unknown)
            inquiry = InquiryRequest(request.attempt_key, capture.capture_key, held.rail_reference)
            told = drill.rail.inquire(inquiry)
            if fault in AFTER_EFFECT:
                assert isinstance(told, Captured)
                rest = "held" if declared(drill, "multiple_capture") else "released"
                assert moved() == {"captured": amount, rest: 100_000 - amount, "cost": told.cost_minor}
            else:
                assert told == NotFound(capture.capture_key)
                assert moved() == {"held": 100_000}

    @pytest.mark.parametrize("fault", BEFORE_EFFECT + AFTER_EFFECT)
    def test_a_void_of_unknown_outcome_is_resolved_by_the_state_of_its_attempt(
        self, drill: Drill, moved: Callable[[], Moved], fault: str
    ) -> None:
        if declared(drill, "void", "multiple_capture", "inquiry"):
            left = drill.amounts[fault]
            request, held = drill.hold(left + 1_000)
            taken = drill.rail.capture(drill.capture_of(held, 1_000))
            assert isinstance(drill.rail.void(drill.void_of(held)), Unknown)
            told = drill.rail.inquire(InquiryRequest(request.attempt_key, None, held.rail_reference))
            assert told == (Voided(held.rail_reference, left) if fault in AFTER_EFFECT else taken)
            assert moved().get("released", 0) == (left if fault in AFTER_EFFECT else 0)

    def test_an_attempt_nobody_sent_is_not_found(self, drill: Drill) -> None:
        if found_by_key(drill):
            assert drill.rail.inquire(InquiryRequest("attempt/never sent ?")) == NotFound("attempt/never sent ?")
            assert drill.rail.inquire(InquiryRequest("attempt", "capture/never")) == NotFound("capture/never")
