"""The machine is worth something: each of these faults, planted in the ledger, is found by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import Phase

from domain import lines, posting, wallet_head
from domain.ids import stream_id
from domain.wallet import WalletAccount
from ledger import accounts, batch, bulk, movements, refusals, reserving
from ledger.batch import Batch
from ledger.decisions import Decision
from ledger.wire import Reply
from tests.properties.test_ledger_machine import run_in_memory

Patch = pytest.MonkeyPatch


def overdraft_is_not_checked(patch: Patch) -> None:
    patch.setattr(wallet_head.WalletHead, "refusal", lambda self, _: self.standing_refusal())


def a_hold_may_overdraw(patch: Patch) -> None:
    patch.setattr(wallet_head.WalletHead, "hold_refusal", lambda self, _: self.standing_refusal())


def committing_asks_for_no_standing(patch: Patch) -> None:
    patch.setattr(wallet_head.WalletHead, "standing_refusal", lambda _: None)


def held_is_forgotten_on_void(patch: Patch) -> None:
    right = reserving.hold_lines
    patch.setattr(movements, "hold_lines", lambda b, p, ls, sign: right(b, p, ls, sign) if sign > 0 else [])


def a_final_commit_keeps_the_rest(patch: Patch) -> None:
    patch.setattr(movements, "remaining_after", lambda *_: [])
    patch.setattr(movements, "remaining_lines", lambda *_: [])


def held_is_forgotten_on_commit(patch: Patch) -> None:
    patch.setattr(batch, "reserved_minor", lambda *_: 0)


def a_partial_reversal_has_the_wrong_sign(patch: Patch) -> None:
    right = lines.reversal_lines

    def wrong(these: Any, done: Any, amount: int | None) -> Any:
        back = right(these, done, amount)
        return back if amount is None else [msgspec.structs.replace(x, amount_minor=-x.amount_minor) for x in back]

    patch.setattr(posting, "reversal_lines", wrong)


def a_posting_can_be_reverted_twice(patch: Patch) -> None:
    right = lines.reversal_lines
    patch.setattr(posting, "reversal_lines", lambda these, _, amount: right(these, [0] * len(these), amount))


def an_atomic_bulk_keeps_a_part(patch: Patch) -> None:
    patch.setattr(Batch, "on_top", lambda self: self)
    patch.setattr(Batch, "absorb", lambda *_: None)


def an_atomic_bulk_forgets_earlier_items(patch: Patch) -> None:
    patch.setattr(bulk, "learn", lambda *_: False)


def a_reference_is_not_checked(patch: Patch) -> None:
    patch.setattr(movements, "_check_claim", lambda *_: None)
    patch.setattr(Batch, "claim", lambda *_: None)


def a_dry_run_does_not_look_for_references(patch: Patch) -> None:
    patch.setattr(batch, "learn", lambda *_: False)


def a_closed_period_takes_requests(patch: Patch) -> None:
    patch.setattr(movements, "effective_moment", lambda b, asked: asked or b.at)


def a_hold_expires_too_early(patch: Patch) -> None:
    right = posting.Posting.expire_hold
    patch.setattr(posting.Posting, "expire_hold", lambda self, *, at: right(self, at=self.expires_at or at))


def conditions_are_not_checked(patch: Patch) -> None:
    patch.setattr(movements, "check_conditions", lambda *_: None)


def a_repeated_key_is_applied_again(patch: Patch) -> None:
    right = Batch.request

    def wrong(self: Batch, order: Any, posting_id: Any, asked: str) -> Decision:
        seen = self.decided.get(posting_id) or any(known.get(posting_id) for known in self.known)
        return right(self, order, uuid4() if seen else posting_id, asked)

    patch.setattr(Batch, "request", wrong)


def a_key_is_not_bound_to_its_request(patch: Patch) -> None:
    patch.setattr(batch, "repeated", lambda reply, _: msgspec.structs.replace(reply, replayed=True))


def a_restart_adds_lines_up_twice(patch: Patch) -> None:
    right = WalletAccount.Posted.change

    def wrong(event: Any, head: Any) -> None:
        right(event, head)
        head.posted += event.amount_minor

    patch.setattr(WalletAccount.Posted, "change", wrong)


def a_restart_forgets_freezing(patch: Patch) -> None:
    for event in (WalletAccount.Frozen, WalletAccount.Unfrozen):
        patch.setattr(event, "change", lambda *_: None)


def a_wallet_with_money_is_closed(patch: Patch) -> None:
    right = accounts._check_change
    patch.setattr(accounts, "_check_change", lambda o, a, h: None if o.change == "close" else right(o, a, h))


def a_lost_batch_leaves_its_numbers_behind(patch: Patch) -> None:
    patch.setattr(wallet_head.WalletHead, "copy", lambda self: self)


def monitors_are_forgotten(patch: Patch) -> None:
    patch.setattr(Batch, "watch", lambda *_: None)


def wallets_of_any_currency_are_taken(patch: Patch) -> None:
    def wrong(b: Batch, order: Any, asked: Sequence[Any]) -> Any:
        found = [refusals.known_account(b, line.wallet_id, "lines") for line in asked]
        pairs = zip(found, asked, strict=True)
        return found, [lines.Line(a.wallet_id, a.address, a.currency, line.amount_minor) for a, line in pairs]

    patch.setattr(movements, "_resolved", wrong)


def refusals_are_not_recorded(patch: Patch) -> None:
    def wrong(b: Batch, order: Any, posting_id: Any, asked: str, code: str, detail: str) -> Decision:
        return Decision(Reply(status="refused", code=code, detail=detail, posting_id=stream_id(1, "x", "y")), -1, asked)

    patch.setattr("ledger.requests.refuse", wrong)


FOUND_SOON: list[Callable[[Patch], None]] = [
    overdraft_is_not_checked, a_hold_may_overdraw, held_is_forgotten_on_void, held_is_forgotten_on_commit,
    a_final_commit_keeps_the_rest, a_partial_reversal_has_the_wrong_sign, a_posting_can_be_reverted_twice,
    an_atomic_bulk_keeps_a_part, a_dry_run_does_not_look_for_references, conditions_are_not_checked,
    a_repeated_key_is_applied_again, a_key_is_not_bound_to_its_request, a_restart_adds_lines_up_twice,
    a_restart_forgets_freezing, a_wallet_with_money_is_closed, a_lost_batch_leaves_its_numbers_behind,
    monitors_are_forgotten, refusals_are_not_recorded,
]  # fmt: skip
FOUND_LATER: list[Callable[[Patch], None]] = [
    committing_asks_for_no_standing, an_atomic_bulk_forgets_earlier_items, a_reference_is_not_checked,
    a_closed_period_takes_requests, a_hold_expires_too_early, wallets_of_any_currency_are_taken,
]  # fmt: skip


def hunt(plant: Callable[[Patch], None], patch: Patch) -> None:
    """Plant a fault and let the machine find it; what it finds first is enough."""
    plant(patch)
    with pytest.raises(AssertionError):
        run_in_memory(600, 40, phases=[Phase.generate])


@pytest.mark.parametrize("plant", FOUND_SOON, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found(plant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    hunt(plant, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("plant", FOUND_LATER, ids=lambda plant: plant.__name__)
def test_a_planted_fault_that_few_requests_meet_is_found(plant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    hunt(plant, monkeypatch)
