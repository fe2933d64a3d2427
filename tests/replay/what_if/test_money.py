"""Changed posting rules and fee tables: what accounts, merchants and sellers would have had, by which events."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import share_half_even
from domain.payment_order import PaymentOrder
from domain.splitting import Share
from eventlog.application import EventLog
from projections.view import Fact
from replay.fill import EventRefused
from replay.what_if import told
from replay.what_if.answer import Answer
from replay.what_if.changes import EVERYBODY
from replay.what_if.fee_difference import FeeComparison, FeeDifference, Seller
from replay.what_if.posting_difference import Account, AccountDifference, PostingDifference
from replay.what_if.reading import Told
from tests.replay.history import AT, MERCHANT, History
from tests.replay.what_if.asking import CAPTURED, Asking, Writing, captures, shown

RULE = """
from domain.posting_rules import DraftLine, PostingDraft, posting_for as in_force
import msgspec

def posting_for(event, book):
    draft = in_force(event, book)
    if draft is None or draft.rule != "capture.v1":
        return draft
    seller = "merchant:{merchant}:pending"
    fee, owed = DraftLine("rev:fees", "EUR", -{more}, "income"), DraftLine(seller, "EUR", {more}, "liability")
    return msgspec.structs.replace(draft, lines=(*draft.lines, fee, owed))
