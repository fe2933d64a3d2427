"""``daybook replay rows``: the rows of any view, now or as of then."""

from __future__ import annotations

import json
from datetime import datetime

import click

from daybook.commands._ledger import Note, json_option
from daybook.commands._moments import as_of_option
from daybook.commands._questions import reading
from projections.registry import UnknownView, view
from replay.rows import rows


@click.command("rows")
@click.argument("name", metavar="VIEW")
@click.option("--where", type=Note(), multiple=True, metavar="COLUMN=VALUE", help="Only rows with it; all must hold.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="How many rows.")
@as_of_option
@json_option
def command(
    name: str, where: tuple[tuple[str, str], ...], limit: int, as_of: int | datetime | None, as_json: bool
) -> None:
    """Print rows of VIEW in the order of its key, one line each; amounts as the view keeps them, in minor units."""
    try:
        wanted = view(name)
    except UnknownView as unknown:
        raise click.UsageError(str(unknown)) from None
    with reading("replay") as asked:
        found = rows(asked.queries, wanted, asked.asker.book, dict(where), limit, asked.position(as_of))
    if as_json:
        click.echo(json.dumps(found, default=str))
        return
    for row in found:
        click.echo("  ".join(f"{column}={value}" for column, value in row.items() if value is not None))
