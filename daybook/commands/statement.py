"""``daybook statement``: what a wallet had, what was posted to it, what it has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

import click

from api.statements import statement_csv
from daybook.commands._ledger import Moment, currency_option, print_facts, refuse
from daybook.commands._moments import AsOf, as_of_option
from daybook.commands._questions import Reading, reading
from projections.queries import Range, Statement, span


@click.command()
@click.argument("wallet")
@currency_option
@click.option("--from", "start", type=Moment(), help="The first effective moment; all the past unless given.")
@click.option("--to", "end", type=Moment(), help="The effective moment at which it ends, not included.")
@click.option("--recorded-from", type=AsOf(), help="Instead: what was recorded after a position, or since a time.")
@click.option("--recorded-to", type=AsOf(), help="Instead: what was recorded up to a position, or a time.")
@as_of_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def command(
    wallet: str,
    currency: str | None,
    start: datetime | None,
    end: datetime | None,
    recorded_from: int | datetime | None,
    recorded_to: int | datetime | None,
    as_of: int | datetime | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Print the statement of WALLET (an id, or an address with --currency) in minor units and its natural sign."""
    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other")
    recorded = recorded_from is not None or recorded_to is not None
    if recorded and any(one is not None for one in (start, end, as_of)):
        raise click.UsageError("--from and --to are effective moments, as of --as-of: give those, or the recorded ones")
    with reading("statement") as asked:
        about = _recorded(asked, recorded_from, recorded_to) if recorded else _effective(asked, start, end, as_of)
        pages = asked.queries.statement_pages(asked.asker, asked.wallet(wallet, currency), about)
        first = next(pages, None)
        if first is None:
            refuse(f"there is no wallet {wallet} in book {asked.asker.book}")
        if as_csv:
            for text in statement_csv(first, pages):
                click.echo(text, nl=False)
        elif as_json:
            print_facts(_document(first, pages), as_json)
        else:
            _print(first, pages)


def _recorded(asked: Reading, first: int | datetime | None, last: int | datetime | None) -> Range:
    return Range(None, asked.position(first, "--recorded-from") or 0, asked.position(last, "--recorded-to"))


def _effective(asked: Reading, start: datetime | None, end: datetime | None, as_of: int | datetime | None) -> Range:
    return Range(span(start, end), up_to=asked.position(as_of))


def _document(first: Statement, rest: Iterator[Statement]) -> dict[str, object]:
    return {
        **first.wallet,
        "as_of": str(first.as_of),
        "opening_minor": first.opening_minor,
        "entries": [entry for page in chain([first], rest) for entry in page.entries],
        "closing_minor": first.closing_minor,
    }


def _print(first: Statement, rest: Iterator[Statement]) -> None:
    click.echo(f"{first.wallet['address']} {first.wallet['currency']}, as of position {first.as_of}")
    click.echo(f"{'opening':<64}{first.opening_minor:>32,}")
    for page in chain([first], rest):
        for entry in page.entries:
            moment = entry["effective_at"].isoformat()
            click.echo(
                f"{moment:<34}{entry['posting_id']!s:<40}{entry['amount_minor']:>11,}{entry['balance_minor']:>11,}"
            )
    click.echo(f"{'closing':<64}{first.closing_minor:>32,}")
