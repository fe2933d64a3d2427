"""``daybook books``: the tenants of this installation."""

from __future__ import annotations

from typing import Any

import click
import pydantic

from daybook.commands._ledger import asking, json_option, print_facts, refuse
from domain.book import Book
from domain.ids import stream_id
from eventlog.connections import connect
from ledger.open_books import open_books
from payments.commands import OpenBook


@click.group()
def command() -> None:
    """Books: open one for a tenant, list those that are open."""


@command.command("open")
@click.argument("number", type=click.IntRange(min=1, max=2**31 - 1))
@click.option("--name", required=True, help="What the tenant is called here; an id of yours, never a person's name.")
@click.option(
    "--commission-bps",
    type=click.IntRange(min=0, max=10_000),
    required=True,
    help="What the platform keeps of each seller's share, in hundredths of a percent.",
)
@json_option
def open_(number: int, name: str, commission_bps: int, as_json: bool) -> None:
    """Open a book; a running engine takes it over at once. Opening it again with the same terms changes nothing."""
    with asking("books", roles=()) as asked:
        try:
            terms = OpenBook(book=number, name=name, commission_bps=commission_bps)
        except pydantic.ValidationError as wrong:
            refuse("; ".join(f"{e['loc'][0]}: {e['msg']}" for e in wrong.errors(include_input=False)))
        replayed = asked.opened.checkout.open_book(terms)
    facts = {"book": number, "name": name, "commission_bps": commission_bps, "replayed": replayed}
    print_facts(facts, as_json)


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the open books with their terms."""
    with asking("books", roles=()) as asked:
        with connect(asked.opened.database_url) as connection:
            numbers = open_books(connection)
        rows = [_facts(asked.opened.log.repository.get(stream_id(book, "book", str(book)))) for book in numbers]
    print_facts(rows, as_json)


def _facts(book: Book) -> dict[str, Any]:
    return {
        "book": book.book,
        "name": book.name,
        "commission_bps": book.commission_bps,
        "opened_at": book.created_on,
    }
