"""What one batch decides, given wallets and intents: pure, so every rule is shown without a database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from domain.posting import Posting, PostingUnbalanced
from domain.posting_rules import DraftLine, PostingDraft
from domain.wallet import WalletAccount
from eventlog.mapper import LogMapper
from ledger.batch import Batch
from ledger.decisions import Decision, order_posting_id
from ledger.heads import Heads, balances
from ledger.wire import ChangeWallet, OpenWallet, Order, Transfer, fingerprint

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BOOK = 7


def decide(batch: Batch, order: Order) -> Decision:
    return batch.request(order, order_posting_id(order), fingerprint(order))


def made(batch: Batch) -> list[Any]:
    """The events of a batch, read back from its rows."""
    mapper = LogMapper()
    return [mapper.to_domain_event(row) for row in batch.stored]


def open_wallet(address: str, currency: str = "EUR", limit: int | None = 0) -> OpenWallet:
    key = f"open {address} {currency}"
    return OpenWallet(book=BOOK, key=key, address=address, currency=currency, overdraft_limit_minor=limit)


def transfer(heads: Heads, key: str, source: str, destination: str, amount: int, currency: str = "EUR") -> Transfer:
    return Transfer(
        book=BOOK,
        key=key,
        source=heads.wallet_id(source, currency),
        destination=heads.wallet_id(destination, currency),
        amount_minor=amount,
        currency=currency,
    )


def sale(reference: str, amount: int, pending: str = "merchant:m1:pending") -> PostingDraft:
    lines = (
        DraftLine("psp:recorded:clearing", "EUR", amount, "asset"),
        DraftLine(pending, "EUR", -amount, "liability"),
    )
    return PostingDraft(reference, "captured.v1", lines, AT, {"order": reference}, BOOK)


@pytest.fixture
def heads() -> Heads:
    """Alice with 100.00 EUR, Bob with nothing, and Dora with nothing in dollars."""
    heads = Heads(BOOK)
    batch = Batch(heads, AT)
    for address in ("wallet:alice", "wallet:bob"):
        decide(batch, open_wallet(address))
    decide(batch, open_wallet("wallet:dora", "USD"))
    batch.fact(sale("top-up", 10_000, "wallet:alice"), 1)
    batch.merge(1)
    return heads


def posted(heads: Heads, address: str) -> int:
    return heads.accounts[heads.wallet_id(address, "EUR")].head.posted


def test_a_transfer_debits_the_source_and_credits_the_destination(heads: Heads) -> None:
    batch = Batch(heads, AT)
    reply = decide(batch, transfer(heads, "k", "wallet:alice", "wallet:bob", 2_500)).reply
    assert (reply.status, [line.posted_after for line in reply.lines]) == ("posted", [-7_500, -2_500])
    recorded, first, second = made(batch)
    assert isinstance(recorded, Posting.Recorded)
    assert [line.amount_minor for line in recorded.lines] == [2_500, -2_500]
    assert (first.posted_after, second.posted_after) == (-7_500, -2_500)


def test_nothing_changes_in_memory_before_the_merge(heads: Heads) -> None:
    batch = Batch(heads, AT)
    decide(batch, transfer(heads, "k", "wallet:alice", "wallet:bob", 2_500))
    assert posted(heads, "wallet:alice") == -10_000
    batch.merge(9)
    assert (posted(heads, "wallet:alice"), posted(heads, "wallet:bob")) == (-7_500, -2_500)


def test_a_request_that_would_overdraw_is_refused_as_an_event_and_moves_nothing(heads: Heads) -> None:
    batch = Batch(heads, AT)
    reply = decide(batch, transfer(heads, "k", "wallet:alice", "wallet:bob", 10_001)).reply
    assert (reply.status, reply.code) == ("refused", "insufficient_funds")
    assert [type(event) for event in made(batch)] == [Posting.Refused]
    assert not batch.overlay


def test_requests_see_what_earlier_requests_of_the_batch_left(heads: Heads) -> None:
    batch = Batch(heads, AT)
    first = decide(batch, transfer(heads, "1", "wallet:alice", "wallet:bob", 10_000))
    second = decide(batch, transfer(heads, "2", "wallet:alice", "wallet:bob", 1))
    third = decide(batch, transfer(heads, "3", "wallet:bob", "wallet:alice", 10_000))
    assert [d.reply.status for d in (first, second, third)] == ["posted", "refused", "posted"]


@pytest.mark.parametrize(
    ("source", "destination", "currency", "code"),
    [
        ("wallet:nobody", "wallet:bob", "EUR", "unknown_wallet"),
        ("wallet:alice", "wallet:nobody", "EUR", "unknown_wallet"),
        ("wallet:alice", "wallet:alice", "EUR", "same_wallet"),
    ],
)
def test_requests_that_name_wrong_wallets_are_refused(
    heads: Heads, source: str, destination: str, currency: str, code: str
) -> None:
    assert decide(Batch(heads, AT), transfer(heads, "k", source, destination, 1, currency)).reply.code == code


def test_a_wallet_in_another_currency_is_refused(heads: Heads) -> None:
    order = Transfer(
        book=BOOK,
        key="k",
        source=heads.wallet_id("wallet:alice", "EUR"),
        destination=heads.wallet_id("wallet:dora", "USD"),
        amount_minor=1,
        currency="EUR",
    )
    assert decide(Batch(heads, AT), order).reply.code == "currency_mismatch"


def test_a_wallet_of_another_book_is_unknown(heads: Heads) -> None:
    other = Heads(BOOK + 1)
    order = transfer(heads, "k", "wallet:alice", "wallet:bob", 1)
    foreign = Transfer(
        book=BOOK,
        key="k",
        source=order.source,
        destination=other.wallet_id("wallet:bob", "EUR"),
        amount_minor=1,
        currency="EUR",
    )
    assert decide(Batch(heads, AT), foreign).reply.code == "unknown_wallet"


def test_the_same_key_twice_in_one_batch_is_answered_twice_and_posted_once(heads: Heads) -> None:
    batch = Batch(heads, AT)
    order = transfer(heads, "k", "wallet:alice", "wallet:bob", 2_500)
    first, again = decide(batch, order), decide(batch, order)
    assert (first.reply.replayed, again.reply.replayed) == (False, True)
    assert again.reply.lines == first.reply.lines
    assert batch.postings == 1


def test_the_same_key_for_another_request_is_an_error(heads: Heads) -> None:
    batch = Batch(heads, AT)
    decide(batch, transfer(heads, "k", "wallet:alice", "wallet:bob", 2_500))
    reply = decide(batch, transfer(heads, "k", "wallet:alice", "wallet:bob", 2_501)).reply
    assert (reply.status, reply.code) == ("error", "key_reused")
    assert batch.postings == 1


def test_a_closed_wallet_refuses_requests_and_sends_facts_to_suspense(heads: Heads) -> None:
    batch = Batch(heads, AT)
    close = ChangeWallet(book=BOOK, key="close", change="close", wallet_id=heads.wallet_id("wallet:bob", "EUR"))
    assert decide(batch, close).reply.status == "changed"
    assert decide(batch, transfer(heads, "k", "wallet:alice", "wallet:bob", 1)).reply.code == "wallet_closed"
    batch.fact(sale("late", 500, "wallet:bob"), 2)
    batch.merge(2)
    assert (posted(heads, "wallet:bob"), posted(heads, "suspense:psp")) == (0, -500)
    recorded = next(e for e in made(batch) if isinstance(e, Posting.Recorded) and e.reference == "late")
    assert recorded.metadata == {"order": "late", "suspense_1": "wallet:bob is closed"}


def test_a_wallet_with_money_and_the_suspense_account_are_not_closed(heads: Heads) -> None:
    batch = Batch(heads, AT)
    full = ChangeWallet(book=BOOK, key="1", change="close", wallet_id=heads.wallet_id("wallet:alice", "EUR"))
    assert decide(batch, full).reply.code == "wallet_not_empty"
    decide(batch, open_wallet("suspense:psp"))
    needed = ChangeWallet(book=BOOK, key="2", change="close", wallet_id=heads.wallet_id("suspense:psp", "EUR"))
    assert decide(batch, needed).reply.code == "wallet_needed"


def test_opening_an_address_again_under_another_key_is_refused(heads: Heads) -> None:
    order = OpenWallet(book=BOOK, key="another", address="wallet:alice", currency="EUR")
    assert decide(Batch(heads, AT), order).reply.code == "wallet_exists"


def test_chart_accounts_open_with_their_first_posting_and_facts_are_posted_once() -> None:
    heads = Heads(BOOK)
    batch = Batch(heads, AT)
    batch.fact(sale("o1", 700), 5)
    batch.fact(sale("o1", 700), 5)
    kinds = [type(event) for event in made(batch)]
    assert kinds.count(WalletAccount.Opened) == 2
    assert kinds.count(Posting.Recorded) == 1
    settled = Batch(heads, AT, posted=batch.deciding_ids)
    settled.fact(sale("o1", 700), 5)
    assert settled.stored == []


def test_a_fact_that_does_not_balance_stops_the_batch(heads: Heads) -> None:
    lines = (DraftLine("rev:fees", "EUR", 5, "income"), DraftLine("suspense:psp", "EUR", -4, "liability"))
    with pytest.raises(PostingUnbalanced):
        Batch(heads, AT).fact(PostingDraft("r", "wrong", lines, AT), 1)


def test_every_event_of_a_batch_survives_the_log_and_folds_to_the_same_head(heads: Heads) -> None:
    mapper = LogMapper()
    batch = Batch(Heads(BOOK), AT)
    decide(batch, open_wallet("wallet:alice"))
    batch.fact(sale("top-up", 300, "wallet:alice"), 1)
    events = made(batch)
    for row, event in zip(batch.stored, events, strict=True):  # written by hand, and yet what the mapper would write
        again = mapper.to_stored_event(event)
        assert (again.topic, json.loads(again.state)) == (row.topic, json.loads(row.state))
    wallet_id = heads.wallet_id("wallet:alice", "EUR")
    folded: WalletAccount | None = None
    for event in events:
        if event.originator_id == wallet_id:
            folded = event.mutate(folded)
    assert folded is not None
    mine = next(head for account, head in batch.overlay.items() if account.wallet_id == wallet_id)
    assert (folded.version, folded.head.posted) == (mine.version, mine.posted)


NAMES = ("wallet:a", "wallet:b", "wallet:c")
STEPS = st.lists(
    st.tuples(
        st.integers(0, 30),  # few keys, so that repeats are frequent
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.integers(1, 2_000),
    ),
    max_size=60,
)


@seed(20261124)
@settings(max_examples=150, deadline=None)
@given(steps=STEPS, cuts=st.sets(st.integers(0, 60)), lost=st.sets(st.integers(0, 60)))
def test_books_balance_no_request_overdraws_and_no_key_counts_twice(
    steps: list[tuple[int, str, str, int]], cuts: set[int], lost: set[int]
) -> None:
    heads = Heads(BOOK)
    batch = Batch(heads, AT)
    for name in NAMES:
        decide(batch, open_wallet(name, limit=100))
        batch.fact(sale(name, 1_000, name), 1)
    batch.merge(1)
    batch, events = Batch(heads, AT), list(made(batch))
    known: set[UUID] = set()
    for number, (key, source, destination, amount) in enumerate(steps):
        order = transfer(heads, str(key), source, destination, amount)
        if order_posting_id(order) not in known:
            decide(batch, order)
        if number in cuts:
            if number not in lost:  # else the commit failed and its overlay is dropped
                batch.merge(number)
                known.update(batch.decided)
                events += made(batch)
            batch = Batch(heads, AT)
    assert balances(heads.accounts.values()) == {"EUR": 0}
    assert all(heads.accounts[heads.wallet_id(name, "EUR")].head.available >= -100 for name in NAMES)
    ids = [(event.originator_id, event.originator_version) for event in events]
    assert len(ids) == len(set(ids))
    for name in NAMES:
        wallet_id = heads.wallet_id(name, "EUR")
        moved = [e.amount_minor for e in events if isinstance(e, WalletAccount.Posted) and e.originator_id == wallet_id]
        assert sum(moved) == heads.accounts[wallet_id].head.posted


def test_a_wallet_id_is_the_same_in_every_process() -> None:
    assert Heads(1).wallet_id("wallet:a", "EUR") == uuid5(
        UUID("6f2bd7a4-1c0e-5b7d-9a55-0f4c8f2d3b61"), "1/wallet/wallet:a|EUR"
    )
