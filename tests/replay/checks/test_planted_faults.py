"""Each fault, written into the database by its owner, is found by the check that is there for it, and by no other.

What was made from the log before it was spoilt is thrown away first: it would differ as well, and rightly so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.utils import get_topic

from domain.ids import stream_id
from domain.merchant import Merchant
from replay.checks.check import Finding
from tests.replay.checks import history
from tests.replay.checks.history import CAROL, HOLD, PAID, REVERTED, TRANSFER, order_stream
from tests.replay.checks.order_faults import ORDER_FAULTS
from tests.replay.checks.planting import (
    REMOVE,
    RENUMBER,
    Plant,
    becomes,
    edit,
    insert,
    last_numbers,
    shift,
    state_of,
    versions,
    where,
)
from tests.replay.checks.verifying import findings_of, spoil


def a_row_is_damaged(url: str) -> Any:
    stream, _ = where(url, "book.opened.v1")
    spoil(url, "update log.events set state = 'torn' where stream_id = %s", stream)
    return None, None


def a_topic_is_unknown(url: str) -> Any:
    insert(url, uuid4(), 1, "demo.happened.v1")
    return None, None


def an_event_was_removed(url: str) -> Any:
    stream, version = where(url, "wallet.frozen.v1")
    spoil(url, REMOVE, stream, version)
    return version, version + 1


def an_event_is_of_another_book(url: str) -> Any:
    stream, version = where(url, "wallet.metadata-changed.v1")
    spoil(url, "update log.events set book = 2 where stream_id = %s and version = %s", stream, version)
    return "book 1, wallet", "book 2, wallet"


def a_hold_does_not_balance(url: str) -> Any:
    """Its first line takes 1 less; where that was reserved is changed alike, so that only the sum is wrong."""
    stream = stream_id(1, "posting", "hold/open")
    lines = state_of(url, stream, 1)["lines"]
    lines[1]["amount_minor"] -= 1
    edit(url, stream, 1, lines=lines)
    return 0, -1


def a_line_came_twice(url: str) -> Any:
    """Right numbers behind it, so that the wallet by itself is sound."""
    last = last_numbers(url, history.CASH)
    version, amount = last.pop("version"), last["amount_minor"]
    insert(url, history.CASH, version + 1, "wallet.posted.v1", **last | {"posted_after": last["posted_after"] + amount})
    return 0, amount


def a_line_never_came(url: str) -> Any:
    """The last event of the bank's wallet."""
    last = last_numbers(url, history.CASH)
    spoil(url, REMOVE, history.CASH, last["version"])
    return last["amount_minor"], 0


def a_line_is_another(url: str) -> Any:
    """The wallet adds up, and its posting says something else."""
    last = last_numbers(url, history.CASH)
    amounts = {"amount_minor": last["amount_minor"] - 3, "posted_after": last["posted_after"] - 3}
    edit(url, history.CASH, last["version"], **amounts)
    return last["amount_minor"], last["amount_minor"] - 3


def a_balance_is_wrong(url: str) -> Any:
    last = last_numbers(url, history.CASH)
    edit(url, history.CASH, last["version"], posted_after=last["posted_after"] + 7)
    return last["posted_after"], last["posted_after"] + 7


def what_is_held_is_wrong(url: str) -> Any:
    last = last_numbers(url, history.CASH)
    edit(url, history.CASH, last["version"], held_after=7)
    return 0, 7


def a_hold_reserved_too_little(url: str) -> Any:
    """And its wallet adds up."""
    stream, version = where(url, "wallet.held.v1", posting_id=str(stream_id(1, "posting", "hold/open")))
    edit(url, stream, version, held_minor=550)
    shift(url, stream, version, "held_after", -50)
    return 600, 550


def a_hold_was_voided_after_it_had_ended(url: str) -> Any:
    version = versions(url, HOLD)
    insert(url, HOLD, version + 1, "posting.hold-voided.v1", lines=[])
    return None, None


def a_reversal_is_forgotten(url: str) -> Any:
    spoil(url, REMOVE, REVERTED, 2)
    return 200, 0


