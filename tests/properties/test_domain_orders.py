"""Whatever happens to an order, in whatever order: amounts add up, postings balance, and the state table holds."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import PaymentOrder, RuleViolation, Split, posting_for
from domain.payment_states import START, allows
from domain.payment_status import STATUSES
from tests.domain.builders import CAPTURE, CAPTURE_2, LATER, NOW, an_order

CAPTURE_IDS = st.sampled_from([CAPTURE, CAPTURE_2, CAPTURE[:-1] + "3"])
AMOUNTS = st.integers(0, 1_200) | st.just(1_000)
ATTEMPTS = st.sampled_from([1, 1, 1, 2])


def _command(name: str, **arguments: Any) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(name), st.fixed_dictionaries({"at": st.sampled_from([NOW, LATER]), **arguments}))


def _commands(rail: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    text = st.just("x")
    money = {"amount_minor": AMOUNTS, "currency": st.sampled_from(["EUR"] * 9 + ["USD"]), "rail_reference": text}
    common = [
        _command(
            "start_attempt", rail=st.just(rail), method=text, amount_minor=st.just(1_000) | AMOUNTS, attempt_key=text
        ),
        _command(
            "capture",
            capture_id=CAPTURE_IDS,
            attempt=ATTEMPTS,
            final=st.booleans(),
            cost_minor=st.sampled_from([0, 3]),
            **money,
        ),
        _command("cancel", reason=text),
        _command("expire"),
        _command("release_funds", capture_id=CAPTURE_IDS),
    ]
    if rail == "recorded":
        return st.one_of(common)
    return st.one_of(
        *common,
        _command("authorize", attempt=ATTEMPTS, **money),
        _command("request_capture", capture_id=CAPTURE_IDS, amount_minor=AMOUNTS, final=st.booleans()),
        _command("request_capture", capture_id=CAPTURE_IDS, amount_minor=st.integers(1, 400), final=st.just(False)),
        _command("fail_capture", capture_id=CAPTURE_IDS, code=text),
        _command("decline", attempt=ATTEMPTS, code=text, decline_class=st.sampled_from(["hard", "soft"])),
        _command(
            "mark_unknown", attempt=ATTEMPTS, operation=st.sampled_from(["authorise", "capture", "void"]), reason=text
        ),
        _command("resolve", attempt=ATTEMPTS, source=text, evidence=st.just({})),
        _command("request_void", reason=text),
        _command("void", attempt=ATTEMPTS),
        _command("expire_authorization", attempt=ATTEMPTS),
    )


WALKS = st.one_of(st.lists(_commands("simulator"), max_size=14), st.lists(_commands("recorded"), max_size=8))
WEIGHTS = st.lists(st.integers(0, 50), min_size=1, max_size=5).filter(any)


def _walk(weights: list[int], steps: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    splits = [Split(f"00000000-0000-0000-0000-{number:012d}", weight) for number, weight in enumerate(weights)]
    order = an_order(splits=splits, amount_minor=sum(weights) if sum(weights) > 1_000 else 1_000, merchant_id=None)
    for name, arguments in steps:
        try:
            getattr(order, name)(**arguments)
        except RuleViolation as refusal:
            assert refusal.message
    return list(order.collect_events())


def _scaled(weights: list[int]) -> list[int]:
    weights = list(weights)
    weights[0] += max(0, 1_000 - sum(weights))
    return weights


@settings(max_examples=250, derandomize=True, deadline=None)
@given(WEIGHTS, WALKS)
def test_behaviour_agrees_with_the_state_table_and_amounts_add_up(
    weights: list[int], steps: list[tuple[str, dict[str, Any]]]
) -> None:
    order: Any = None
    before = START
    for event in _walk(_scaled(weights), steps):
        order = event.mutate(order)
        assert order.status in STATUSES
        assert allows(before, event.TOPIC, order.status), (before, event.TOPIC, order.status)
        before = order.status
        assert order.held_minor >= 0
        assert all(attempt.held_minor >= 0 for attempt in order.attempts)
        taken_directly = sum(item.captured_minor for item in order.attempts if not item.authorized_minor)
        assert order.authorized_minor + taken_directly == order.captured_minor + order.released_minor + order.held_minor
        done = [capture for capture in order.captures.values() if capture.state == "captured"]
        assert sum(share.gross_minor for capture in done for share in capture.shares) == order.captured_minor


@settings(max_examples=250, derandomize=True, deadline=None)
@given(WEIGHTS, WALKS)
def test_every_posting_balances_and_the_memo_hold_is_what_stands_authorised(
    weights: list[int], steps: list[tuple[str, dict[str, Any]]]
) -> None:
    order: Any = None
    balances: dict[tuple[str, str], int] = defaultdict(int)
    references = []
    for event in _walk(_scaled(weights), steps):
        order = event.mutate(order)
        draft = posting_for(event, 1)
        if draft is None:
            continue
        references.append(draft.reference)
        sums: dict[str, int] = defaultdict(int)
        for line in draft.lines:
            assert line.amount_minor != 0
            sums[line.currency] += line.amount_minor
            balances[line.address, line.currency] += line.amount_minor
        assert set(sums.values()) == {0}
    assert len(set(references)) == len(references)
    assert isinstance(order, PaymentOrder)
    assert balances["memo:auth_hold:psp", "EUR"] == order.held_minor
    assert balances["exp:psp_cost", "EUR"] == order.cost_minor
