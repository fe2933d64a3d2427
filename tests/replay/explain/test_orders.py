"""An order's steps, postings and roundings, and why its payments do not add up."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest

from domain.splitting import Share, Split
from replay.explain.difference import DifferenceExplanation, explain_difference
from replay.explain.history import History
from replay.explain.order import OrderExplanation, explain_order
from replay.explain.rounding import shares_told
from tests.replay.checks.history import ALICE, HELD, LATE, PAID, RETURNED, SELLERS, SHORT, TOO_LATE

HistoryAt = Callable[..., History]


def explained(history: History, order_id: str) -> OrderExplanation:
    found = explain_order(history, order_id)
    assert found is not None
    return found


def difference(history: History, order_id: str) -> DifferenceExplanation:
    found = explain_difference(history, order_id)
    assert found is not None
    return found


def test_every_step_says_what_it_changed_and_where_the_order_stood_then(history: HistoryAt) -> None:
    found = explained(history(), HELD)
    assert [(step.source.topic.split(".")[1], step.changes, step.status) for step in found.steps] == [
        ("created", {}, "created"),
        ("attempt-started", {}, "submitting"),
        ("authorized", {"authorized_minor": 2_000, "held_minor": 2_000}, "authorized"),
        ("capture-requested", {}, "authorized"),
        ("captured", {"captured_minor": 1_500, "held_minor": -1_500, "cost_minor": 9}, "partially_captured"),
        ("voided", {"released_minor": 500, "held_minor": -500}, "captured"),
    ]
    assert found.steps[4].words == "simulated took 1,500 EUR by attempt 1"
    assert (found.status, found.authorized_minor, found.captured_minor, found.held_minor) == (
        "captured",
        2_000,
        1_500,
        0,
    )
    assert {step.source.actor for step in found.steps} == {"key:demo"}


def test_money_that_went_back_is_counted_where_it_went_back(history: HistoryAt) -> None:
    found = explained(history(), RETURNED)
    assert (found.status, found.captured_minor, found.returned_minor, found.cost_minor) == ("captured", 900, 601, 7)
    first, second = found.steps[-2:]
    assert first.words == "500 EUR went back to the payer: MD06"
    assert (first.changes, second.changes) == ({"returned_minor": 500, "cost_minor": 7}, {"returned_minor": 101})
    assert [posting.rule for posting in first.postings] == ["payment-returned.v1"]
    words = [share.gross_words.partition(", ")[0] for share in second.shares]
    assert words == ["101 x 600 / 900 = 67 and 300/900", "101 x 300 / 900 = 33 and 600/900"]


def test_every_posting_is_shown_with_its_lines_at_the_step_that_caused_it(history: HistoryAt) -> None:
    found = explained(history(), PAID)
    posted = {step.source.topic.split(".")[1]: step.postings for step in found.steps if step.postings}
    assert list(posted) == ["captured", "funds-released"]
    (posting,) = posted["captured"]
    assert posting.rule == "capture.v1"
    lines = {line.address: line.debit_minor - line.credit_minor for line in posting.lines}
    assert lines == {
        "psp:recorded:clearing": 1_001,
        f"merchant:{SELLERS[0]}:pending": -600,
        f"merchant:{SELLERS[1]}:pending": -301,
        "rev:fees": -100,
    }


def test_what_a_closed_account_could_not_take_is_told(history: HistoryAt) -> None:
    (posting,) = explained(history(), TOO_LATE).steps[-1].postings
    assert posting.metadata["suspense_1"] == f"merchant:{SELLERS[2]}:pending is closed"
    assert "effective_at_reported" in posting.metadata
    assert posting.lines[1].address == "suspense:psp"


def test_commission_is_explained_in_words_and_numbers(history: HistoryAt) -> None:
    first, second = explained(history(), PAID).steps[2].shares
    assert first.gross_words == "1,001 x 667 / 1,001 = 667"
    assert first.commission_words == "667 x 1,000 / 10,000 = 66.7, up to 67"
    assert (second.commission_words, second.net_minor) == ("334 x 1,000 / 10,000 = 33.4, down to 33", 301)


@pytest.mark.parametrize(
    ("captured", "dues", "share", "gross", "commission"),
    [
        (100, [1, 1, 1], Share("0", 34, 3),
         "100 x 1 / 3 = 33 and 1/3, up: a unit left over goes to the largest remainder",
         "34 x 1,000 / 10,000 = 3.4, down to 3"),
        (100, [1, 1, 1], Share("1", 33, 3), "100 x 1 / 3 = 33 and 1/3, down", "33 x 1,000 / 10,000 = 3.3, down to 3"),
        (45, [45], Share("0", 45, 4), "all of 45", "45 x 1,000 / 10,000 = 4.5, half to even to 4"),
        (100, [100], Share("0", 100, 11), "all of 100", "100 x 1,000 / 10,000 = 10; recorded is 11"),
        (100, [50, 50], Share("0", 60, 6), "100 x 50 / 100 = 50; the rule gives 50", "60 x 1,000 / 10,000 = 6"),
    ],
)  # fmt: skip
def test_each_rounding_has_its_words(captured: int, dues: list[int], share: Share, gross: str, commission: str) -> None:
    due = [Split(str(number), amount) for number, amount in enumerate(dues)]
    (told,) = shares_told(captured, due, 1_000, [share])
    assert (told.gross_words, told.commission_words) == (gross, commission)


def test_an_order_is_told_as_of_any_position(books: str, history: HistoryAt) -> None:
    with psycopg.connect(books) as connection:
        query = "select position from log.events where topic = 'payment-order.authorized.v1'"
        row = connection.execute(query).fetchone()
    assert row is not None
    found = explained(history(row[0]), HELD)
    assert (found.status, found.captured_minor, len(found.steps)) == ("authorized", 0, 3)
    assert found.steps[2].postings == [], "it was posted after that position"
    assert explain_order(history(0), HELD) is None


def test_what_is_no_order_of_the_book_is_not_there(history: HistoryAt) -> None:
    for order_id, book in ((str(UUID(int=7)), 1), (PAID, 2), (str(ALICE), 1)):
        assert explain_order(history(book=book), order_id) is None
        assert explain_difference(history(book=book), order_id) is None


def test_a_difference_names_what_was_due_what_came_and_the_events_behind_both(history: HistoryAt) -> None:
    found = difference(history(), SHORT)
    assert (found.due_minor, found.captured_minor, found.difference_minor) == (500, 460, -40)
    assert found.words == "1 payment makes 40 less than was due"
    assert [(due.seller_id, due.amount_minor) for due in found.due] == [(SELLERS[0], 500)]
    (taken,) = found.captured
    assert (taken.amount_minor, taken.rail, taken.method, taken.rail_reference) == (460, "recorded", "card", "r4")
    assert (found.due_by.topic, taken.source.topic) == ("payment-order.created.v1", "payment-order.captured.v1")


def test_payments_that_went_back_are_named_and_are_still_payments(history: HistoryAt) -> None:
    found = difference(history(), RETURNED)
    assert (found.due_minor, found.captured_minor, found.difference_minor, found.returned_minor) == (900, 900, 0, 601)
    assert found.words == "2 payments make what was due; 601 of it went back later, 299 is left"
    assert [(back.amount_minor, back.fee_minor, back.reason, back.source.topic) for back in found.returned] == [
        (500, 7, "MD06", "payment-order.payment-returned.v1"),
        (101, 0, "MD06", "payment-order.payment-returned.v1"),
    ]


def test_an_order_without_a_difference_says_so_and_a_late_success_is_not_counted(history: HistoryAt) -> None:
    assert difference(history(), PAID).words == "1 payment makes what was due: there is no difference"
    late = difference(history(), LATE)
    assert late.words == "nothing was captured of 700 due; 1 late beside it, in suspense"
    assert [(taken.late, taken.amount_minor) for taken in late.captured] == [(True, 700)]