def more_was_taken_back_than_moved(url: str) -> Any:
    """The original, with all that follows from it, is over less than its reversal."""
    lines = [
        {**line, "amount_minor": line["amount_minor"] * 150 // 500} for line in state_of(url, REVERTED, 1)["lines"]
    ]
    edit(url, REVERTED, 1, lines=lines)
    for line in lines:
        stream, version = where(
            url, "wallet.posted.v1", posting_id=str(REVERTED), amount_minor=line["amount_minor"] // 3 * 10
        )
        edit(url, stream, version, amount_minor=line["amount_minor"])
        shift(url, stream, version, "posted_after", line["amount_minor"] - line["amount_minor"] // 3 * 10)
    return 150, 200


def a_request_overdrew(url: str) -> Any:
    """As if Carol had never been given a limit."""
    edit(url, CAROL, 1, overdraft_limit_minor=0)
    return 0, -50


def a_hold_overdrew(url: str) -> Any:
    """As if it had reserved more than Alice has, all along."""
    hold = stream_id(1, "posting", "hold/open")
    stream, version = where(url, "wallet.held.v1", posting_id=str(hold))
    edit(url, stream, version, held_minor=600 + 10_000)
    shift(url, stream, version, "held_after", 10_000)
    lines = state_of(url, hold, 1)["lines"]
    edit(url, hold, 1, lines=[{**line, "amount_minor": line["amount_minor"] // 600 * 10_600} for line in lines])
    return None


def a_frozen_wallet_took_a_request(url: str) -> Any:
    """As if Carol had stayed frozen."""
    becomes(url, CAROL, "wallet.unfrozen.v1", "wallet.metadata-changed.v1", changes={})
    return "open", "frozen"


def a_closed_wallet_took_money(url: str) -> Any:
    """As if Carol had been closed."""
    becomes(url, CAROL, "wallet.frozen.v1", "wallet.closed.v1", reason="gone")
    becomes(url, CAROL, "wallet.unfrozen.v1", "wallet.metadata-changed.v1", changes={})
    return "open", "closed"


def a_closed_period_took_a_posting(url: str) -> Any:
    """Posting and lines agree on a day that was closed before."""
    moment = (history.AT - timedelta(days=5)).isoformat()
    posting = stream_id(1, "posting", "transfer/overdraft")
    edit(url, posting, 1, effective_at=moment)
    for number in range(2):
        edit(url, *where(url, "wallet.posted.v1", posting_id=str(posting), line=number), effective_at=moment)
    return None


def a_fact_was_never_posted(url: str) -> Any:
    """The posting of a release goes, with its lines: what is left fits together."""
    order = order_stream(PAID)
    _, version = where(url, "payment-order.funds-released.v1", capture_id=PAID)
    posting = stream_id(1, "posting", f"payment-order/{order}/{version}")
    assert spoil(url, REMOVE, posting, 1) == 1
    for number in range(4):
        wallet, line = where(url, "wallet.posted.v1", posting_id=str(posting), line=number)
        amount = state_of(url, wallet, line)["amount_minor"]
        spoil(url, REMOVE, wallet, line)
        shift(url, wallet, line, "posted_after", -amount)
        for later in range(line + 1, versions(url, wallet) + 1):
            spoil(url, RENUMBER, wallet, later)
    return 901, 0


def a_fact_was_posted_to_another_account(url: str) -> Any:
    """Both lines of the adjustment's posting stand, but the fact said something else."""
    adjustment = stream_id(1, "adjustment", str(UUID(int=201)))
    state = state_of(url, adjustment, 2)
    state["lines"][0]["address"] = "exp:rounding"
    edit(url, adjustment, 2, lines=state["lines"])
    return "exp:rounding EUR", "exp:writeoff EUR"


def a_posting_has_a_fact_that_is_not_there(url: str) -> Any:
    edit(url, TRANSFER, 1, cause_position=5)
    return None, 5


def a_stream_has_the_id_of_something_else(url: str) -> Any:
    merchant, fields = uuid4(), {"merchant_id": str(UUID(int=9)), "reference": None}
    insert(url, merchant, 1, "merchant.registered.v1", originator_topic=get_topic(Merchant), **fields)
    return str(stream_id(1, "merchant", str(UUID(int=9)))), str(merchant)


def a_reference_is_claimed_by_nobody(url: str) -> Any:
    edit(url, TRANSFER, 1, external_reference="rent-april")
    return None


PLANTED: list[tuple[str, Plant]] = [
    ("readable", a_row_is_damaged), ("readable", a_topic_is_unknown),
    ("stream-versions", an_event_was_removed), ("stream-versions", an_event_is_of_another_book),
    ("lines", a_line_came_twice), ("lines", a_line_never_came), ("lines", a_line_is_another),
    ("wallet-numbers", a_balance_is_wrong), ("wallet-numbers", what_is_held_is_wrong),
    ("postings-balance", a_hold_does_not_balance),
    ("holds", a_hold_reserved_too_little), ("holds", a_hold_was_voided_after_it_had_ended),
    ("reversals", a_reversal_is_forgotten), ("reversals", more_was_taken_back_than_moved),
    ("facts", a_fact_was_never_posted), ("facts", a_fact_was_posted_to_another_account),
    ("facts", a_posting_has_a_fact_that_is_not_there),
    ("references", a_stream_has_the_id_of_something_else), ("references", a_reference_is_claimed_by_nobody),
    ("limits", a_request_overdrew), ("limits", a_hold_overdrew),
    ("standing", a_frozen_wallet_took_a_request), ("standing", a_closed_wallet_took_money),
    ("standing", a_closed_period_took_a_posting),
    *(("orders", fault) for fault in ORDER_FAULTS),
]  # fmt: skip


@pytest.mark.parametrize(("check", "plant"), PLANTED, ids=lambda value: getattr(value, "__name__", value))
def test_a_planted_fault_is_found_by_its_check_alone(spoilt: str, check: str, plant: Plant) -> None:
    amounts = plant(spoilt)
    found = findings_of(spoilt)
    assert list(found) == [check], found
    first: Finding = found[check][0]
    assert first.position is not None
    assert first.stream_id is not None
    assert first.book == 1 or first.found == "book 2, wallet"
    if amounts is not None:
        assert (first.expected, first.found) == amounts, first
    assert list(findings_of(spoilt, check)) == [check], "the check finds it alone as well"