"""


def test_a_changed_posting_rule_is_told_per_account_and_merchant(
    history: History, log: EventLog, ask: Asking, written: Writing
) -> None:
    answer = ask(written("dearer", RULE.replace("{merchant}", MERCHANT).replace("{more}", "7")))
    found = answer.postings
    assert found is not None
    count = len(captures(log))
    assert (found.changed, found.moved) == (count, 0)
    assert found.facts > count
    assert {known.account.address: known.difference_minor for known in found.accounts} == {
        f"merchant:{MERCHANT}:pending": 7 * count,
        "rev:fees": -7 * count,
    }
    assert found.merchants == {MERCHANT: {"EUR": -7 * count}}
    assert {known.event_count for known in found.accounts} == {count}
    assert {cause.topic for known in found.accounts for cause in known.events} == {CAPTURED}
    assert found.accounts[1].before_minor == -sum(s.commission_minor for e in captures(log) for s in e.shares)
    text = shown(answer)
    assert f"{count} would post other amounts" in text
    assert f"-{7 * count / 100:.2f} EUR" in text
    facts = told.facts(answer)["postings"]
    assert [known["difference_minor"] for known in facts["accounts"]] == [7 * count, -7 * count]


def test_a_rule_that_only_dates_otherwise_moves_no_money(
    history: History, log: EventLog, ask: Asking, written: Writing
) -> None:
    text = (
        "import msgspec\nfrom datetime import timedelta\nfrom domain import posting_rules\n"
        "def posting_for(event, book):\n    draft = posting_rules.posting_for(event, book)\n"
        "    return draft and msgspec.structs.replace(draft, effective_at=draft.effective_at + timedelta(days=1))\n"
    )
    found = ask(written("later", text)).postings
    assert found is not None
    assert (found.changed, found.moved, found.accounts) == (0, len(captures(log)), [])


def test_a_posting_that_no_rule_of_today_makes_is_told_too(
    history: History, log: EventLog, ask: Asking, written: Writing
) -> None:
    text = (
        "from domain.posting_rules import DraftLine, PostingDraft, posting_for as in_force\n"
        "def posting_for(event, book):\n"
        "    if event.TOPIC != 'payment-order.created.v1':\n        return in_force(event, book)\n"
        "    lines = (DraftLine('exp:rounding', 'EUR', 1, 'expense'), DraftLine('rev:fees', 'EUR', -1, 'income'))\n"
        "    return PostingDraft('x', 'created.v1', lines, event.timestamp, {}, book)\n"
    )
    created = len(log.log_recorder.read(0, 10**6, topics=["payment-order.created.v1"]))
    found = ask(written("at_once", text)).postings
    assert found is not None
    assert found.changed == created
    assert {known.account.address: known.difference_minor for known in found.accounts} == {
        "exp:rounding": created,
        "rev:fees": -created,
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def posting_for(event, book):\n    raise RuntimeError('no idea')\n", "no idea"),
        (RULE.replace("{merchant}", MERCHANT).replace("-{more}", "-1").replace("{more}", "2"), "not to zero"),
        (RULE.replace("merchant:{merchant}:pending", "nowhere:x").replace("{more}", "2"), "not in the chart"),
        ("def commission_bps(event, book):\n    return 10_001\n", "commission_bps must be 0 to 10000"),
        ("def commission_bps(event, book):\n    return 10.5\n", "whole number of basis points, not 10.5"),
        ("def commission_bps(event, book):\n    return True\n", "whole number of basis points, not True"),
        ("def commission_bps(event, book):\n    return None\n", "whole number of basis points, not None"),
    ],
)
def test_changed_code_that_fails_is_named_with_the_event(
    history: History, ask: Asking, written: Writing, text: str, problem: str
) -> None:
    with pytest.raises(EventRefused, match=rf"of failing cannot take payment-order\..* at position \d+.*{problem}"):
        ask(written("failing", text))


def test_other_fees_are_told_per_seller_and_currency(
    history: History, log: EventLog, ask: Asking, written: Writing
) -> None:
    answer = ask(written("half", 'FEES = {"*": 500}\n'))
    assert answer.fees is not None
    (found,) = answer.fees
    shares = [share for event in captures(log) for share in event.shares]
    assert found.seller == (1, MERCHANT, "EUR")
    assert found.gross_minor == sum(share.gross_minor for share in shares)
    assert found.before_minor == sum(share.commission_minor for share in shares)
    assert found.after_minor == sum(share_half_even(share.gross_minor, 500) for share in shares)
    assert found.difference_minor < 0
    assert (found.captures, answer.postings, answer.views) == (len(shares), None, [])
    assert "would be charged otherwise" in shown(answer)
    (seller,) = told.facts(answer)["fees"]["sellers"]
    assert seller["difference_minor"] == found.difference_minor
    (same,) = ask(written("agreed", f'FEES = {{"{MERCHANT}": 1000, "EUR": 1, "*": 2}}\n')).fees or []
    assert (same.difference_minor, same.event_count) == (0, 0)
    (nobody,) = ask(written("others", 'FEES = {"SEK": 0}\n')).fees or []
    assert nobody.difference_minor == 0
    (function,) = ask(written("by_rail", "def commission_bps(event, book):\n    return 500\n")).fees or []
    assert function.after_minor == found.after_minor


@pytest.mark.parametrize("text", ['FEES = {"*": 500}\n', "def commission_bps(event, book): return event.final * 500\n"])
def test_commissions_that_were_given_back_are_neither_kept_nor_charged(
    log: EventLog, database_url: str, ask: Asking, written: Writing, text: str
) -> None:
    orders = [_paid(1_000) for _ in range(3)]
    back = {"reason": "MD06", "booking_key": "b", "at": AT, "effective_at": AT}
    orders[1].return_payment(capture_id=orders[1].order_id, amount_minor=1_000, **back)  # type: ignore[arg-type]
    orders[2].return_payment(capture_id=orders[2].order_id, amount_minor=250, **back)  # type: ignore[arg-type]
    log.save(*orders)
    (found,) = ask(written("returning", text)).fees or []
    assert (found.gross_minor, found.before_minor, found.after_minor) == (1_750, 175, 50 + 50 - 12)
    assert (found.captures, found.event_count) == (3, 3)


def _paid(amount_minor: int) -> PaymentOrder:
    order = PaymentOrder.create(
        book=1, order_id=str(uuid4()), merchant_id=MERCHANT, amount_minor=amount_minor, currency="EUR", at=AT,
        commission_bps=1_000,
    )  # fmt: skip
    order.start_attempt(rail="simulated", method="card", amount_minor=amount_minor, attempt_key="1", at=AT)
    order.capture(
        attempt=1, capture_id=order.order_id, amount_minor=amount_minor, currency="EUR", rail_reference="r", at=AT
    )
    return order


@given(st.dictionaries(st.sampled_from(["a", "b", "EUR", "SEK", EVERYBODY]), st.integers(0, 10_000)))
def test_the_most_special_fee_counts_and_none_changes_nothing(fees: dict[str, int]) -> None:
    shares = [Share("a", 1_005, 100), Share("c", 999, 1)]
    event = SimpleNamespace(shares=shares, currency="EUR")
    comparison = FeeComparison("m", None, fees, lambda fact: fact.event)
    comparison.take([Told(CAPTURED, Fact(1, 1, UUID(int=1), 1, datetime(2026, 1, 1, tzinfo=UTC), event))])
    for found, share in zip(comparison.result(), shares, strict=True):
        named = [fees[name] for name in (share.seller_id, "EUR", "*") if name in fees]
        wanted = share_half_even(share.gross_minor, named[0]) if named else share.commission_minor
        assert found.after_minor == wanted
        assert found.event_count == (wanted != share.commission_minor)


def test_a_page_holds_all_parts_and_no_address(history: History, ask: Asking, written: Writing) -> None:
    text = 'FEES = {"*": 500}\nfrom tests.replay.planted.right_fees import VIEW\n'
    page = told.page(ask(written("both", text + "def posting_for(event, book):\n    return None\n")))
    assert page.count("<!doctype html>") == 1
    for wanted in (
        "What if: both",
        "Accounts, + is a debit",
        "Commissions by seller",
        "net_minor",
        "Owed to merchants",
    ):
        assert wanted in page
    assert "http" not in page


def test_a_terminal_is_shown_the_largest_difference_first_and_data_stay_in_order() -> None:
    sellers = [
        FeeDifference(Seller(1, seller, "EUR"), 1, 5_000, 0, after, [], 1)
        for seller, after in (("a", 1), ("b [/b]", -300), ("c", 20))
    ]
    accounts = [
        AccountDifference(Account(1, f"merchant:{one.seller.seller_id}:pending", "EUR"), 0, one.after_minor, [], 1)
        for one in sellers
    ]
    merchants = {one.seller.seller_id: {"EUR": one.after_minor} for one in sellers}
    postings = PostingDifference(3, 3, 0, accounts, merchants)
    answer = Answer("m", 9, 3, postings=postings, fees=sellers)
    lines = shown(answer).splitlines()
    order = [-3.00, 0.20, 0.01]
    for title, end in (("Accounts", "Owed"), ("Owed", "commissions:"), ("Commissions by seller", "")):
        begin = next(place for place, line in enumerate(lines) if line.startswith(title))
        part = itertools.takewhile(lambda line, end=end: not end or not line.startswith(end), lines[begin:])
        amounts = [re.findall(r"[+-]?\d+\.\d\d", line) for line in part]
        assert [float(found[-1]) for found in amounts if found] == order, title
    assert "b [/b]" in shown(answer)
    facts = told.facts(answer)
    assert [one["difference_minor"] for one in facts["fees"]["sellers"]] == [1, -300, 20]
    assert [one["difference_minor"] for one in facts["postings"]["accounts"]] == [1, -300, 20]
