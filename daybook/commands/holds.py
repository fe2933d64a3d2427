"""``daybook holds``: set money aside, post it later in all or in part, or give it back."""

from __future__ import annotations

from datetime import datetime

import click

from api.moments import as_known
from api.posting_documents import hold_document
from daybook.commands._ledger import (
    Moment,
    asking,
    decision,
    dry_run_option,
    effective_option,
    json_option,
    key_option,
    lines_option,
    metadata_option,
    print_facts,
    reference_option,
    uuid_of,
)
from daybook.commands._moments import as_of_option, position_of
from daybook.commands._streams import posting_of
from ledger.wire import CommitHold, PlaceHold, VoidHold


@click.group()
def command() -> None:
    """Holds: place one, commit it, void it, show it."""


@command.command("place")
@lines_option()
@click.option("--expires-at", type=Moment(), help="When what is left is given back by itself; never unless given.")
@reference_option
@metadata_option
@dry_run_option
@key_option
@json_option
def place(
    lines: tuple[tuple[str, str, int], ...],
    expires_at: datetime | None,
    reference: str | None,
    metadata: tuple[tuple[str, str], ...],
    dry_run: bool,
    key: str,
    as_json: bool,
) -> None:
    """Reserve what balanced lines would take; it leaves `available` at once."""
    with asking("holds") as asked:
        order = PlaceHold(
            book=asked.book,
            key=key,
            lines=asked.lines(lines),
            expires_at=expires_at,
            reference=reference,
            metadata=dict(metadata),
            dry_run=dry_run,
        )
        reply = asked.ask(order, "held")
    print_facts(decision(reply, key=key, hold_id=reply.posting_id, lines=reply.lines), as_json)


@command.command("commit")
@click.argument("hold_id")
@click.option("--amount-minor", type=click.IntRange(min=1), help="A part, of a hold of two lines.")
@lines_option(required=False)
@click.option("--keep-rest", is_flag=True, help="Keep what this commit leaves for further commits.")
@effective_option
@dry_run_option
@key_option
@json_option
def commit(
    hold_id: str,
    amount_minor: int | None,
    lines: tuple[tuple[str, str, int], ...],
    keep_rest: bool,
    effective_at: datetime | None,
    dry_run: bool,
    key: str,
    as_json: bool,
) -> None:
    """Post a hold: all that remains, an amount, or lines."""
    found = uuid_of(hold_id, "HOLD_ID")
    with asking("holds") as asked:
        order = CommitHold(
            book=asked.book,
            key=key,
            hold_id=found,
            amount_minor=amount_minor,
            lines=asked.lines(lines) or None,
            final=not keep_rest,
            effective_at=effective_at,
            dry_run=dry_run,
        )
        reply = asked.ask(order, "committed")
    print_facts(decision(reply, key=key, hold_id=found, lines=reply.lines), as_json)


@command.command("void")
@click.argument("hold_id")
@dry_run_option
@key_option
@json_option
def void(hold_id: str, dry_run: bool, key: str, as_json: bool) -> None:
    """Give back what a hold still reserves."""
    found = uuid_of(hold_id, "HOLD_ID")
    with asking("holds") as asked:
        reply = asked.ask(VoidHold(book=asked.book, key=key, hold_id=found, dry_run=dry_run), "voided")
    print_facts(decision(reply, key=key, hold_id=found, lines=reply.lines), as_json)


@command.command("show")
@click.argument("hold_id")
@as_of_option
@json_option
def show(hold_id: str, as_of: int | datetime | None, as_json: bool) -> None:
    """Show one hold as its events tell it."""
    with asking("holds", roles=()) as asked:
        then = position_of(asked.opened, as_of)
        facts = as_known(hold_document(posting_of(asked, hold_id, "HOLD_ID", hold=True, as_of=then)), then)
    print_facts(facts, as_json)
