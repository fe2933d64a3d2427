"""``daybook explain``: the events, rules and versions behind a number."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.markup import escape

from daybook.commands._ledger import asking, currency_option, json_option, print_facts, refuse
from daybook.commands._moments import as_of_option, position_of
from domain.ids import NotAUuid, canonical_uuid
from projections.queries import Queries
from replay.explain.difference import DifferenceExplanation, Returned, Taken, explain_difference
from replay.explain.history import History
from replay.explain.order import OrderExplanation, OrderStep, explain_order
from replay.explain.told import Source
from replay.explain.wallet import ENTRIES_SHOWN, EntriesDoNotClose, WalletEntry, WalletExplanation, explain_wallet

LIMIT_MAX = 10_000


@click.group()
def command() -> None:
    """Explain a number: which events, rules and versions made it. Amounts are minor units."""


@command.command("wallet")
@click.argument("wallet", metavar="WALLET")
@currency_option
@as_of_option
@click.option(
    "--limit", type=click.IntRange(min=1, max=LIMIT_MAX), default=ENTRIES_SHOWN, show_default=True,
    help="How many entries, newest first.",
)  # fmt: skip
@json_option
def wallet(wallet: str, currency: str | None, as_of: int | datetime | None, limit: int, as_json: bool) -> None:
    """Explain what WALLET (an id, or an address with --currency) holds, entry by entry.

    Amounts have the wallet's natural sign. The opening balance and the entries shown add up to what it holds.
    """
    with _history(as_of) as (history, asked):
        try:
            found = explain_wallet(history, asked.wallet(wallet, currency), limit)
        except EntriesDoNotClose as damaged:
            refuse(f"{damaged}; run daybook verify")
        if found is None:
            _missing("WALLET", f"wallet {wallet}", history)
    if as_json:
        print_facts(found, as_json)
    else:
        _print_wallet(found)


@command.command("order")
@click.argument("order_id")
@as_of_option
@json_option
def order(order_id: str, as_of: int | datetime | None, as_json: bool) -> None:
    """Explain what happened to a payment order: each event, what it changed, and what was posted for it."""
    key = _order_key(order_id)
    with _history(as_of) as (history, _):
        found = explain_order(history, key)
        if found is None:
            _missing("ORDER_ID", f"payment order {order_id}", history)
    if as_json:
        print_facts(found, as_json)
    else:
        _print_order(found)


@command.command("difference")
@click.argument("order_id")
@as_of_option
@json_option
def difference(order_id: str, as_of: int | datetime | None, as_json: bool) -> None:
    """Explain why the payments of an order do not add up to its items."""
    key = _order_key(order_id)
    with _history(as_of) as (history, _):
        found = explain_difference(history, key)
        if found is None:
            _missing("ORDER_ID", f"payment order {order_id}", history)
    if as_json:
        print_facts(found, as_json)
    else:
        _print_difference(found)


@contextlib.contextmanager
def _history(as_of: int | datetime | None) -> Iterator[tuple[History, Any]]:
    """The log of the settings' book up to a moment; a moment that has not come ends the command, named."""
    with asking("explain", roles=()) as asked:
        queries = Queries(asked.opened.recorder.readers.read)
        position = position_of(asked.opened, as_of)
        if position is None:
            position = asked.opened.recorder.max_notification_id() or 0
        yield History(queries, asked.opened.log.log_mapper, asked.book, position), asked


def _order_key(text: str) -> str:
    try:
        return canonical_uuid(text, "ORDER_ID")
    except NotAUuid as wrong:
        raise click.UsageError(str(wrong)) from None


def _missing(argument: str, what: str, history: History) -> NoReturn:
    refuse(f"{argument}: there is no {what} in book {history.book} at position {history.as_of}")


# printing: lines, so that what is piped away stays one fact per line


def _say(text: str = "") -> None:
    Console(highlight=False, soft_wrap=True).print(text)


def _source(source: Source) -> str:
    noted = (
        ("by", source.actor), ("correlation", source.correlation), ("because of", source.causation),
        ("rule", source.rule_version), ("code", source.code_version),
    )  # fmt: skip
    words = "".join(f" {name} {escape(value)}" for name, value in noted if value)
    return f"{source.recorded_at.isoformat()} position {source.position} {source.topic}{words}"


