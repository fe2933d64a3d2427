"""Wallets: what they can take, what stops them, and what is remembered of them."""

from __future__ import annotations

from typing import Any

import pytest

from domain import WalletAccount, WalletHead
from domain.chart import UnknownAccount
from domain.wallet import (
    HeldNegative,
    OverdraftLimitNegative,
    WalletClosed,
    WalletFrozen,
    WalletNotClosed,
    WalletNotEmpty,
    WalletNotFrozen,
)
from tests.domain.builders import LATER, NOW, Step, a_movement, a_wallet
from tests.domain.specification import given, refused

POSTING = a_movement().id


def posted(amount_minor: int) -> Step:
    """A line is posted."""
    return lambda w: w.post(posting_id=POSTING, line=0, amount_minor=amount_minor, effective_at=NOW, at=NOW)


def held(held_minor: int) -> Step:
    """A line of a hold is reserved, or given back."""
    return lambda w: w.hold(posting_id=POSTING, line=0, held_minor=held_minor, at=NOW)


def closed(wallet: Any) -> None:
    """The wallet closes."""
    wallet.close(reason="moved", at=NOW)


def reopened(wallet: Any) -> None:
    """The wallet opens again."""
    wallet.reopen(reason="back", at=LATER)


def frozen(wallet: Any) -> None:
    """The wallet freezes."""
    wallet.freeze(reason="asked", at=NOW)


def unfrozen(wallet: Any) -> None:
    """The wallet thaws."""
    wallet.unfreeze(reason="asked", at=LATER)


@pytest.mark.parametrize(
    ("head", "amount", "code"),
    [
        (WalletHead("liability", 0, posted=-100), 100, None),
        (WalletHead("liability", 0, posted=-100), 101, "insufficient_funds"),
        (WalletHead("liability", 50, posted=-100), 150, None),
        (WalletHead("liability", 0, posted=-100, held=1), 100, "insufficient_funds"),
        (WalletHead("liability", None, posted=0), 10**9, None),
        (WalletHead("liability", 0, posted=500), -1, None),
        (WalletHead("asset", 0, posted=100), -101, "insufficient_funds"),
        (WalletHead("asset", 0, posted=-100), 1, None),
        (WalletHead("asset", None, closed=True), 1, "wallet_closed"),
        (WalletHead("asset", None, frozen=True), 1, "wallet_frozen"),
        (WalletHead("asset", None, closed=True, frozen=True), 1, "wallet_closed"),
    ],
)
def test_a_wallet_refuses_what_would_overdraw_it_and_everything_when_it_is_stopped(
    head: WalletHead, amount: int, code: str | None
) -> None:
    assert head.refusal(amount) == code


@pytest.mark.parametrize(
    ("head", "reserved", "code"),
    [
        (WalletHead("liability", 0, posted=-100), 100, None),
        (WalletHead("liability", 0, posted=-100), 101, "insufficient_funds"),
        (WalletHead("liability", 0, posted=-100, held=60), 41, "insufficient_funds"),
        (WalletHead("liability", 50, posted=-100, held=60), 90, None),
        (WalletHead("liability", None), 10**9, None),
        (WalletHead("liability", 0, posted=100), 0, None),
        (WalletHead("asset", 0, posted=100, frozen=True), 0, "wallet_frozen"),
        (WalletHead("asset", 0, posted=100, closed=True), 0, "wallet_closed"),
    ],
)
def test_a_hold_is_refused_when_less_is_available_or_the_wallet_is_stopped(
    head: WalletHead, reserved: int, code: str | None
) -> None:
    assert head.hold_refusal(reserved) == code


def test_what_was_held_can_be_committed_even_below_a_limit_lowered_since() -> None:
    assert WalletHead("liability", 0, posted=50).standing_refusal() is None
    assert WalletHead("liability", 0, frozen=True).standing_refusal() == "wallet_frozen"
    assert WalletHead("liability", 0, closed=True).standing_refusal() == "wallet_closed"


def test_a_copy_of_a_head_is_equal_and_changes_alone() -> None:
    head = WalletHead("liability", 5, posted=-7, held=3, version=9, closed=True, frozen=True)
    twin = head.copy()
    assert repr(twin) == repr(head)
    twin.posted = twin.held = 0
    assert (head.posted, head.held, head.natural, head.available) == (-7, 3, 7, 4)


def test_each_line_carries_the_balance_after_it() -> None:
    outcome = given(a_wallet(), posted(-700)).when(posted(200))
    outcome.then((WalletAccount.Posted, {"posted_after": -500, "held_after": 0}))
    head = outcome.aggregate.head
    assert (head.natural, head.available, head.version) == (500, 500, 3)


