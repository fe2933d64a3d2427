"""``daybook postings``: move money over any wallets, look at a posting, take it back."""

from __future__ import annotations

from datetime import datetime

import click

from api.moments import as_known
from api.posting_documents import posting_document
from daybook.commands._ledger import (
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
from ledger.wire import Post, Revert


@click.group()
def command() -> None:
    """Postings: create one, show one, take one back."""


@command.command("create")
@lines_option()
@reference_option
@metadata_option
@effective_option
@dry_run_option
@key_option
@json_option
def create(
    lines: tuple[tuple[str, str, int], ...],
    reference: str | None,
    metadata: tuple[tuple[str, str], ...],
    effective_at: datetime | None,
    dry_run: bool,
    key: str,
    as_json: bool,
) -> None:
    """Post balanced lines; a refusal is final for its key."""
    with asking("postings") as asked:
        order = Post(
            book=asked.book,
            key=key,
            lines=asked.lines(lines),
            reference=reference,
            metadata=dict(metadata),
            effective_at=effective_at,
            dry_run=dry_run,
        )
        reply = asked.ask(order, "posted")
    print_facts(decision(reply, key=key, lines=reply.lines), as_json)


@command.command("show")
@click.argument("posting_id")
@as_of_option
@json_option
def show(posting_id: str, as_of: int | datetime | None, as_json: bool) -> None:
    """Show one posting as its events tell it."""
    with asking("postings", roles=()) as asked:
        then = position_of(asked.opened, as_of)
        facts = as_known(posting_document(posting_of(asked, posting_id, "POSTING_ID", as_of=then)), then)
    print_facts(facts, as_json)


@command.command("revert")
@click.argument("posting_id")
@click.option("--amount-minor", type=click.IntRange(min=1), help="A part, of a posting of two lines.")
@click.option("--at-effective-date", is_flag=True, help="Take it back when it was effective, not now.")
@reference_option
@metadata_option
@dry_run_option
@key_option
@json_option
def revert(
    posting_id: str,
    amount_minor: int | None,
    at_effective_date: bool,
    reference: str | None,
    metadata: tuple[tuple[str, str], ...],
    dry_run: bool,
    key: str,
    as_json: bool,
) -> None:
    """Take a posting back, all that is left of it or a part."""
    original = uuid_of(posting_id, "POSTING_ID")
    with asking("postings") as asked:
        order = Revert(
            book=asked.book,
            key=key,
            posting_id=original,
            amount_minor=amount_minor,
            at_effective_date=at_effective_date,
            reference=reference,
            metadata=dict(metadata),
            dry_run=dry_run,
        )
        reply = asked.ask(order, "reverted")
    print_facts(decision(reply, key=key, reverts=original, lines=reply.lines), as_json)
