"""Whatever happens to an order, in whatever order: amounts add up, postings balance, and the state table holds."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import posting_for
from domain.payment_states import START, TRANSITIONS, allows
from domain.payment_status import STATUSES
from tests.domain.walks import a_life, rare_lives

SEEDS = st.integers(0, 2**32)


def _check_amounts(order: Any) -> None:
    assert all(attempt.held_minor >= 0 for attempt in order.attempts)
    taken_directly = sum(item.captured_minor for item in order.attempts if not item.authorized_minor)
    assert order.authorized_minor + taken_directly == order.captured_minor + order.released_minor + order.held_minor
    done = [capture for capture in order.captures.values() if capture.state in ("captured", "returned")]
    assert sum(share.gross_minor for capture in done for share in capture.shares) == order.captured_minor
    assert all(0 <= share.commission_minor <= share.gross_minor for capture in done for share in capture.shares)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(SEEDS)
def test_captures_are_the_sum_of_their_shares_and_no_amount_is_lost(seed: int) -> None:
    order: Any = None
    for event in a_life(seed):
        order = event.mutate(order)
        assert order.status in STATUSES
        _check_amounts(order)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(SEEDS)
def test_every_posting_balances_and_the_memo_hold_is_what_stands_authorised(seed: int) -> None:
    order: Any = None
    balances: dict[tuple[str, str], int] = defaultdict(int)
    references = []
    for event in a_life(seed):
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
    assert balances["memo:auth_hold:psp", "EUR"] == order.held_minor
    assert balances["exp:psp_cost", "EUR"] == order.cost_minor


def test_the_state_table_allows_exactly_what_orders_do() -> None:
    seen = set()
    lives = chain((a_life(seed) for seed in range(20_000)), rare_lives())
    for number, life in enumerate(lives):
        order: Any = None
        before = START
        for event in life:
            order = event.mutate(order)
            after = order.status
            assert allows(before, event.TOPIC, after), (number, before, event.TOPIC, after)
            seen.add((before, event.TOPIC, after))
            before = after
    drawn = {(state, row.topic, row.to_state) for row in TRANSITIONS for state in row.from_states}
    assert drawn - seen == set(), "the table draws transitions that no order makes"
