"""Each fault, written into the database by its owner, is found by the check that is there for it, and by no other.

What was made from the log before it was spoilt is thrown away first: it would differ as well, and rightly so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.utils import get_topic

from domain.ids import stream_id
from domain.merchant import Merchant
from replay.checks.check import Finding
from tests.replay.checks import history
from tests.replay.checks.history import CAROL, HELD, HOLD, PAID, REVERTED, TRANSFER, order_stream
from tests.replay.checks.verifying import findings_of, spoil

STATE = "convert_from(state, 'utf8')::jsonb"
EDIT = f"""
update log.events set state = convert_to(({STATE} || %s::jsonb)::text, 'utf8') where stream_id = %s and version = %s
"""
SHIFT = f"""
update log.events
   set state = convert_to(jsonb_set({STATE}, array[%s], to_jsonb(({STATE} ->> %s)::bigint + %s))::text, 'utf8')
 where stream_id = %s and version >= %s and topic in ('wallet.posted.v1', 'wallet.held.v1')
"""
BECOMES = """
update log.events set topic = %s, state = convert_to(%s, 'utf8') where stream_id = %s and topic = %s
"""
REMOVE = "delete from log.events where stream_id = %s and version = %s"
RENUMBER = "update log.events set version = version - 1 where stream_id = %s and version = %s"
INSERT = """
insert into log.events (position, book, stream_id, version, topic, meta, state)
select max(position) + 1, 1, %s, %s, %s, '{}', convert_to(%s, 'utf8') from log.events
"""
LINE = """
select stream_id, version from log.events where topic = %s and convert_from(state, 'utf8')::jsonb @> %s::jsonb
 order by position
"""

Plant = Callable[[str], Any]
"""Spoils the database at this address; answers what the finding must hold: expected, found."""
NOW = "2026-01-01T00:00:00Z"


def edit(url: str, stream: UUID, version: int, **fields: Any) -> None:
    """Change fields of one event."""
    assert spoil(url, EDIT, json.dumps(fields), stream, version) == 1


def state_of(url: str, stream: UUID, version: int) -> dict[str, Any]:
    """An event's fields."""
    with psycopg.connect(url) as connection:
        query = f"select {STATE} from log.events where stream_id = %s and version = %s"
        found: tuple[dict[str, Any]] | None = connection.execute(query, [stream, version]).fetchone()
    assert found is not None
    return found[0]


def where(url: str, topic: str, **fields: Any) -> tuple[UUID, int]:
    """Stream and version of the last event of a topic with these fields."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(LINE, [topic, json.dumps(fields)]).fetchall()
    stream, version = rows[-1]
    return stream, version


def insert(url: str, stream: UUID, version: int, topic: str, **fields: Any) -> None:
    """Write an event that nobody caused at the end of the log."""
    assert spoil(url, INSERT, stream, version, topic, json.dumps({"timestamp": NOW, **fields})) == 1


def becomes(url: str, stream: UUID, topic: str, other: str, **fields: Any) -> None:
    """Make the event of a topic in a stream another one."""
    assert spoil(url, BECOMES, other, json.dumps({"timestamp": NOW, **fields}), stream, topic) == 1


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
    last = _last(url, history.CASH)
    version, amount = last.pop("version"), last["amount_minor"]
    insert(url, history.CASH, version + 1, "wallet.posted.v1", **last | {"posted_after": last["posted_after"] + amount})
    return 0, amount


def a_line_never_came(url: str) -> Any:
    """The last event of the bank's wallet."""
    last = _last(url, history.CASH)
    spoil(url, REMOVE, history.CASH, last["version"])
    return last["amount_minor"], 0


def a_line_is_another(url: str) -> Any:
    """The wallet adds up, and its posting says something else."""
    last = _last(url, history.CASH)
    amounts = {"amount_minor": last["amount_minor"] - 3, "posted_after": last["posted_after"] - 3}
    edit(url, history.CASH, last["version"], **amounts)
    return last["amount_minor"], last["amount_minor"] - 3


def a_balance_is_wrong(url: str) -> Any:
    last = _last(url, history.CASH)
    edit(url, history.CASH, last["version"], posted_after=last["posted_after"] + 7)
    return last["posted_after"], last["posted_after"] + 7


def what_is_held_is_wrong(url: str) -> Any:
    last = _last(url, history.CASH)
    edit(url, history.CASH, last["version"], held_after=7)
    return 0, 7


def a_hold_reserved_too_little(url: str) -> Any:
    """And its wallet adds up."""
    stream, version = where(url, "wallet.held.v1", posting_id=str(stream_id(1, "posting", "hold/open")))
    edit(url, stream, version, held_minor=550)
    _shift(url, stream, version, "held_after", -50)
    return 600, 550


def a_hold_was_voided_after_it_had_ended(url: str) -> Any:
    version = _versions(url, HOLD)
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
        _shift(url, stream, version, "posted_after", line["amount_minor"] - line["amount_minor"] // 3 * 10)
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
    _shift(url, stream, version, "held_after", 10_000)
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
    _, version = where(url, "payment-order.funds-released.v1")
    posting = stream_id(1, "posting", f"payment-order/{order}/{version}")
    assert spoil(url, REMOVE, posting, 1) == 1
    for number in range(4):
        wallet, line = where(url, "wallet.posted.v1", posting_id=str(posting), line=number)
        amount = state_of(url, wallet, line)["amount_minor"]
        spoil(url, REMOVE, wallet, line)
        _shift(url, wallet, line, "posted_after", -amount)
        for later in range(line + 1, _versions(url, wallet) + 1):
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


def an_order_expired_after_it_was_paid(url: str) -> Any:
    insert(url, order_stream(PAID), _versions(url, order_stream(PAID)) + 1, "payment-order.expired.v1")
    return None, "captured"


def an_attempt_asked_for_less_than_it_took(url: str) -> Any:
    edit(url, order_stream(HELD), 2, amount_minor=1_999)
    return 1_999, 2_000


def an_order_began_with_a_capture_of_nothing_known(url: str) -> Any:
    insert(url, order_stream(PAID), _versions(url, order_stream(PAID)) + 1, "payment-order.capture-failed.v1",
           capture_id="unknown", attempt=1, code="x")  # fmt: skip
    return None, None


def _last(url: str, wallet: UUID) -> dict[str, Any]:
    """The last event of a wallet that carries its numbers, with its version."""
    with psycopg.connect(url) as connection:
        query = f"select version, {STATE} from log.events where stream_id = %s and topic = any(%s) order by version"
        rows = connection.execute(query, [wallet, ["wallet.posted.v1", "wallet.held.v1"]]).fetchall()
    version, state = rows[-1]
    assert version == _versions(url, wallet), "the wallet's last event is another one"
    return {**state, "version": version}


def _versions(url: str, stream: UUID) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select max(version) from log.events where stream_id = %s", [stream]).fetchone()
    assert row is not None
    return int(row[0])


def _shift(url: str, wallet: UUID, version: int, field: str, amount: int) -> None:
    """Change the numbers that a wallet carries from a version on."""
    spoil(url, SHIFT, field, field, amount, wallet, version)


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
    ("orders", an_order_expired_after_it_was_paid), ("orders", an_attempt_asked_for_less_than_it_took),
    ("orders", an_order_began_with_a_capture_of_nothing_known),
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
