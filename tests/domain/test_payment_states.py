"""The state table, its page and its diagram."""

from __future__ import annotations

from pathlib import Path

from domain import ALL_EVENTS
from domain.payment_states import START, TRANSITIONS, mermaid, reference_page
from domain.payment_status import STATUSES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "payment-states.md"


def test_the_reference_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), "run: python -m domain.payment_states"


def test_the_table_names_every_order_event_and_only_known_statuses() -> None:
    assert {row.topic for row in TRANSITIONS} == {topic for topic in ALL_EVENTS if topic.startswith("payment-order.")}
    assert {row.to_state for row in TRANSITIONS} == set(STATUSES)
    assert {state for row in TRANSITIONS for state in row.from_states} <= set(STATUSES) | {START}


def test_the_diagram_draws_each_change_of_status() -> None:
    assert "    submitting --> unknown: attempt-outcome-unknown\n" in mermaid()
