"""Requests that move or reserve money: transfers, postings, holds with their commits, and reversals."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from domain.ids import stream_id
from domain.lines import Line, remaining_after, remaining_lines, reserved_minor
from domain.posting import Posting
from ledger.decisions import RULES, Decision, order_reference, order_rule
from ledger.refusals import (
    CURRENCY_MISMATCH,
    FACT_NOT_REVERTIBLE,
    REFERENCE_TAKEN,
    SAME_WALLET,
    UNKNOWN_POSTING,
    RequestRefused,
    check_conditions,
    effective_moment,
    field_of,
    known_account,
    lines_of,
    standing,
)
from ledger.reserving import hold_lines
from ledger.wire import (
    CommitHold,
    ExpireHold,
    LineAfter,
    Order,
    PlaceHold,
    Post,
    PostLine,
    Reply,
    Revert,
    Transfer,
    VoidHold,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from ledger.batch import Batch
    from ledger.heads import Account


def transfer(batch: Batch, order: Transfer, posting_id: UUID, asked: str) -> Decision:
    """Move an amount from one wallet to another."""
    if order.source == order.destination:
        known_account(batch, order.source, "source")
        raise RequestRefused(SAME_WALLET, "source and destination are one wallet; name two")
    return post(batch, order, posting_id, asked)


def post(batch: Batch, order: Transfer | Post, posting_id: UUID, asked: str) -> Decision:
    """Post balanced lines, if every wallet can take its part."""
    accounts, lines = _resolved(batch, order, lines_of(order))
    _check_funds(batch, order, accounts, lines)
    check_conditions(batch, order.conditions)
    effective_at = effective_moment(batch, order.effective_at)
    _check_claim(batch, order.reference)
    index = batch.record(
        posting_id,
        order_reference(order),
        order_rule(order),
        effective_at,
        lines,
        order.metadata,
        asked=asked,
        external_reference=order.reference,
    )
    after: list[LineAfter] = []
    batch.post_lines(posting_id, accounts, lines, effective_at, after=after)
    if order.reference is not None:
        batch.claim(order.reference, posting_id)
    return _done(order, posting_id, index, asked, after)


def place_hold(batch: Batch, order: PlaceHold, posting_id: UUID, asked: str) -> Decision:
    """Reserve what balanced lines would take."""
    accounts, lines = _resolved(batch, order, order.lines)
    reserved: dict[Account, int] = {}
    for account, line in zip(accounts, lines, strict=True):
        part = reserved_minor(line, batch.head_of(account).account_kind)
        reserved[account] = reserved.get(account, 0) + part
    for number, account in enumerate(accounts):
        head = batch.head_of(account)
        standing(head.hold_refusal(reserved[account]), head, account, field_of(order, number), reserved[account])
    check_conditions(batch, order.conditions)
    effective_at = effective_moment(batch, order.effective_at)
    hold = Posting.place_hold(
        book=batch.heads.book,
        reference=order_reference(order),
        rule=order_rule(order),
        lines=lines,
        effective_at=effective_at,
        at=batch.at,
        metadata=order.metadata,
        fingerprint=asked,
        external_reference=order.reference,
        expires_at=order.expires_at,
    )
    _check_claim(batch, order.reference)  # last of all: appending finds a taken reference only if nothing else is wrong
    index = len(batch.stored)
    batch.postings += 1
    batch.keep_posting(hold)
    after = hold_lines(batch, posting_id, lines, 1)
    if order.reference is not None:
        batch.claim(order.reference, posting_id)
    return _done(order, posting_id, index, asked, after)


def commit_hold(batch: Batch, order: CommitHold, posting_id: UUID, asked: str) -> Decision:
    """Post what a hold reserves, or a part of it; a final commit gives back the rest."""
    hold = _posting(batch, order.hold_id, "hold_id")
    wanted = None if order.lines is None else [_line(batch, line, n) for n, line in enumerate(order.lines)]
    before = list(hold.remaining)
    lines = hold.commit_hold(
        posting_id=posting_id, at=batch.at, amount_minor=order.amount_minor, lines=wanted, final=order.final
    )
    accounts = [known_account(batch, line.wallet_id, "hold_id") for line in lines]
    for account, line in zip(accounts, lines, strict=True):
        head = batch.head_of(account)
        standing(head.standing_refusal(), head, account, "hold_id", abs(line.amount_minor))
    effective_at = effective_moment(batch, order.effective_at)
    metadata = {**order.metadata, "hold_id": str(order.hold_id)}
    index = batch.record(
        posting_id, order_reference(order), order_rule(order), effective_at, lines, metadata, asked=asked
    )
    after: list[LineAfter] = []
    batch.post_lines(posting_id, accounts, lines, effective_at, after=after, from_hold=True)
    rest = remaining_lines(hold.lines, remaining_after(hold.lines, before, lines))
    batch.keep_posting(hold)
    if hold.state == "committed" and rest:
        hold_lines(batch, order.hold_id, rest, -1)
    return _done(order, posting_id, index, asked, after)


def void_hold(batch: Batch, order: VoidHold, posting_id: UUID, asked: str) -> Decision:
    """Give back what a hold still reserves."""
    hold = _posting(batch, order.hold_id, "hold_id")
    return _ended(batch, order, posting_id, asked, hold, hold.void_hold(at=batch.at))


def expire_hold(batch: Batch, order: ExpireHold, posting_id: UUID, asked: str) -> Decision:
    """End a hold whose time has run out."""
    hold = _posting(batch, order.hold_id, "hold_id")
    return _ended(batch, order, posting_id, asked, hold, hold.expire_hold(at=batch.at))


def revert(batch: Batch, order: Revert, posting_id: UUID, asked: str) -> Decision:
    """Take a posting back, wholly or in part, if the wallets can give it."""
    original = _posting(batch, order.posting_id, "posting_id")
    if original.cause_position is not None:
        detail = f"posting_id: {order.posting_id} books a fact; what has happened is corrected by an adjustment"
        raise RequestRefused(FACT_NOT_REVERTIBLE, detail)
    lines = original.revert(by=posting_id, at=batch.at, amount_minor=order.amount_minor)
    accounts = [known_account(batch, line.wallet_id, "posting_id") for line in lines]
    _check_funds(batch, order, accounts, lines)
    effective_at = effective_moment(batch, original.effective_at if order.at_effective_date else order.effective_at)
    _check_claim(batch, order.reference)
    index = batch.record(
        posting_id,
        order_reference(order),
        order_rule(order),
        effective_at,
        lines,
        order.metadata,
        asked=asked,
        external_reference=order.reference,
        reverts=order.posting_id,
    )
    after: list[LineAfter] = []
    batch.post_lines(posting_id, accounts, lines, effective_at, after=after)
    batch.keep_posting(original)
    if order.reference is not None:
        batch.claim(order.reference, posting_id)
    return _done(order, posting_id, index, asked, after)


def _ended(
    batch: Batch, order: VoidHold | ExpireHold, posting_id: UUID, asked: str, hold: Posting, rest: Sequence[Line]
) -> Decision:
    metadata = {"hold_id": str(order.hold_id)}
    index = batch.record(posting_id, order_reference(order), order_rule(order), batch.at, [], metadata, asked=asked)
    batch.keep_posting(hold)
    return _done(order, posting_id, index, asked, hold_lines(batch, order.hold_id, rest, -1))


def _done(order: Order, posting_id: UUID, index: int, asked: str, after: Sequence[LineAfter]) -> Decision:
    reply = Reply(status=RULES[type(order)][1], posting_id=posting_id, version=1, lines=tuple(after))
    return Decision(reply, index, asked)


def _posting(batch: Batch, posting_id: UUID, field: str) -> Posting:
    """A posting to change: a copy, so that a refusal or a lost commit leaves what others see as it was."""
    found = batch.posting(posting_id)
    if found is None:
        raise RequestRefused(UNKNOWN_POSTING, f"{field}: book {batch.heads.book} has no posting {posting_id}")
    return deepcopy(found)


def _resolved(
    batch: Batch, order: Transfer | Post | PlaceHold, asked: Sequence[PostLine]
) -> tuple[list[Account], list[Line]]:
    accounts: list[Account] = []
    lines: list[Line] = []
    for number, line in enumerate(asked):
        account = batch.find(line.wallet_id)
        if account is None:
            account = known_account(batch, line.wallet_id, field_of(order, number))
        if account.currency != line.currency:
            detail = f"wallet {account.wallet_id} is in {account.currency}, not {line.currency}"
            raise RequestRefused(CURRENCY_MISMATCH, f"{field_of(order, number)}: {detail}")
        accounts.append(account)
        lines.append(Line(account.wallet_id, account.address, account.currency, line.amount_minor))
    return accounts, lines


def _line(batch: Batch, line: PostLine, number: int) -> Line:
    account = known_account(batch, line.wallet_id, f"lines.{number}")
    return Line(line.wallet_id, account.address, line.currency, line.amount_minor)


def _check_funds(batch: Batch, order: Order, accounts: Sequence[Account], lines: Sequence[Line]) -> None:
    """Refuse unless every wallet can take the sum of its lines."""
    net: dict[Account, int] = {}
    for account, line in zip(accounts, lines, strict=True):
        net[account] = net.get(account, 0) + line.amount_minor
    for number, account in enumerate(accounts):
        head = batch.head_of(account)
        code = head.refusal(net[account])
        if code is not None:
            standing(code, head, account, field_of(order, number), abs(net[account]))


def _check_claim(batch: Batch, reference: str | None) -> None:
    if reference is not None and batch.claimed(stream_id(batch.heads.book, "claim", reference)):
        detail = f"reference: {reference!r} is another posting's in this book; choose one of your own"
        raise RequestRefused(REFERENCE_TAKEN, detail)