def _print_wallet(found: WalletExplanation) -> None:
    _say(f"[bold]{escape(found.address)} {found.currency}[/bold] ({found.account_kind}) {found.wallet_id}")
    limit = "none" if found.overdraft_limit_minor is None else f"{found.overdraft_limit_minor:,}"
    standing = "".join(f", {name}" for name in ("frozen", "closed") if getattr(found, name))
    numbers = f"posted {found.posted_minor:,}, held {found.held_minor:,}, available {found.available_minor:,}"
    _say(f"as of position {found.as_of}: {numbers}, overdraft limit {limit}{standing}")
    for entry in found.entries:
        _print_entry(entry)
    shown = f"{len(found.entries)} shown {found.shown_minor:+,}"
    _say(f"opening {found.opening_minor:,} ({found.entries_before} entries) + {shown} = posted {found.posted_minor:,}")


def _print_entry(entry: WalletEntry) -> None:
    if entry.effective_at is not None:
        moved = f"{entry.amount_minor:+,} posted, effective {entry.effective_at.isoformat()}"
    else:
        moved = "moves nothing"
    held = f", {entry.held_change_minor:+,} held" if entry.held_change_minor else ""
    after = f"posted {entry.posted_minor:,}, held {entry.held_minor:,}, available {entry.available_minor:,}"
    _say(f"[bold]{moved}{held}[/bold] -> {after}")
    _say(f"  line {entry.line} of {escape(entry.reference)} by rule {entry.rule}, posting {entry.posting_id}")
    if entry.cause is None:
        _say("  caused by a fact that cannot be found")
    elif entry.cause.source is None:
        _say(f"  caused by a request: {escape(entry.cause.subject)}")
    else:
        _say(f"  caused by {escape(entry.cause.subject)}: {_source(entry.cause.source)}")
    if entry.posting is not None:
        _say(f"  recorded {_source(entry.posting)}")


def _print_order(found: OrderExplanation) -> None:
    _say(f"[bold]order {found.order_id}[/bold] over {found.amount_minor:,} {found.currency}: {found.status}")
    counters = f"authorised {found.authorized_minor:,}, captured {found.captured_minor:,}, held {found.held_minor:,}"
    back = f"returned {found.returned_minor:,}, given back {found.released_minor:,}"
    _say(f"as of position {found.as_of}: {counters}, {back}, cost {found.cost_minor:,}")
    for step in found.steps:
        _print_step(step)


def _print_step(step: OrderStep) -> None:
    _say(f"[bold]{escape(step.words)}[/bold] -> {step.status}")
    _say(f"  {_source(step.source)}")
    if step.changes:
        _say("  " + ", ".join(f"{name.removesuffix('_minor')} {by:+,}" for name, by in step.changes.items()))
    for share in step.shares:
        _say(f"  seller {share.seller_id}: {share.gross_words}")
        _say(f"    commission {share.commission_words}; net {share.net_minor:,}")
    for posting in step.postings:
        _say(f"  posted {posting.rule} as {escape(posting.reference)} at position {posting.source.position}")
        for line in posting.lines:
            side = f"debit {line.debit_minor:>14,}" if line.debit_minor else f"credit {line.credit_minor:>13,}"
            _say(f"    {side} {line.currency} {escape(line.address)}")
        for name, text in posting.metadata.items():
            if name.startswith("suspense_") or name == "effective_at_reported":
                _say(f"    {name}: {escape(text)}")


def _print_difference(found: DifferenceExplanation) -> None:
    _say(f"[bold]order {found.order_id}[/bold] in {found.currency}, as of position {found.as_of}")
    sums = f"due {found.due_minor:,}, captured {found.captured_minor:,}, difference {found.difference_minor:+,}"
    back = f", returned {found.returned_minor:,}" if found.returned else ""
    _say(f"{sums}{back}: {found.words}")
    _say(f"due by {_source(found.due_by)}")
    for due in found.due:
        _say(f"  {due.amount_minor:>14,} seller {due.seller_id}")
    _say("captured by" if found.captured else "nothing was captured")
    for taken in found.captured:
        _print_taken(taken)
    if found.returned:
        _say("went back by")
    for returned in found.returned:
        _print_returned(returned)


def _print_taken(taken: Taken) -> None:
    where = f"attempt {taken.attempt} at {taken.rail} ({taken.method}), its reference {escape(taken.rail_reference)}"
    late = " LATE, in suspense" if taken.late else ""
    _say(f"  {taken.amount_minor:>14,} {taken.currency} {where}, effective {taken.effective_at.isoformat()}{late}")
    _say(f"    {_source(taken.source)}")


def _print_returned(returned: Returned) -> None:
    fee = f", a fee of {returned.fee_minor:,} on top" if returned.fee_minor else ""
    where = f"of attempt {returned.attempt} at {returned.rail}: {escape(returned.reason)}{fee}"
    _say(f"  {returned.amount_minor:>14,} {returned.currency} {where}, effective {returned.effective_at.isoformat()}")
    _say(f"    {_source(returned.source)}")
