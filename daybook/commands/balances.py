"""``daybook balances``: what wallets hold together, now or at any moment."""

from __future__ import annotations

from datetime import datetime

import click

from daybook.commands._ledger import Moment, Note, json_option, print_facts
from daybook.commands._moments import as_of_option
from daybook.commands._questions import reading
from domain.address_pattern import AddressPattern
from projections.queries import Grouping, WalletFilter, When, up_to

PAGE = 1_000


@click.command()
@click.argument("pattern", default="", required=False)
@click.option("--currency", help="Only wallets in this currency, like BRL.")
@click.option("--kind", type=click.Choice(["asset", "liability", "income", "expense", "memo"]), help="Only this kind.")
@click.option(
    "--metadata", type=Note(), multiple=True, metavar="NAME=TEXT", help="Only wallets with this note; all must hold."
)
@click.option("--group-by", default="", help="address, segment.N or metadata.NAME, joined by commas.")
@as_of_option
@click.option("--effective-at", type=Moment(), help="What was true by then; may go with --as-of.")
@json_option
def command(
    pattern: str,
    currency: str | None,
    kind: str | None,
    metadata: tuple[tuple[str, str], ...],
    group_by: str,
    as_of: int | datetime | None,
    effective_at: datetime | None,
    as_json: bool,
) -> None:
    """Sum balances per currency and kind, in minor units; PATTERN is like wallet:** or merchant:*:available."""
    with reading("balances") as asked:
        chosen = WalletFilter(
            pattern=AddressPattern.parse(pattern, "PATTERN") if pattern else None,
            currency=None if currency is None else currency.upper(),
            account_kind=kind,
            metadata=dict(metadata),
        )
        grouping = Grouping.parse(group_by, "--group-by")
        when = When(asked.position(as_of, "--as-of"), None if effective_at is None else up_to(effective_at))
        rows, cursor = [], None
        while True:
            page = asked.queries.balances(asked.asker, chosen, when, grouping, cursor=cursor, limit=PAGE)
            rows += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
    if as_json:
        print_facts({"balances": rows}, as_json)
        return
    for row in rows:
        names = " ".join(str(text) for text in row.get("group", {}).values())
        held = f"{row['held_minor']:>16,} held" if "held_minor" in row else ""
        click.echo(f"{row['currency']} {row['account_kind']:<10} {names:<50}{row['posted_minor']:>18,}{held}")
