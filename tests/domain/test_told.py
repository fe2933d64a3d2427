"""What the person who pays is told."""

from __future__ import annotations

import pytest

from domain.payment_status import STATUSES
from domain.told import NO_REASON, WORDS, told
from tests.domain.builders import (
    NOW,
    Step,
    action_required,
    an_order,
    authorized,
    captured,
    declined,
    in_doubt,
    pending,
    started,
)


def test_there_is_a_word_for_every_status_and_it_is_one_of_few() -> None:
    assert set(WORDS) == set(STATUSES)
    assert {word for word, _ in WORDS.values()} == {
        "waiting", "processing", "action_needed", "paid", "failed", "being_checked", "returned",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("history", "word"),
    [
        ((), "waiting"),
        ((started(),), "processing"),
        ((started(), action_required()), "action_needed"),
        ((started(), pending()), "processing"),
        ((started(), authorized()), "processing"),
        ((started(), captured(10_000)), "paid"),
        ((started(), in_doubt()), "being_checked"),
        ((started(), declined("soft")), "failed"),
        ((started(), declined("hard")), "failed"),
        ((started(), declined("hard"), captured(10_000)), "being_checked"),
    ],
)
def test_the_payer_is_told_what_is_known_and_no_more(history: tuple[Step, ...], word: str) -> None:
    order = an_order()
    for step in history:
        step(order)
    assert told(order).word == word
    assert (told(order).reason is not None) == (word == "failed")


@pytest.mark.parametrize(
    ("code", "says"),
    [("insufficient_funds", "There is not enough money on the account."), ("stolen_card", NO_REASON)],
)
def test_why_it_failed_is_said_as_far_as_it_may_be(code: str, says: str) -> None:
    order = an_order()
    started()(order)
    order.decline(attempt=1, code=code, decline_class="soft", at=order.modified_on)
    assert told(order).reason == says


def test_only_what_is_paid_is_called_paid_and_only_what_was_not_taken_failed() -> None:
    assert {status for status, (word, _) in WORDS.items() if word == "paid"} == {"captured", "partially_captured"}
    assert {status for status, (word, _) in WORDS.items() if word == "failed"} == {
        "declined", "failed", "cancelled", "expired",
    }  # fmt: skip


def test_who_has_paid_a_part_is_not_told_that_it_was_all() -> None:
    short = an_order(capture_mode="automatic")
    started()(short)
    captured(9_999)(short)
    assert told(short).word == "being_checked", "a card that gave too little is for the shop to look at"
    by_transfer = an_order(capture_mode="automatic")
    by_transfer.choose_method(method="bank_transfer", return_url=None, at=NOW)
    started()(by_transfer)
    captured(9_999)(by_transfer)
    assert told(by_transfer).word == "action_needed"
