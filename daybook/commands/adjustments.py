"""``daybook adjustments``: correct the books by hand; one person proposes, another approves or rejects."""

from __future__ import annotations

import hashlib
from datetime import datetime

import click
import msgspec

from api.adjustments import adjustment_document
from api.moments import as_known
from daybook.clock import SystemClock
from daybook.commands._ledger import (
    LINE,
    Asking,
    Moment,
    asking,
    json_option,
    key_option,
    metadata_option,
    print_facts,
    reason_option,
    refuse,
    uuid_of,
)
from daybook.commands._moments import as_of_option, position_of
from daybook.commands._streams import adjustment_of
from daybook.session import EXIT_UNREACHABLE
from domain.adjustment import AdjustmentLine
from eventlog.recorded import Meta
from ledger.adjustments import AdjustmentNotFound, Adjustments, Decided, DecidedMeanwhile, Proposal

BOOKS_TIMEOUT_S = 60.0
by_option = click.option(
    "--by", required=True, help="Your own id here, for the four eyes: an account, not a name; kept with the event."
)


@click.group()
def command() -> None:
    """Adjustments: propose one, approve or reject somebody else's, show one."""


@command.command("propose")
@click.option(
    "--line",
    "lines",
    type=LINE,
    multiple=True,
    required=True,
    metavar="ADDRESS CURRENCY AMOUNT",
    help="One account's part in minor units, + for a debit.",
)
@reason_option
@by_option
@click.option("--effective-at", type=Moment(), help="When it is true; the moment of approval unless given.")
@metadata_option
@key_option
@json_option
def propose(
    lines: tuple[tuple[str, str, int], ...],
    reason: str,
    by: str,
    effective_at: datetime | None,
    metadata: tuple[tuple[str, str], ...],
    key: str,
    as_json: bool,
) -> None:
    """Propose an adjustment; nothing is posted before somebody else approves it."""
    asked_for = [AdjustmentLine(address, currency.upper(), amount) for address, currency, amount in lines]
    body = [asked_for, reason, effective_at, sorted(metadata)]
    fingerprint = hashlib.sha256(msgspec.json.encode(body)).hexdigest()
    with asking("adjustments", roles=()) as asked:
        proposal = Proposal(asked.book, key, asked_for, reason, _who(by), fingerprint, effective_at, dict(metadata))
        facts = _facts(_adjustments(asked).propose(proposal, _meta(by)), asked.book)
    print_facts(facts, as_json)


@command.command("approve")
@click.argument("adjustment_id")
@by_option
@json_option
def approve(adjustment_id: str, by: str, as_json: bool) -> None:
    """Approve an adjustment that somebody else proposed, and wait until it is posted."""
    key = str(uuid_of(adjustment_id, "ADJUSTMENT_ID"))
    with asking("adjustments") as asked:
        try:
            decided = _adjustments(asked).approve(asked.book, key, _who(by), _meta(by))
        except (AdjustmentNotFound, DecidedMeanwhile) as problem:
            refuse(str(problem))
        if not asked.opened.wait_for_books(BOOKS_TIMEOUT_S):
            click.echo("approved, but the posting engine does not move; look at its log lines", err=True)
            raise SystemExit(EXIT_UNREACHABLE)
    print_facts(_facts(decided, asked.book), as_json)


@command.command("reject")
@click.argument("adjustment_id")
@reason_option
@by_option
@json_option
def reject(adjustment_id: str, reason: str, by: str, as_json: bool) -> None:
    """Turn an adjustment down, or take your own back."""
    key = str(uuid_of(adjustment_id, "ADJUSTMENT_ID"))
    with asking("adjustments", roles=()) as asked:
        try:
            decided = _adjustments(asked).reject(asked.book, key, _who(by), reason, _meta(by))
        except (AdjustmentNotFound, DecidedMeanwhile) as problem:
            refuse(str(problem))
    print_facts(_facts(decided, asked.book), as_json)


@command.command("show")
@click.argument("adjustment_id")
@as_of_option
@json_option
def show(adjustment_id: str, as_of: int | datetime | None, as_json: bool) -> None:
    """Show one adjustment as its events tell it."""
    with asking("adjustments", roles=()) as asked:
        then = position_of(asked.opened, as_of)
        facts = as_known(adjustment_document(adjustment_of(asked, adjustment_id, then), asked.book), then)
    print_facts(facts, as_json)


def _adjustments(asked: Asking) -> Adjustments:
    return Adjustments(asked.opened.log, SystemClock())


def _who(by: str) -> str:
    """People of the command line and API keys are told apart."""
    return f"cli:{by}"


def _meta(by: str) -> Meta:
    return Meta(actor=_who(by))


def _facts(decided: Decided, book: int) -> dict[str, object]:
    return {**adjustment_document(decided.adjustment, book), "replayed": decided.replayed}