def test_a_hold_takes_off_what_is_available_and_leaves_what_is_posted() -> None:
    outcome = given(a_wallet(), posted(-700)).when(held(200))
    outcome.then((WalletAccount.Held, {"held_minor": 200, "posted_after": -700, "held_after": 200}))
    assert (outcome.aggregate.head.natural, outcome.aggregate.head.available) == (700, 500)
    given(a_wallet(), posted(-700), held(200)).when(held(-150)).then((WalletAccount.Held, {"held_after": 50}))


def test_no_more_is_given_back_than_is_held() -> None:
    given(a_wallet(), held(200)).when(held(-201)).then_raises(HeldNegative, "held_minor")


def test_a_wallet_closes_only_empty_and_only_once() -> None:
    given(a_wallet()).when(closed).then((WalletAccount.Closed, {"reason": "moved"}))
    given(a_wallet(), posted(1)).when(closed).then_raises(WalletNotEmpty)
    given(a_wallet(), held(1)).when(closed).then_raises(WalletNotEmpty)
    given(a_wallet(), closed).when(closed).then_raises(WalletClosed)


def test_reopening_undoes_closing_and_nothing_else() -> None:
    outcome = given(a_wallet(), frozen, closed).when(reopened).then((WalletAccount.Reopened, {"reason": "back"}))
    assert (outcome.aggregate.head.closed, outcome.aggregate.head.frozen) == (False, True)
    given(a_wallet()).when(reopened).then_raises(WalletNotClosed, "address")


def test_freezing_stops_requests_until_it_is_undone() -> None:
    outcome = given(a_wallet()).when(frozen).then((WalletAccount.Frozen, {"reason": "asked"}))
    assert outcome.aggregate.head.refusal(-1) == "wallet_frozen"
    outcome = given(a_wallet(), frozen).when(unfrozen).then(WalletAccount.Unfrozen)
    assert outcome.aggregate.head.refusal(-1) is None
    given(a_wallet(), frozen).when(posted(5)).then(WalletAccount.Posted)
    given(a_wallet(), frozen).when(frozen).then_raises(WalletFrozen)
    given(a_wallet()).when(unfrozen).then_raises(WalletNotFrozen)


def test_a_closed_wallet_is_neither_frozen_nor_unfrozen_nor_given_a_limit() -> None:
    for command in (frozen, unfrozen, lambda w: w.change_limit(1, at=NOW)):
        given(a_wallet(), closed).when(command).then_raises(WalletClosed)


def test_a_limit_below_what_is_drawn_lets_only_money_in() -> None:
    outcome = given(a_wallet(overdraft_limit_minor=1_000), posted(800)).when(lambda w: w.change_limit(500, at=NOW))
    outcome.then((WalletAccount.LimitChanged, {"overdraft_limit_minor": 500}))
    head = outcome.aggregate.head
    assert (head.refusal(1), head.refusal(-1), head.hold_refusal(1)) == ("insufficient_funds", None, head.refusal(1))


def test_a_limit_can_be_lifted_but_not_be_negative_and_the_same_again_is_nothing() -> None:
    outcome = given(a_wallet()).when(lambda w: w.change_limit(None, at=NOW)).then(WalletAccount.LimitChanged)
    assert outcome.aggregate.head.refusal(10**9) is None
    given(a_wallet()).when(lambda w: w.change_limit(0, at=NOW)).then_nothing()
    given(a_wallet()).when(lambda w: w.change_limit(-1, at=NOW)).then_raises(
        OverdraftLimitNegative, "overdraft_limit_minor"
    )


def test_notes_on_a_wallet_change_and_what_they_were_is_remembered() -> None:
    def noted(**changes: str | None) -> Step:
        return lambda w: w.change_metadata(changes, at=LATER)

    outcome = given(a_wallet(), noted(tier="gold", desk="7")).when(noted(tier=None, desk="7", since="2026"))
    outcome.then((WalletAccount.MetadataChanged, {"changes": {"tier": None, "since": "2026"}}))
    assert outcome.aggregate.metadata == {"desk": "7", "since": "2026"}
    assert [(entry.version, entry.changes) for entry in outcome.aggregate.metadata_history] == [
        (2, {"tier": "gold", "desk": "7"}),
        (3, {"tier": None, "since": "2026"}),
    ]
    assert outcome.aggregate.head.version == 3
    given(a_wallet(), noted(tier="gold")).when(noted(tier="gold", none=None)).then_nothing()


def test_a_wallet_of_an_unknown_address_or_a_negative_limit_is_not_opened() -> None:
    refused(UnknownAccount, "address", lambda: a_wallet(address="alice"))
    refused(OverdraftLimitNegative, "overdraft_limit_minor", lambda: a_wallet(overdraft_limit_minor=-1))
